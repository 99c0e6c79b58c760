//! What the settings make of each type that is sold: the volumes that it is priced with are those that it is
//! launched with.

use crate::world::{image, order, plain, shown};
use catalogue::{Barred, Catalogue, Listed, SpotPrices};
use controlplane_core::cloud::LaunchOrder;
use ec2_core::cloudinit::Flavour;
use ec2_core::config::{Arch, Config, Data, Root};
use ec2_core::request::Device;
use ec2_core::volume::{Slicing, VolumeType};
use ec2_core::{Intent, RunRequest};
use schema::policy::volume::VolumeKind;
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::unit::Micros;

const REGION: &str = "us-west-2";

/// All types may be bought, whatever they are.
fn every() -> Policy {
    let mut policy = Policy::default();
    (policy.types.burstable, policy.types.bare_metal) = (true, true);
    policy.types.min_generation.clear();
    policy
}

/// Settings for both architectures.
fn settings(root: Root, data: Option<Data>) -> Config {
    let mut config = plain(Flavour::Ubuntu);
    let (image, agent) = (config.images[&Arch::X86].clone(), config.agent[&Arch::X86].clone());
    config.images.insert(Arch::Arm, image);
    config.agent.insert(Arch::Arm, agent);
    (config.root, config.data) = (root, data);
    assert_eq!(config.check(), Ok(()));
    config
}

fn launched(config: &Config, offering: &Offering) -> Vec<Device> {
    let mut offering = offering.clone();
    offering.zone = "us-west-2b".into();
    let intent = Intent::of(&LaunchOrder { offering, count: 1, ..order() });
    let request = RunRequest::new(config, &intent, &image(), &shown(config, &intent));
    request.expect("what is sold can be launched").devices
}

/// What a volume costs in micro-dollars per hour, by its name at EC2.
fn cost(catalogue: &Catalogue, device: &Device) -> Micros {
    let known = VolumeKind::ALL.into_iter().find(|kind| kind.name() == device.kind.name());
    let kind = known.expect("a kind that has a price");
    let price = catalogue.regions[REGION].volumes[&kind];
    price.hourly(kind, device.size, device.iops, device.throughput)
}

fn settings_of_all_sorts() -> [(&'static str, Config); 8] {
    let root = Root::default;
    let data = |change: fn(&mut Data)| {
        let mut data = Data::default();
        change(&mut data);
        Some(data)
    };
    [
        ("a root alone", settings(Root { size: 500, ..root() }, None)),
        ("an older root", settings(Root { kind: VolumeType::Gp2, ..root() }, data(|_| {}))),
        (
            "by cores, sliced",
            settings(root(), data(|d| (d.per_core, d.slicing) = (70, Slicing::Count(3)))),
        ),
        (
            "by memory, in sizes",
            settings(root(), data(|d| (d.per_memory, d.slicing) = (9, Slicing::Each(335)))),
        ),
        // An order for all of what is made of these would make more.
        (
            "slices that grow",
            settings(
                root(),
                data(|d| {
                    (d.kind, d.size, d.slicing) = (VolumeType::Gp2, 1200, Slicing::Count(5));
                }),
            ),
        ),
        (
            "fewer slices than asked for",
            settings(root(), data(|d| (d.size, d.slicing) = (2, Slicing::Count(8)))),
        ),
        (
            "provisioned",
            settings(root(), data(|d| (d.kind, d.iops) = (VolumeType::Io1, Some(5000)))),
        ),
        (
            "bought apart",
            settings(root(), data(|d| (d.iops, d.throughput) = (Some(6000), Some(500)))),
        ),
    ]
}

#[test]
fn what_is_priced_is_what_is_launched() {
    let catalogue = Catalogue::shipped().expect("it can be read");
    let (policy, zones) = (every(), &catalogue.regions[REGION].zones[..1]);
    for (what, config) in settings_of_all_sorts() {
        let sold = catalogue.offerings(REGION, zones, &policy, &config, &SpotPrices::new());
        let sold = sold.expect("a region");
        let on_demand = sold.iter().filter(|o| o.market == Market::OnDemand);
        let mut count = 0;
        for offering in on_demand {
            let devices = launched(&config, offering);
            let alone = catalogue.regions[REGION].sold[&offering.kind].on_demand.expect("a price");
            let all = devices.iter().fold(alone, |sum, one| sum.plus(cost(&catalogue, one)));
            assert_eq!(offering.at_most(), all, "{what}: {} costs", offering.kind);
            let (root, data) = devices.split_first().expect("a root");
            assert_eq!(root.size, config.root.size);
            let made: u64 = data.iter().map(|slice| slice.size).sum();
            let promised = offering.resources.disk >> 30;
            let asked = config.data.as_ref().map(|data| data.size_for(&offering.resources));
            match asked {
                None => assert_eq!(promised, 490, "{what}: of a root of 500"),
                Some(_) if what == "slices that grow" => assert_eq!((promised, made), (1200, 1336)),
                Some(_) if what == "fewer slices than asked for" => {
                    assert_eq!((promised, made), (2, 3));
                }
                Some(_) => assert_eq!(promised, made, "{what}: {} has", offering.kind),
            }
            count += 1;
        }
        assert!(count > 500, "{what}: {count} types");
    }
}

/// Where EC2 has no such volumes nothing is sold, with the reason; a rule that bars it comes first.
#[test]
fn a_type_without_such_volumes_is_not_sold() {
    let mut catalogue = Catalogue::shipped().expect("it can be read");
    let told = |catalogue: &Catalogue, config: &Config, name: &str| {
        let listed = catalogue.list(REGION, &every().types, config).expect("a region");
        let one = listed.iter().find(|one| one.kind.name == name).expect("it is listed");
        let why = |one: &Listed<'_>| match one.barred() {
            Some(Barred::NoVolume(why)) => why.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        (why(one), one.on_demand.0.is_some())
    };
    let by_core = Data { per_core: 200, ..Data::default() };
    let by_core = settings(Root::default(), Some(by_core));
    assert_eq!(told(&catalogue, &by_core, "m5.large"), (String::new(), true));
    let huge = "1 data slices of 19200 GiB: 16384 GiB is the most".to_owned();
    assert_eq!(told(&catalogue, &by_core, "m5.24xlarge"), (huge, false));
    let sliced = Data { size: 600, slicing: Slicing::Count(25), ..Data::default() };
    let sliced = settings(Root::default(), Some(sliced));
    let here = &catalogue.regions[REGION].sold;
    let few = |name: &&String| catalogue.types[name.as_str()].max_volumes < 26;
    let few = here.keys().map(ToString::to_string).collect::<Vec<_>>().iter().find(few).cloned();
    let few = few.expect("some take few volumes");
    let most = catalogue.types[few.as_str()].max_volumes;
    let (why, sold) = told(&catalogue, &sliced, &few);
    assert_eq!((why, sold), (format!("26 with the root, and it can have {most}"), false));
    let st1 = Data { kind: VolumeType::St1, size: 600, ..Data::default() };
    let st1 = settings(Root::default(), Some(st1));
    assert_eq!(told(&catalogue, &st1, "m5.large"), (String::new(), true));
    let region = catalogue.regions.get_mut(REGION).expect("it is there");
    region.volumes.remove(&VolumeKind::St1);
    let unknown = "what st1 costs in us-west-2 is not known".to_owned();
    assert_eq!(told(&catalogue, &st1, "m5.large"), (unknown, false));
}
