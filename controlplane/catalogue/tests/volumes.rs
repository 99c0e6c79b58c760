//! Volumes by the rule of a policy: the disk that they come to, and what is not bought for want of them.

use catalogue::{Catalogue, SpotPrices, Volumes};
use schema::policy::types::TypeRules;
use schema::policy::volume::{VolumeKind, VolumeRule};
use schema::policy::{Offering, Policy};

const REGION: &str = "us-east-1";

fn shipped() -> Catalogue {
    Catalogue::shipped().expect("what is shipped can be read")
}

/// By the size of the instance, else the same for all; own disks instead, where they are as large.
#[test]
fn disk_is_a_volume_by_the_rule_or_its_own() {
    let catalogue = shipped();
    let disk =
        |name: &str, rule: &VolumeRule| rule.given(&catalogue.types[name]).expect("a volume").disk;
    let mut rule = VolumeRule::default();
    assert_eq!(disk("m5.large", &rule), 300 << 30);
    assert_eq!(disk("m5d.large", &rule), 300 << 30, "75 GB are less");
    assert_eq!(disk("i4i.large", &rule), 468_000_000_000);
    rule.local_first = false;
    assert_eq!(disk("i4i.large", &rule), 300 << 30);
    rule.by_size.insert("xlarge".into(), 500);
    assert_eq!(disk("m5.xlarge", &rule), 500 << 30);
    assert_eq!(disk("m5.large", &rule), 300 << 30);
}

/// One kind of volume that nothing says the price of bars all that would be given one, and nothing else.
#[test]
fn what_has_no_such_volumes_is_not_bought() {
    let mut catalogue = shipped();
    let region = catalogue.regions.get_mut(REGION).expect("a region");
    region.volumes.remove(&VolumeKind::St1);
    let (rules, kind) = (TypeRules::default(), VolumeKind::St1);
    let rule = VolumeRule { kind, ..VolumeRule::default() };
    let listed = catalogue.list(REGION, &rules, &rule).expect("a region");
    let why = |name: &str| {
        let one = listed.iter().find(|listed| listed.kind.name == name).expect("it is sold");
        (one.barred().map(ToString::to_string), one.on_demand.0.is_some())
    };
    let reason = "no such volumes: what st1 costs in us-east-1 is not known";
    assert_eq!(why("m5.large"), (Some(reason.to_owned()), false));
    assert_eq!(why("i4i.large"), (None, true), "its own disks are as large");
    assert!(why("t3.micro").0.expect("a rule").contains("burstable"), "rules come first");
    let zones = &catalogue.regions[REGION].zones;
    let policy = Policy { volume: rule, ..Policy::default() };
    let sold = catalogue
        .offerings(REGION, zones, &policy, &policy.volume, &SpotPrices::new())
        .expect("a region");
    let local =
        |o: &Offering| o.resources.feature("local-ssd") + o.resources.feature("local-hdd") > 0;
    assert!(!sold.is_empty() && sold.iter().all(local));
    let spot = catalogue.spot_types(REGION, &policy, &policy.volume).expect("a region");
    assert!(!spot.contains(&"m5.large".into()) && spot.contains(&"i4i.large".into()));
}
