//! What the cloud told, in the place of what is shipped.

use catalogue::{Barred, Catalogue, SpotPrices};
use schema::event::{Hardware, OwnDisks, TypeSeen};
use schema::policy::types::Arch;
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::unit::Micros;
use smol_str::SmolStr;

const REGION: &str = "us-east-1";
const ZONE: &str = "use1-az1";
const OTHER: &str = "use1-az2";

fn shipped() -> Catalogue {
    Catalogue::shipped().expect("a catalogue")
}

fn with(told: &[(&str, TypeSeen)]) -> Catalogue {
    let told: Vec<(SmolStr, TypeSeen)> =
        told.iter().map(|(zone, seen)| ((*zone).into(), seen.clone())).collect();
    shipped().with(REGION, told.iter().map(|(zone, seen)| (zone, seen)))
}

fn policy(allow: &str) -> Policy {
    let mut policy = Policy::default();
    policy.types.allow = vec![allow.into()];
    policy
}

/// What may be bought of this, with the price of an instance alone.
fn sold(catalogue: &Catalogue, allow: &str) -> Vec<(SmolStr, Market, u64)> {
    let zones = [ZONE.into(), OTHER.into()];
    let policy = policy(allow);
    let all = catalogue.offerings(REGION, &zones, &policy, &policy.volume, &SpotPrices::new());
    let listed = catalogue.list(REGION, &policy.types, &policy.volume).expect("a list");
    let one = listed.iter().find(|one| one.kind.name == allow);
    let volumes = one.map_or(0, |one| one.volumes.clone().expect("volumes").0);
    let row = |o: Offering| (o.zone, o.market, o.price.0 - volumes);
    all.expect("offerings").into_iter().map(row).collect()
}

fn seen(kind: &str) -> TypeSeen {
    TypeSeen { kind: kind.into(), sold: true, hardware: None, on_demand: None }
}

fn new() -> TypeSeen {
    let hardware = Hardware {
        arch: Arch::Arm64,
        vcpu: 4,
        memory_mib: 16_384,
        disks: Some(OwnDisks { count: 2, gb: 100, ssd: true }),
        gpu: None,
        accelerator: None,
        links: Links { network: 1000, ebs: 2000 },
        spot: true,
    };
    TypeSeen { hardware: Some(hardware), on_demand: Some(Micros(81_600)), ..seen("m99gd.xlarge") }
}

#[test]
fn what_is_told_as_it_is_shipped_changes_nothing() {
    let catalogue = shipped();
    let zones = catalogue.regions[REGION].zones.clone();
    let says = |zone: &SmolStr| {
        let kinds = catalogue.types.keys();
        kinds.filter_map(|kind| catalogue.says(REGION, zone, kind)).collect::<Vec<_>>()
    };
    let told: Vec<_> =
        zones.iter().flat_map(|z| says(z).into_iter().map(move |s| (z, s))).collect();
    assert!(told.len() > 5000, "{}", told.len());
    let with = catalogue.with(REGION, told.iter().map(|(zone, seen)| (*zone, seen)));
    assert!(with == catalogue);
}

#[test]
fn a_new_type_is_sold_where_it_is_told_to_be_for_its_price() {
    assert_eq!(sold(&with(&[]), "m99gd.xlarge"), []);
    let catalogue = with(&[(ZONE, new())]);
    let (on_demand, spot) = (Market::OnDemand, Market::Spot);
    let wanted = [(ZONE.into(), on_demand, 81_600), (ZONE.into(), spot, 81_600)];
    assert_eq!(sold(&catalogue, "m99gd.xlarge"), wanted);
    let policy = policy("m99gd.xlarge");
    let kind = &catalogue.types["m99gd.xlarge"];
    let usable = kind.usable(0);
    assert_eq!((usable.cpu, usable.feature("arch-arm64")), (4000, 4));
    assert_eq!(
        (usable.feature("local-ssd"), kind.links()),
        (4, Links { network: 1000, ebs: 2000 })
    );
    // What was not told of it is not known, and it is not bought for nothing.
    let unpriced = with(&[(ZONE, TypeSeen { on_demand: None, ..new() })]);
    assert_eq!(sold(&unpriced, "m99gd.xlarge"), []);
    let listed = unpriced.list(REGION, &policy.types, &policy.volume).expect("a list");
    let one = listed.iter().find(|one| one.kind.name == "m99gd.xlarge").expect("it is listed");
    assert_eq!(one.barred(), Some(&Barred::NoPrice));
}

#[test]
fn a_type_is_not_sold_in_a_zone_that_lost_it() {
    let zones = |catalogue: &Catalogue| {
        let mut zones: Vec<SmolStr> =
            sold(catalogue, "m5.large").into_iter().map(|s| s.0).collect();
        zones.dedup();
        zones
    };
    let mut both = zones(&with(&[]));
    both.sort();
    both.dedup();
    assert_eq!(both, [ZONE, OTHER]);
    let gone = TypeSeen { sold: false, ..seen("m5.large") };
    assert_eq!(zones(&with(&[(ZONE, gone.clone())])), [OTHER]);
    let everywhere = shipped().regions[REGION].zones.clone();
    let all: Vec<_> = everywhere.iter().map(|zone| (zone.as_str(), gone.clone())).collect();
    let catalogue = with(&all);
    assert!(!catalogue.regions[REGION].sold.contains_key("m5.large"));
    // In a zone that nobody knew of something may be sold, too.
    let catalogue = with(&[("use1-az99", seen("m5.large"))]);
    assert_eq!(catalogue.says(REGION, "use1-az99", "m5.large").map(|says| says.sold), Some(true));
    assert_eq!(shipped().says(REGION, "use1-az99", "m5.large").map(|says| says.sold), Some(false));
}

#[test]
fn hardware_that_is_told_counts_and_what_was_measured_of_other_memory_does_not() {
    let known = shipped().types["m5.large"].clone();
    assert!(known.os_memory_mib.is_some());
    let told = |change: fn(&mut Hardware)| {
        let mut hardware = known.hardware();
        change(&mut hardware);
        let told = TypeSeen { hardware: Some(hardware), ..seen("m5.large") };
        with(&[(ZONE, told)]).types["m5.large"].clone()
    };
    assert_eq!(told(|_| {}), known);
    let more = told(|h| h.memory_mib = 16_384);
    assert_eq!((more.memory_mib, more.os_memory_mib, more.boot), (16_384, None, known.boot));
    let wider = told(|h| (h.vcpu, h.arch) = (4, Arch::Arm64));
    assert_eq!(
        (wider.vcpu, wider.arch, wider.os_memory_mib),
        (4, Arch::Arm64, known.os_memory_mib)
    );
    assert!(!told(|h| h.spot = false).spot);
}

/// One price a region: while zones were told two, the higher.
#[test]
fn the_price_that_was_told_counts_for_the_region() {
    let told = |price| TypeSeen { on_demand: Some(Micros(price)), ..seen("m5.large") };
    let price = |told: &[(&str, TypeSeen)]| with(told).regions[REGION].sold["m5.large"].on_demand;
    assert_eq!(price(&[]), Some(Micros(96_000)));
    assert_eq!(price(&[(ZONE, told(90_000))]), Some(Micros(90_000)));
    for two in [[90_000, 99_000], [99_000, 90_000]] {
        assert_eq!(price(&[(ZONE, told(two[0])), (OTHER, told(two[1]))]), Some(Micros(99_000)));
    }
    // A region that is not known has no prices of volumes: nothing can be bought there.
    let one = told(1);
    let catalogue = shipped().with("eu-north-9", [(&ZONE.into(), &one)]);
    assert!(catalogue == shipped());
}
