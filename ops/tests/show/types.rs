//! What may be bought, and for how much: by the catalogue, and as a log has it.

use super::{World, led};
use schema::event::{CloudConfigured, Event, Hardware, PriceSeen, PriceSource, TypeSeen};
use schema::policy::Offering;
use schema::policy::types::Arch;
use schema::policy::worth::Links;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;

/// By the policy of the cluster, and what is asked for instead of its list.
#[test]
fn what_may_be_bought() {
    let world = World::new();
    let types = |args: &[&str]| world.fleetlog(&[&["fleet", "types"], args].concat());
    let ids = types(&["--allow", "m7g.l*", "--allow", "t3.micro", "--output", "quiet"]);
    assert!(ids.contains("\nm7g.large\nt3.micro\n[exit code 0]"), "{ids}");
    let table = types(&["--region", "eu-west-1", "--allow", "m7g.*"]);
    for part in ["ON-DEMAND/H", "m7g.large", "arm64", "<5%", "it is bare metal: it boots slowly"] {
        assert!(table.contains(part), "no {part} in {table}");
    }
    let json = types(&["--allow", "m4.l*", "--output", "json"]);
    for part in [r#""id":"m4.large""#, r#""why":"old-generation""#, r#""spot_at_most":"#] {
        assert!(json.contains(part), "no {part} in {json}");
    }
    let mars = types(&["--region", "mars"]);
    assert!(mars.contains("eu-west-1") && mars.contains("[exit code 2]"), "{mars}");
}

/// The settings of a cluster in eu-west-1.
const SETTINGS: &str = r#"{
    "config": {
        "region": "eu-west-1",
        "subnets": [{"zone": "eu-west-1a", "subnet": "subnet-0aaa"}],
        "security_groups": ["sg-0123"],
        "images": {"arm64": {"id": "ami-0123"}},
        "flavour": "ubuntu",
        "agent": {"arm64": {
            "url": "https://example.org/fleetlog",
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        }},
        "log": {"url": "nats://nats.example.org:4222"}
    },
    "images": {"arm64": {"id": "ami-0123", "root_device": "/dev/sda1"}}
}"#;

fn configured() -> Event {
    CloudConfigured { settings: SETTINGS.into(), fingerprint: None }.into()
}

fn sold(kind: &str, market: Market, price: u64) -> Offering {
    let resources = Resources { cpu: 2000, memory: 8 << 30, ..Resources::default() };
    let (kind, zone, price) = (kind.into(), "eu-west-1a".into(), Micros(price));
    Offering { kind, zone, market, price, cap: None, resources, links: Links::default() }
}

fn seen(source: PriceSource, offerings: Vec<Offering>, types: Vec<TypeSeen>) -> Event {
    let (zone, withdrawn, scores) = ("eu-west-1a".into(), Vec::new(), Vec::new());
    PriceSeen { source, zone, offerings, withdrawn, scores, types }.into()
}

/// A new type with its price, one that is not sold any more, and a spot price.
fn told() -> Vec<Event> {
    let hardware = Hardware {
        arch: Arch::Arm64,
        vcpu: 2,
        memory_mib: 8192,
        disks: None,
        gpu: None,
        accelerator: None,
        links: Links::default(),
        spot: true,
    };
    let new = TypeSeen {
        kind: "m99.large".into(),
        sold: true,
        hardware: Some(hardware),
        on_demand: Some(Micros(50_000)),
    };
    let (kind, hardware) = ("m7g.xlarge".into(), None);
    let gone = TypeSeen { kind, sold: false, hardware, on_demand: None };
    let spot = sold("m7g.large", Market::Spot, 31_400);
    vec![
        configured(),
        seen(PriceSource::Shipped, vec![sold("m7g.large", Market::OnDemand, 99_000)], Vec::new()),
        seen(
            PriceSource::Api,
            vec![spot, sold("m99.large", Market::OnDemand, 71_000)],
            vec![new, gone],
        ),
    ]
}

#[test]
fn types_are_shown_as_the_log_has_them_where_the_cluster_buys() {
    let world = World::of(led(|_| told()));
    let types = |args: &[&str]| {
        let allow = ["--allow", "m99.*", "--allow", "m7g.l*", "--allow", "m7g.xl*"];
        world.fleetlog(&[&["fleet", "types"], &allow[..], args].concat())
    };
    insta::assert_snapshot!("types_on_the_log", types(&[]));
    insta::assert_snapshot!("types_on_the_log_for_programs", types(&["--output", "json"]));
    // Elsewhere its log says nothing.
    let elsewhere = types(&["--region", "us-east-1"]);
    assert!(elsewhere.contains("m7g.large") && !elsewhere.contains("m99.large"), "{elsewhere}");
    assert!(!elsewhere.contains("AWS, ") && !elsewhere.contains("catalogue, "), "{elsewhere}");
    let here = types(&["--region", "eu-west-1", "--output", "quiet"]);
    assert!(here.contains("m99.large"), "{here}");
}
