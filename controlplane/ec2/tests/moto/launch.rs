//! Launches: what is asked for, and how often it is made.

use crate::world::{World, ZONE, accepted, listed, order, order_of, repeated};
use aws_sdk_ec2::types::Filter;
use controlplane::cloud::{Cloud as _, LaunchAnswer, LaunchOrder, SeenState};
use ec2::{Ec2Cloud, ImageError, OpenError, Settings, ZoneError};
use ec2_core::config::{Arch, ImageRule};
use ec2_core::credential::ClusterKey;
use futures::future::join_all;
use schema::policy::Policy;
use schema::requirements::Market;
use schema::unit::Epoch;
use sim_ec2::{Effect, Often, Rule};
use std::collections::BTreeMap;

#[tokio::test]
async fn a_launch_is_what_the_intent_says() {
    let world = World::start().await;
    let order = order("l-1", 2);
    let made = accepted(world.cloud().await.launch(&order).await);

    let ledger = world.proxy.ledger();
    let [call] = &ledger.of("RunInstances").collect::<Vec<_>>()[..] else { panic!("one call") };
    assert_eq!(call.token, Some(world.token(&order)));
    assert_eq!(call.user_data, Some(world.user_data(&order)));
    let subnet = world.config.subnet(ZONE).expect("a subnet");
    for (name, value) in [
        ("InstanceType", "m5.large"),
        ("ImageId", "ami-12c6146b"),
        ("MinCount", "1"),
        ("MaxCount", "2"),
        ("NetworkInterface.1.DeviceIndex", "0"),
        ("NetworkInterface.1.SubnetId", subnet),
        ("NetworkInterface.1.SecurityGroupId.1", &world.config.security_groups[0]),
        ("InstanceInitiatedShutdownBehavior", "terminate"),
        ("MetadataOptions.HttpTokens", "required"),
        ("MetadataOptions.HttpPutResponseHopLimit", "1"),
        ("InstanceMarketOptions.MarketType", "spot"),
        ("InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time"),
        ("InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", "terminate"),
        ("InstanceMarketOptions.SpotOptions.MaxPrice", "0.096000"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "200"),
        ("BlockDeviceMapping.4.DeviceName", "/dev/xvdd"),
        ("BlockDeviceMapping.4.Ebs.VolumeSize", "100"),
        ("BlockDeviceMapping.4.Ebs.VolumeType", "gp3"),
        ("BlockDeviceMapping.4.Ebs.Iops", "4000"),
        ("BlockDeviceMapping.4.Ebs.Encrypted", "true"),
        ("BlockDeviceMapping.4.Ebs.DeleteOnTermination", "true"),
        ("TagSpecification.4.ResourceType", "spot-instances-request"),
    ] {
        assert_eq!(call.parameters.get(name).map(String::as_str), Some(value), "{name}");
    }

    let truth = world.truth().await;
    assert_eq!(truth.len(), 2);
    for one in truth {
        assert!(made.iter().any(|id| id.as_str() == one.id), "{one:?}");
        assert_eq!((one.instance_type.as_str(), one.zone.as_str()), ("m5.large", ZONE));
        assert!(one.runs() && one.spot && one.token == world.token(&order), "{one:?}");
        let tags = one.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let ours = [
            ("Name", "fleetlog genomics"),
            ("fleetlog:attempt", "1"),
            ("fleetlog:cluster", "genomics"),
            ("fleetlog:epoch", "7"),
            ("fleetlog:launch", "l-1"),
            ("team", "genomics"),
        ];
        assert_eq!(tags.collect::<BTreeMap<_, _>>(), ours.into());
        assert_eq!(volumes(&world, &one.id).await, [100, 100, 100, 200]);
    }
}

/// The sizes of an instance's volumes, by moto.
async fn volumes(world: &World, id: &str) -> Vec<i32> {
    let of = Filter::builder().name("attachment.instance-id").values(id).build();
    let found = world.client.describe_volumes().filters(of).send().await.expect("volumes");
    let mut sizes: Vec<i32> = found.volumes().iter().filter_map(|volume| volume.size()).collect();
    sizes.sort_unstable();
    sizes
}

#[tokio::test]
async fn on_demand_is_asked_for_as_such() {
    let world = World::start().await;
    let mut order = order("l-1", 1);
    order.offering.market = Market::OnDemand;
    accepted(world.cloud().await.launch(&order).await);
    let [one] = &world.truth().await[..] else { panic!("one instance") };
    assert!(!one.spot);
}

#[tokio::test]
async fn the_same_order_makes_nothing_new_whoever_gives_it() {
    let world = World::start().await;
    let order = order("l-1", 3);
    let cloud = world.cloud().await;
    let first = accepted(cloud.launch(&order).await);
    assert_eq!(first.len(), 3);
    assert_eq!(accepted(cloud.launch(&order).await), first);
    let later = LaunchOrder { epoch: Epoch(9), ..order.clone() };
    let next = world.cloud().await;
    assert_eq!(accepted(next.launch(&later).await), first);
    let data = world.proxy.ledger().user_data(&world.token(&order));
    assert_eq!(data, vec![world.user_data(&order); 3], "byte for byte");

    let again = LaunchOrder { attempt: 2, ..order };
    assert!(accepted(next.launch(&again).await).iter().all(|id| !first.contains(id)));
    assert_eq!(world.truth().await.len(), 6);
}

#[tokio::test]
async fn a_launch_without_an_answer_is_found_by_repeating_it() {
    let world = World::start().await;
    let lost = [Effect::LoseAnswer, Effect::CutAnswer, Effect::LoseRequest];
    for (at, effect) in lost.into_iter().enumerate() {
        let order = order(&format!("l-{at}"), 1);
        let cloud = world.cloud().await;
        world.proxy.add(Rule::on("RunInstances", Often::Next(1), effect.clone()));
        let first = cloud.launch(&order).await;
        assert!(matches!(first, LaunchAnswer::Unknown(_)), "{effect:?}: {first:?}");
        assert_eq!(world.sent(&order), 1, "{effect:?}: whoever repeats is not the SDK");
        let made = accepted(world.cloud().await.launch(&order).await);
        assert_eq!(accepted(cloud.launch(&order).await), made);
        let launched = world.proxy.ledger().launched(&world.token(&order));
        assert_eq!(launched, [made[0].as_str()], "{effect:?}");
        world.proxy.clear();
    }
    assert_eq!(world.truth().await.len(), 3);
}

#[tokio::test]
async fn fewer_than_asked_for_are_welcome() {
    let world = World::start().await;
    world.proxy.add(Rule::on("RunInstances", Often::Always, Effect::Partial(2)));
    let made = accepted(world.cloud().await.launch(&order("l-1", 5)).await);
    assert_eq!(made.len(), 2);
}

#[tokio::test]
async fn throttled_launches_rest_and_are_made_once() {
    let world = World::start().await;
    // The proxy's clock stands still: after five launches its bucket is empty until it is moved.
    world.proxy.throttle(true);
    let orders: Vec<LaunchOrder> = (0..6).map(|at| order(&format!("l-{at}"), 1)).collect();
    let (first, last) = (world.cloud().await, &orders[5]);
    for order in &orders[..5] {
        accepted(first.launch(order).await);
    }
    // One that knows nothing of those calls takes its own bucket for full.
    let next = world.cloud().await;
    assert!(matches!(next.launch(last).await, LaunchAnswer::NotYet(_)));
    assert_eq!(world.sent(last), 1);
    world.proxy.advance(10_000);
    accepted(repeated(&next, last).await);
    assert_eq!(world.sent(last), 2, "no call was made while calls rested");
    assert_eq!(world.truth().await.len(), 6);
}

#[tokio::test]
async fn a_launch_that_has_no_turn_soon_is_not_sent() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let orders: Vec<LaunchOrder> = (0..16).map(|at| order(&format!("l-{at}"), 1)).collect();
    let answers = join_all(orders.iter().map(|order| cloud.launch(order))).await;
    let mut unsent = 0;
    for (order, answer) in orders.iter().zip(answers) {
        let sent = matches!(answer, LaunchAnswer::Accepted(_));
        assert_eq!(world.sent(order), usize::from(sent), "{answer:?}");
        unsent += usize::from(!sent);
    }
    assert!(unsent > 0, "EC2 takes five at once, and two a second after that");
    for order in &orders {
        accepted(repeated(&cloud, order).await);
    }
    assert_eq!(world.truth().await.len(), 16);
}

#[tokio::test]
async fn a_leader_with_other_settings_repeats_what_was_decided_by_those_on_the_log() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let decided = LaunchOrder { settings: cloud.settings().map(Into::into), ..order("l-1", 1) };
    world.proxy.add(Rule::on("RunInstances", Often::Next(1), Effect::LoseAnswer));
    assert!(matches!(cloud.launch(&decided).await, LaunchAnswer::Unknown(_)));
    let mut config = world.config.clone();
    config.labels.insert("team".into(), "proteomics".into());
    let other = world.cloud_of("genomics", config).await;
    assert_ne!(other.settings(), cloud.settings());
    let made = accepted(repeated(&other, &decided).await);
    assert_eq!(world.proxy.ledger().launched(&world.token(&decided)), [made[0].as_str()]);
    assert_eq!(world.truth().await.len(), 1);

    // What it decides itself is by its own.
    let own = LaunchOrder { settings: other.settings().map(Into::into), ..order("l-2", 1) };
    accepted(repeated(&other, &own).await);
    let garbled = LaunchOrder { settings: Some("{}".into()), ..order("l-3", 1) };
    let LaunchAnswer::Refused { message, .. } = other.launch(&garbled).await else {
        panic!("settings that nobody can read")
    };
    assert!(message.contains("settings that l-3 is by"), "{message}");
    assert_eq!(world.truth().await.len(), 2);
}

#[tokio::test]
async fn two_clusters_do_not_see_each_other() {
    let world = World::start().await;
    let ours = world.cloud().await;
    let theirs = world.cloud_of("proteomics", world.config.clone()).await;
    let mine = accepted(ours.launch(&order("l-1", 1)).await);
    let other = accepted(theirs.launch(&order_of("proteomics", "l-1", 1)).await);
    assert_ne!(mine, other);
    assert_eq!(listed(&ours).await, [(mine[0].clone(), SeenState::There)].into());
    assert_eq!(listed(&theirs).await, [(other[0].clone(), SeenState::There)].into());

    // Whoever is told to end another's instance leaves it alone.
    let answer = ours.terminate(&other[0]).await;
    assert!(format!("{answer:?}").contains("no tag of cluster genomics"), "{answer:?}");
    assert_eq!(world.ended(&other[0]), 0);
    let refused = ours.launch(&order_of("proteomics", "l-2", 1)).await;
    assert!(matches!(refused, LaunchAnswer::Refused { .. }), "{refused:?}");
    assert!(world.truth().await.iter().all(sim_ec2::Truth::runs));
}

#[tokio::test]
async fn what_is_sold_can_be_launched() {
    let world = World::start().await;
    let prices = world.cloud().await.prices(&Policy::default()).expect("prices");
    let sold: Vec<_> = prices.offers.into_iter().map(|(_, offering)| offering).collect();
    let kinds: Vec<&str> = sold.iter().map(|offering| offering.kind.as_str()).collect();
    assert!(kinds.contains(&"m5.large") && !kinds.contains(&"m6g.large"), "no image for ARM");
    assert!(sold.iter().all(|offering| world.config.subnet(&offering.zone).is_some()));
    let of =
        |market| sold.iter().any(|o| o.kind == "m5.large" && o.zone == ZONE && o.market == market);
    assert!(of(Market::Spot) && of(Market::OnDemand));

    let mut config = world.config.clone();
    config.subnets[0].zone = "us-east-1z".into();
    let settings =
        Settings { cluster: order("l", 1).cluster, key: ClusterKey::new([7; 32]), config };
    let opened = Ec2Cloud::open(world.client.clone(), settings).await;
    assert!(matches!(opened.err(), Some(OpenError::Zone(ZoneError::None { .. }))));
}

#[tokio::test]
async fn the_newest_image_is_looked_up_once() {
    let world = World::start().await;
    let mut config = world.config.clone();
    let named = |name: &str| ImageRule::Newest { owner: "099720109477".into(), name: name.into() };
    config.images = [(Arch::X86, named("ubuntu/images/*-amd64-server-*"))].into();
    let cloud = world.cloud_of("genomics", config.clone()).await;
    accepted(cloud.launch(&order("l-1", 1)).await);
    accepted(cloud.launch(&order("l-2", 1)).await);

    let all = world.client.describe_images().owners("099720109477").send().await.expect("images");
    let like = |name: &str| name.starts_with("ubuntu/images/") && name.contains("-amd64-server-");
    let fits = all.images().iter().filter(|image| image.name().is_some_and(like));
    let newest = fits.max_by_key(|image| (image.creation_date(), image.image_id()));
    let newest = newest.and_then(|image| image.image_id()).expect("moto has some");
    let ledger = world.proxy.ledger();
    let asked: Vec<&str> =
        ledger.of("RunInstances").map(|call| call.parameters["ImageId"].as_str()).collect();
    assert_eq!(asked, [newest, newest]);

    config.images = [(Arch::X86, named("no such image"))].into();
    let settings =
        Settings { cluster: order("l", 1).cluster, key: ClusterKey::new([7; 32]), config };
    let opened = Ec2Cloud::open(world.client.clone(), settings).await;
    assert!(matches!(opened.err(), Some(OpenError::Image(ImageError::None { .. }))));
}
