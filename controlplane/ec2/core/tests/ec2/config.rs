//! What is wrong with settings is said when they are read.

use crate::world::{FLAVOURS, full, plain};
use ec2_core::Frozen;
use ec2_core::cloudinit::{CloudFile, CloudUnit, Flavour};
use ec2_core::config::{Arch, Config, Data, ImageRule, PriceList, Root};
use ec2_core::volume::{Slicing, VolumeType};
use schema::resources::Resources;
use schema::unit::Millis;
use std::collections::BTreeMap;

#[test]
fn settings_that_name_only_what_they_must_will_do() {
    for flavour in FLAVOURS {
        assert_eq!(plain(flavour).check(), Ok(()));
        assert_eq!(full(flavour).check(), Ok(()));
    }
    let config = plain(Flavour::Ubuntu);
    assert_eq!(config.metadata.hop_limit, 1);
    assert_eq!((config.root.size, config.root.kind), (200, VolumeType::Gp3));
    assert_eq!((config.bootstrap_expiry, config.immortal), (Millis::from_secs(600), false));
    assert_eq!(config.list_every, Millis::from_secs(5));
}

#[test]
fn how_often_instances_are_listed_is_written_only_if_it_is_not_the_usual() {
    let mut config = plain(Flavour::Ubuntu);
    let text = |config: &Config| serde_json::to_string(config).expect("JSON");
    assert!(!text(&config).contains("list_every"));
    config.list_every = Millis::from_secs(20);
    assert_eq!(serde_json::from_str::<Config>(&text(&config)).expect("settings"), config);
}

/// Or all that runs would be taken for launched by other settings.
#[test]
fn what_no_request_takes_makes_no_other_settings_of_these() {
    let config = plain(Flavour::Ubuntu);
    let written = |config: &Config| Frozen::of(config, BTreeMap::new()).text().expect("a text");
    let slower = Config { list_every: Millis::from_secs(20), ..config.clone() };
    assert_eq!(written(&slower), written(&config));
    let asks = Config { price_list: Some(list("us-east-1", None)), ..config.clone() };
    assert_eq!(written(&asks), written(&config));
    assert_ne!(written(&Config { monitoring: true, ..config.clone() }), written(&config));
}

#[test]
fn settings_survive_being_written_and_unknown_ones_are_refused() {
    let config = full(Flavour::Flatcar);
    let text = serde_json::to_string(&config).expect("JSON");
    assert_eq!(serde_json::from_str::<Config>(&text).expect("settings"), config);
    let more = text.replacen('{', r#"{"amy": "ami-1", "#, 1);
    let error = serde_json::from_str::<Config>(&more).expect_err("unknown").to_string();
    assert!(error.contains("amy"), "{error}");
}

#[test]
fn a_price_list_that_cannot_be_asked_is_refused() {
    let with = |list| Config { price_list: Some(list), ..plain(Flavour::Ubuntu) }.check();
    assert_eq!(with(list("eu-central-1", None)), Ok(()));
    for good in ["https://prices.example.org", "http://127.0.0.1:5000"] {
        assert_eq!(with(list("us-east-1", Some(good))), Ok(()));
    }
    let cases = [
        (list("", None), "price_list.region"),
        (list("us east 1", None), "price_list.region"),
        (list("us-east-1", Some("")), "price_list.endpoint"),
        (list("us-east-1", Some("prices.example.org")), "price_list.endpoint"),
        (list("us-east-1", Some("ftp://prices.example.org")), "price_list.endpoint"),
        (list("us-east-1", Some("https://prices example org")), "price_list.endpoint"),
    ];
    for (wrong, named) in cases {
        let said = with(wrong.clone()).expect_err("it is wrong");
        assert!(said.contains(named), "{wrong:?}: {said}");
    }
}

fn list(region: &str, endpoint: Option<&str>) -> PriceList {
    PriceList { region: region.into(), endpoint: endpoint.map(str::to_owned) }
}

/// What is changed, and what the sentence about it says.
type Wrong = (fn(&mut Config), &'static str);

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    let cases: [Wrong; 39] = [
        (|c| c.region = "".into(), "region \"\""),
        (|c| c.subnets[1].zone = "us-west-2a".into(), "zone us-west-2a has two subnets"),
        (|c| c.subnets.clear(), "names no subnet"),
        (|c| c.subnets[0].subnet = "vpc-1".into(), "subnet \"vpc-1\" does not look like subnet-"),
        (|c| c.security_groups.clear(), "names no group"),
        (|c| c.security_groups[0] = "default".into(), "does not look like sg-"),
        (|c| c.images.clear(), "names no image"),
        (
            |c| drop(c.images.insert(Arch::X86, ImageRule::Id("i-1".into()))),
            "does not look like ami-",
        ),
        (
            |c| {
                let (owner, name) = ("1".into(), "*".into());
                c.images.insert(Arch::X86, ImageRule::Newest { owner, name });
            },
            "may have any name",
        ),
        (
            |c| drop(c.images.insert(Arch::Arm, ImageRule::Id("ami-1".into()))),
            "an image for arm64, but no agent",
        ),
        (|c| agent(c).url = "ftp://a/b".into(), "does not begin with https:// or http://"),
        (|c| agent(c).url = "https://".into(), "names no place"),
        (|c| agent(c).url = "https://a/'; reboot".into(), "a character that a URL does not"),
        (|c| agent(c).sha256 = "AB".repeat(32), "64 lower-case hex digits"),
        (|c| agent(c).sha256 = "ab".into(), "64 lower-case hex digits"),
        (|c| c.root = Root { size: 0, ..Root::default() }, "root.size must be between 1"),
        (|c| c.root.kind = VolumeType::St1, "no instance from a root of type st1"),
        (|c| c.root.kind = VolumeType::Io2, "use gp3"),
        (|c| data(c).size = 17_000, "1 data slices of 17000 GiB: 16384 GiB is the most"),
        (|c| data(c).iops = Some(2999), "data.iops must be between 3000 and 16000"),
        (|c| data(c).iops = Some(16_000), "larger than 10 GiB"),
        (|c| data(c).kind = VolumeType::Io2, "io2 needs data.iops"),
        (|c| data(c).throughput = Some(1001), "between 125 and 1000"),
        (|c| data(c).throughput = Some(1000), "needs data.iops of 4000"),
        (
            |c| *data(c) = Data { kind: VolumeType::St1, throughput: Some(200), ..Data::default() },
            "st1 takes no data.throughput",
        ),
        (|c| c.bootstrap_expiry = Millis(29_999), "between 30000 ms"),
        (|c| c.list_every = Millis(499), "list_every must be between 500 ms"),
        (|c| c.list_every = Millis(60_001), "and 60000 ms"),
        (|c| c.metadata.hop_limit = 0, "hop_limit must be between 1"),
        (|c| c.log.url = "http://a".into(), "does not begin with nats:// or tls://"),
        (|c| c.log.ca = Some("MIIB".into()), "no certificate in PEM"),
        (
            |c| {
                c.log.url = "tls://a?replicas=3&ca=/etc/ssl/own.pem".into();
                c.log.ca = Some("-----BEGIN CERTIFICATE-----".into());
            },
            "log.ca is another",
        ),
        (|c| c.ssh_keys = vec!["AAAA".into()], "is no public key"),
        (|c| own(c, "etc/motd", "0644"), "is no absolute path"),
        (|c| own(c, "/etc/motd", "644"), "four octal digits"),
        (|c| own(c, "/etc/fleetlog/credential", "0644"), "belongs to fleetlog"),
        (|c| c.units = vec![unit("../a.service")], "is no name of a unit"),
        (|c| c.units = vec![unit("fleetlog-agent.service")], "belongs to fleetlog"),
        (
            |c| {
                c.metadata.tags = true;
                c.labels = [("cost centre".into(), "1".into())].into();
            },
            "metadata.tags allows neither",
        ),
    ];
    for flavour in FLAVOURS {
        for (change, sentence) in &cases {
            let mut config = plain(flavour);
            change(&mut config);
            let error = config.check().expect_err(sentence);
            assert!(error.contains(sentence), "{sentence}: {error}");
        }
    }
}

fn agent(config: &mut Config) -> &mut ec2_core::config::Fetched {
    config.agent.get_mut(&Arch::X86).expect("an agent")
}

fn data(config: &mut Config) -> &mut Data {
    config.data.get_or_insert(Data { size: 10, ..Data::default() })
}

fn own(config: &mut Config, path: &str, permissions: &str) {
    let (path, permissions, content) = (path.into(), permissions.into(), String::new());
    config.files = vec![CloudFile { path, permissions, content }];
}

fn unit(name: &str) -> CloudUnit {
    CloudUnit { name: name.into(), content: "[Service]\nType=simple\n".into(), wait: false }
}

#[test]
fn the_owners_cloud_config_is_read_before_a_launch() {
    let cases = [
        (Flavour::Ubuntu, "a: [", "it is no YAML"),
        (Flavour::Ubuntu, "a: &x 1\nb: *x", "line 1: an anchor cannot be merged"),
        (Flavour::Ubuntu, "a: !!binary eA==", "line 1: a tag"),
        (Flavour::Ubuntu, "a: 1\n---\nb: 2", "a second document"),
        (Flavour::Ubuntu, "a: 1\nb: 2\na: 3", "line 3: the key \"a\" stands there twice"),
        (Flavour::Ubuntu, "[1]: 2", "a key that is no text"),
        (Flavour::Ubuntu, "- 1", "not a mapping"),
        (Flavour::Ubuntu, "runcmd: reboot", "cloud_config: runcmd: a text cannot lie over a list"),
        (Flavour::Ubuntu, "coreos: {}", "Ubuntu does not read the key \"coreos\""),
        (Flavour::Flatcar, "packages: [lvm2]", "Flatcar does not read the key \"packages\""),
        (Flavour::Flatcar, "coreos: {units: [{name: fleetlog-a.service}]}", "belongs to fleetlog"),
        (Flavour::Flatcar, "write_files: [{path: /opt/fleetlog/bin/data}]", "belongs to fleetlog"),
    ];
    for (flavour, text, sentence) in cases {
        let config = Config { cloud_config: text.into(), ..plain(flavour) };
        let error = config.check().expect_err(text);
        assert!(error.contains(sentence), "{text:?}: {error}");
    }
    let deep = format!("a: {}1{}", "[".repeat(40), "]".repeat(40));
    let config = Config { cloud_config: deep, ..plain(Flavour::Ubuntu) };
    assert!(config.check().is_err_and(|error| error.contains("so deep a nesting")));
}

#[test]
fn flatcar_waits_for_oneshots() {
    let content = "[Service]\nType=oneshot\nExecStart=/bin/true\n".to_owned();
    let unit = CloudUnit { name: "a.service".into(), content, wait: false };
    let of = |flavour| Config { units: vec![unit.clone()], ..plain(flavour) };
    assert_eq!(of(Flavour::Ubuntu).check(), Ok(()));
    assert!(of(Flavour::Flatcar).check().is_err_and(|error| error.contains("set wait")));
}

#[test]
fn a_data_volume_is_as_large_as_the_largest_rule_asks_for() {
    let of = |cores: u64, memory: u64, disk: u64| Resources {
        cpu: cores * 1000,
        memory: memory << 30,
        disk: disk << 30,
        ..Resources::default()
    };
    let data = Data { size: 100, per_core: 20, per_memory: 3, ..Data::default() };
    for (resources, size) in [
        (of(1, 1, 0), 100),
        (of(16, 32, 0), 320),
        (of(16, 128, 0), 384),
        (of(2, 4, 500), 500),
        (Resources { disk: (500 << 30) + 1, ..of(2, 4, 0) }, 501),
    ] {
        assert_eq!(data.size_for(&resources), size, "{resources:?}");
    }
    let each = Data { slicing: Slicing::Each(200), ..data };
    let layout = each.check_for(&of(16, 128, 0)).expect("a layout");
    assert_eq!((layout.slices, layout.each), (2, 200));
}

#[test]
fn labels_keep_to_the_limits_of_tags() {
    let label = |key: String, value: String| Config {
        labels: [(key, value)].into(),
        ..plain(Flavour::Ubuntu)
    };
    let cases = [
        (label("k".repeat(128), "v".repeat(256)), None),
        (label("ü".repeat(128), "wert mit leer + - = . _ : / @".into()), None),
        (label("k".repeat(129), String::new()), Some("129 characters")),
        (label("k".into(), "v".repeat(257)), Some("257 characters")),
        (label(String::new(), "v".into()), Some("0 characters")),
        (label("AWS:a".into(), "v".into()), Some("belong to others")),
        (label("fleetlog:launch".into(), "v".into()), Some("belong to others")),
        (label("a\n".into(), "v".into()), Some("not allowed in a tag")),
        (label("a".into(), "<v>".into()), Some("not allowed in a tag")),
    ];
    for (config, wrong) in cases {
        match (config.check(), wrong) {
            (Ok(()), None) => {}
            (Err(error), Some(wrong)) => assert!(error.contains(wrong), "{error}"),
            (found, wanted) => panic!("{:?}: {found:?}, not {wanted:?}", config.labels),
        }
    }
    let many = |count: u32| Config {
        labels: (0..count).map(|n| (format!("k{n}"), String::new())).collect(),
        ..plain(Flavour::Ubuntu)
    };
    assert_eq!(many(45).check(), Ok(()));
    assert!(many(46).check().is_err_and(|error| error.contains("EC2 takes 50 tags")));
}
