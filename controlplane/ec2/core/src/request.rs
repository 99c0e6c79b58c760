//! `RunInstances` as plain data. One attempt is one request: a type, in the subnet of one zone, on one
//! market, under one token. The same attempt gives the same request, whoever asks and however often.

use crate::config::{Config, Image, SpotPrice};
use crate::credential::Credential;
use crate::intent::Intent;
use crate::tags::tags;
use crate::userdata::{UserData, UserDataError, userdata};
use crate::volume::{VolumeType, device};
use schema::id::{ClusterId, LaunchId};
use schema::requirements::Market;
use schema::unit::Micros;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt;

/// What tells one attempt from another, for EC2: 64 hex digits. It names the subnet, because EC2 knows a
/// token in one zone alone: the same one in another zone would launch again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(SmolStr);

impl Token {
    /// The token of an attempt in a subnet.
    #[must_use]
    pub fn of(cluster: &ClusterId, launch: &LaunchId, attempt: u32, subnet: &str) -> Token {
        let mut hasher = blake3::Hasher::new_derive_key("fleetlog ec2 client token 1");
        // No id holds a line's end, so no two inputs are spelt alike.
        hasher.update(format!("{cluster}\n{launch}\n{attempt}\n{subnet}\n").as_bytes());
        Token(SmolStr::new(hasher.finalize().to_hex().as_str()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The market of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buying {
    /// At list price.
    OnDemand,
    /// One time, terminated when interrupted.
    Spot {
        /// The most that is paid for an hour; EC2's own limit, if there is none.
        most: Option<Micros>,
    },
}

/// A volume of an instance. All of them go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The name under which it is attached.
    pub name: SmolStr,
    /// Its type.
    pub kind: VolumeType,
    /// Its size in GiB.
    pub size: u64,
    /// Operations a second.
    pub iops: Option<u64>,
    /// MiB a second.
    pub throughput: Option<u64>,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// A thing that a call makes and that can have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagged {
    /// The instance.
    Instance,
    /// Its volumes.
    Volume,
    /// Its network interface.
    NetworkInterface,
    /// The request that EC2 makes of a spot launch.
    SpotInstancesRequest,
}

impl Tagged {
    /// As EC2 calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tagged::Instance => "instance",
            Tagged::Volume => "volume",
            Tagged::NetworkInterface => "network-interface",
            Tagged::SpotInstancesRequest => "spot-instances-request",
        }
    }
}

/// How instances reach their metadata; always with tokens (IMDSv2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataOptions {
    /// `required`.
    pub tokens: &'static str,
    /// Hops that an answer survives.
    pub hop_limit: u32,
    /// Whether tags can be read there.
    pub tags: bool,
}

/// A call of `RunInstances`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    /// `ClientToken`.
    pub token: Token,
    /// `InstanceType`.
    pub kind: SmolStr,
    /// `ImageId`.
    pub image: SmolStr,
    /// The subnet of its one network interface, and with it the zone.
    pub subnet: SmolStr,
    /// The security groups of that interface.
    pub security_groups: Vec<SmolStr>,
    /// Whether that interface gets a public address.
    pub public_ip: Option<bool>,
    /// `MinCount`: fewer than asked for are welcome.
    pub least: u32,
    /// `MaxCount`.
    pub most: u32,
    /// `InstanceMarketOptions`.
    pub buying: Buying,
    /// `TagSpecifications`: these tags on each of those.
    pub tags: BTreeMap<String, String>,
    /// What is tagged.
    pub tagged: Vec<Tagged>,
    /// `MetadataOptions`.
    pub metadata: MetadataOptions,
    /// `InstanceInitiatedShutdownBehavior`: `terminate`.
    pub on_shutdown: &'static str,
    /// `BlockDeviceMappings`: the root, then the slices of the data volume.
    pub devices: Vec<Device>,
    /// `IamInstanceProfile`: a name, or an ARN.
    pub instance_profile: Option<SmolStr>,
    /// `KeyName`.
    pub key_name: Option<SmolStr>,
    /// `UserData`, before base 64.
    pub user_data: UserData,
    /// `EbsOptimized`.
    pub ebs_optimized: bool,
    /// `Monitoring`.
    pub monitoring: bool,
}

/// Why there is no request: an attempt that can never be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The settings name no subnet in the zone.
    #[error("the settings name no subnet in zone {0}")]
    NoSubnet(SmolStr),
    /// The data volume that the offering asks for is more than EC2 has.
    #[error("{0}")]
    Volume(String),
    /// There is no user-data.
    #[error(transparent)]
    UserData(#[from] UserDataError),
}

impl RunRequest {
    /// The request of an attempt.
    ///
    /// # Errors
    /// [`RequestError`]: the attempt is to be refused as a configuration.
    pub fn new(
        config: &Config,
        intent: &Intent,
        image: &Image,
        credential: &Credential,
    ) -> Result<RunRequest, RequestError> {
        let offering = intent.offering();
        let subnet = config.subnet(&offering.zone);
        let subnet = subnet.ok_or_else(|| RequestError::NoSubnet(offering.zone.clone()))?.clone();
        let spot = offering.market == Market::Spot;
        Ok(RunRequest {
            token: Token::of(intent.cluster(), intent.launch(), intent.attempt(), &subnet),
            kind: offering.kind.clone(),
            image: image.id.clone(),
            subnet,
            security_groups: config.security_groups.clone(),
            public_ip: config.public_ip,
            least: 1,
            most: intent.count(),
            buying: buying(config, offering.market, offering.at_most()),
            tags: tags(intent, &config.labels),
            tagged: tagged(spot),
            metadata: MetadataOptions {
                tokens: "required",
                hop_limit: config.metadata.hop_limit,
                tags: config.metadata.tags,
            },
            on_shutdown: "terminate",
            devices: devices(config, intent, image)?,
            instance_profile: config.instance_profile.clone(),
            key_name: config.key_name.clone(),
            user_data: userdata(config, intent, credential)?,
            ebs_optimized: config.ebs_optimized,
            monitoring: config.monitoring,
        })
    }
}

fn buying(config: &Config, market: Market, price: Micros) -> Buying {
    match (market, config.spot_price) {
        (Market::OnDemand, _) => Buying::OnDemand,
        (Market::Spot, SpotPrice::Offering) => Buying::Spot { most: Some(price) },
        (Market::Spot, SpotPrice::OnDemand) => Buying::Spot { most: None },
    }
}

/// EC2 refuses tags for what a call does not make.
fn tagged(spot: bool) -> Vec<Tagged> {
    let mut tagged = vec![Tagged::Instance, Tagged::Volume, Tagged::NetworkInterface];
    tagged.extend(spot.then_some(Tagged::SpotInstancesRequest));
    tagged
}

fn devices(config: &Config, intent: &Intent, image: &Image) -> Result<Vec<Device>, RequestError> {
    let mut devices = vec![Device {
        name: image.root_device.clone(),
        kind: config.root.kind,
        size: config.root.size,
        iops: None,
        throughput: None,
        encrypted: config.root.encrypted,
    }];
    if let Some(data) = &config.data {
        let resources = &intent.offering().resources;
        let layout = data.check_for(resources).map_err(RequestError::Volume)?;
        devices.extend((0..layout.slices).map(|slice| Device {
            name: device(slice).into(),
            kind: data.kind,
            size: layout.each,
            iops: data.iops,
            throughput: data.throughput,
            encrypted: data.encrypted,
        }));
    }
    Ok(devices)
}

/// A price as EC2 reads it: dollars, with six decimals.
#[must_use]
pub fn price(micros: Micros) -> String {
    format!("{}.{:06}", micros.0 / 1_000_000, micros.0 % 1_000_000)
}
