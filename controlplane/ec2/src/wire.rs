//! Plain data as the SDK's types, and back.

use crate::error::Failed;
use crate::prices::SpotPrice;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, Filter, HttpTokensState, IamInstanceProfileSpecification,
    Image as FoundAsImage, Instance, InstanceInterruptionBehavior, InstanceMarketOptionsRequest,
    InstanceMetadataOptionsRequest, InstanceMetadataTagsState,
    InstanceNetworkInterfaceSpecification, InstanceType, MarketType, ResourceType,
    RunInstancesMonitoringEnabled, ShutdownBehavior, SpotInstanceType, SpotMarketOptions, Tag,
    TagSpecification, VolumeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ec2_core::RunRequest;
use ec2_core::config::{FoundImage, Image};
use ec2_core::pricelist;
use ec2_core::request::{Buying, Device, MetadataOptions, Tagged, price};
use ec2_core::seen::Row;
use schema::unit::Micros;
use smol_str::SmolStr;

/// A filter for one value.
pub(crate) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// A filter for any of these values.
pub(crate) fn filter_any<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    let values = values.into_iter().map(str::to_owned).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// The call of a launch, all of it.
///
/// # Errors
/// A number is beyond what EC2's protocol holds.
pub(crate) fn run(
    client: &Client,
    request: &RunRequest,
) -> Result<RunInstancesFluentBuilder, Failed> {
    let mut sent = client
        .run_instances()
        .client_token(request.token.as_str())
        .instance_type(InstanceType::from(request.kind.as_str()))
        .image_id(request.image.as_str())
        .min_count(number(u64::from(request.least))?)
        .max_count(number(u64::from(request.most))?)
        .network_interfaces(interface(request))
        .metadata_options(metadata(&request.metadata)?)
        .instance_initiated_shutdown_behavior(ShutdownBehavior::from(request.on_shutdown))
        .user_data(STANDARD.encode(request.user_data.bytes()))
        .ebs_optimized(request.ebs_optimized)
        .monitoring(RunInstancesMonitoringEnabled::builder().enabled(request.monitoring).build())
        .set_instance_market_options(market(&request.buying))
        .set_key_name(request.key_name.as_ref().map(ToString::to_string))
        .set_iam_instance_profile(request.instance_profile.as_deref().map(profile));
    for device in &request.devices {
        sent = sent.block_device_mappings(volume(device)?);
    }
    for tagged in &request.tagged {
        sent = sent.tag_specifications(tags(*tagged, request));
    }
    Ok(sent)
}

fn number(value: u64) -> Result<i32, Failed> {
    i32::try_from(value).map_err(|_| Failed::unspeakable(value))
}

fn interface(request: &RunRequest) -> InstanceNetworkInterfaceSpecification {
    let groups = request.security_groups.iter().map(ToString::to_string).collect();
    InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(request.subnet.as_str())
        .set_groups(Some(groups))
        .set_associate_public_ip_address(request.public_ip)
        .delete_on_termination(true)
        .build()
}

fn metadata(options: &MetadataOptions) -> Result<InstanceMetadataOptionsRequest, Failed> {
    let tags = if options.tags { "enabled" } else { "disabled" };
    Ok(InstanceMetadataOptionsRequest::builder()
        .http_tokens(HttpTokensState::from(options.tokens))
        .http_put_response_hop_limit(number(u64::from(options.hop_limit))?)
        .instance_metadata_tags(InstanceMetadataTagsState::from(tags))
        .build())
}

fn market(buying: &Buying) -> Option<InstanceMarketOptionsRequest> {
    let Buying::Spot { most } = buying else { return None };
    let spot = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate)
        .set_max_price(most.map(price))
        .build();
    let market = InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot);
    Some(market.spot_options(spot).build())
}

fn profile(named: &str) -> IamInstanceProfileSpecification {
    let profile = IamInstanceProfileSpecification::builder();
    if named.starts_with("arn:") { profile.arn(named) } else { profile.name(named) }.build()
}

fn volume(device: &Device) -> Result<BlockDeviceMapping, Failed> {
    let volume = EbsBlockDevice::builder()
        .volume_type(VolumeType::from(device.kind.name()))
        .volume_size(number(device.size)?)
        .set_iops(device.iops.map(number).transpose()?)
        .set_throughput(device.throughput.map(number).transpose()?)
        .encrypted(device.encrypted)
        .delete_on_termination(true)
        .build();
    Ok(BlockDeviceMapping::builder().device_name(device.name.as_str()).ebs(volume).build())
}

fn tags(tagged: Tagged, request: &RunRequest) -> TagSpecification {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    TagSpecification::builder()
        .resource_type(ResourceType::from(tagged.name()))
        .set_tags(Some(request.tags.iter().map(tag).collect()))
        .build()
}

/// What EC2 says of an instance.
pub(crate) fn row(instance: &Instance) -> Row {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let tag = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()));
    let state = instance.state().and_then(|state| state.name());
    Row {
        instance: instance.instance_id().unwrap_or_default().to_owned(),
        state: state.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        reason: text(instance.state_reason().and_then(|reason| reason.code())),
        tags: instance.tags().iter().filter_map(tag).collect(),
        lifecycle: text(instance.instance_lifecycle().map(|lifecycle| lifecycle.as_str())),
        zone: text(instance.placement().and_then(|placement| placement.availability_zone())),
        kind: text(instance.instance_type().map(InstanceType::as_str)),
        token: text(instance.client_token()),
        launched: instance.launch_time().and_then(|at| u64::try_from(at.to_millis().ok()?).ok()),
    }
}

/// What EC2 says of an image, if that is enough to launch it.
pub(crate) fn image(image: &FoundAsImage) -> Option<FoundImage> {
    Some(FoundImage {
        image: Image {
            id: image.image_id()?.into(),
            root_device: image.root_device_name()?.into(),
        },
        owner: image.owner_id()?.into(),
        name: image.name().unwrap_or_default().to_owned(),
        arch: image.architecture()?.as_str().into(),
        created: image.creation_date().unwrap_or_default().into(),
    })
}

/// A spot price, if EC2 says of what and since when.
pub(crate) fn spot_price(told: &aws_sdk_ec2::types::SpotPrice) -> Option<SpotPrice> {
    Some(SpotPrice {
        kind: told.instance_type()?.as_str().into(),
        zone: told.availability_zone()?.into(),
        price: Micros::parse(&format!("${}", told.spot_price()?)).ok()?,
        since: told.timestamp()?.to_millis().ok()?,
    })
}

/// What the price list is asked for: what it calls filters.
///
/// # Errors
/// The SDK does not take one of them.
pub(crate) fn products(region: &str) -> Result<Vec<aws_sdk_pricing::types::Filter>, Failed> {
    use aws_sdk_pricing::types::{Filter, FilterType};
    let filter = |(field, value): (&str, &str)| {
        let built = Filter::builder().r#type(FilterType::TermMatch).field(field).value(value);
        built.build().map_err(|error| Failed::unmade(&error))
    };
    pricelist::filters(region).into_iter().map(filter).collect()
}

/// A placement score and the id of its zone.
pub(crate) fn score(told: &aws_sdk_ec2::types::SpotPlacementScore) -> Option<(SmolStr, u8)> {
    Some((told.availability_zone_id()?.into(), u8::try_from(told.score()?).ok()?))
}
