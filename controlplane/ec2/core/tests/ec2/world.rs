//! Settings, intents and credentials to test with.

use controlplane_core::cloud::LaunchOrder;
use ec2_core::cloudinit::{CloudFile, CloudUnit, Flavour};
use ec2_core::config::{Arch, Config, Data, Fetched, Image};
use ec2_core::credential::{ClusterKey, Credential, credential};
use ec2_core::volume::Slicing;
use ec2_core::{Intent, RunRequest};
use schema::id::{ClusterId, LaunchId};
use schema::policy::Offering;
use schema::policy::worth::Links;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Epoch, Micros};

pub(crate) const FLAVOURS: [Flavour; 2] = [Flavour::Flatcar, Flavour::Ubuntu];

/// The least settings that will do.
pub(crate) fn plain(flavour: Flavour) -> Config {
    let text = r#"{
        "region": "us-west-2",
        "subnets": [
            {"zone": "us-west-2a", "subnet": "subnet-0aaa"},
            {"zone": "us-west-2b", "subnet": "subnet-0bbb"}
        ],
        "security_groups": ["sg-0123"],
        "images": {"x86_64": {"id": "ami-0123"}},
        "flavour": "ubuntu",
        "agent": {"x86_64": {
            "url": "https://example.org/fleetlog-x86_64?a=%20b",
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        }},
        "log": {"url": "tls://nats.example.org:4222"}
    }"#;
    Config { flavour, ..serde_json::from_str(text).expect("settings") }
}

/// Settings that use all there is.
pub(crate) fn full(flavour: Flavour) -> Config {
    let mut config = plain(flavour);
    config.ssh_keys = vec!["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUBp ops@example.org".into()];
    let slicing = Slicing::Count(3);
    config.data = Some(Data { size: 300, slicing, iops: Some(4000), ..Data::default() });
    let fetched = |url: &str| Fetched { url: url.into(), sha256: "0a".repeat(32) };
    config.node_exporter = [(Arch::X86, fetched("https://example.org/node_exporter"))].into();
    config.log.ca = Some("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".into());
    config.labels = [("team".into(), "genomics".into()), ("Name".into(), "ours".into())].into();
    config.files = vec![CloudFile {
        path: "/etc/motd".into(),
        permissions: "0644".into(),
        content: "welcome\n\n  to the fleet: \"quoted\", \\ and ü\n".into(),
    }];
    config.units = vec![CloudUnit {
        name: "scratch.service".into(),
        content: "[Unit]\nDescription=scratch\n\n[Service]\nType=oneshot\nExecStart=/bin/true\n"
            .into(),
        wait: true,
    }];
    config.cloud_config = match flavour {
        Flavour::Flatcar => {
            "#cloud-config\nhostname: fleet\ncoreos:\n  update:\n    reboot-strategy: best-effort\n"
        }
        Flavour::Ubuntu => {
            "#cloud-config\npackages: [docker.io, 'lvm2']\npackage_update: yes\nruncmd:\n- [sysctl, -w, vm.swappiness=0]\n"
        }
    }
    .into();
    config
}

pub(crate) fn offering() -> Offering {
    Offering {
        kind: "m7i.4xlarge".into(),
        zone: "us-west-2b".into(),
        market: Market::Spot,
        price: Micros(806_400),
        cap: None,
        links: Links::default(),
        resources: Resources {
            cpu: 16_000,
            memory: 64 << 30,
            disk: 250 << 30,
            ..Resources::default()
        },
    }
}

pub(crate) fn order() -> LaunchOrder {
    LaunchOrder {
        cluster: ClusterId::new("genomics").expect("an id"),
        launch: LaunchId::new("l-06gzsscyz2a50f2f1hmv").expect("an id"),
        attempt: 2,
        offering: offering(),
        count: 4,
        settings: None,
        intended: Epoch(7),
        epoch: Epoch(7),
    }
}

pub(crate) fn intent() -> Intent {
    Intent::of(&order())
}

pub(crate) fn key() -> ClusterKey {
    ClusterKey::new([7; 32])
}

pub(crate) fn shown(config: &Config, intent: &Intent) -> Credential {
    credential(&key(), intent, config.bootstrap_expiry)
}

pub(crate) fn image() -> Image {
    Image { id: "ami-0123".into(), root_device: "/dev/sda1".into() }
}

pub(crate) fn request(config: &Config, order: &LaunchOrder) -> RunRequest {
    let intent = Intent::of(order);
    RunRequest::new(config, &intent, &image(), &shown(config, &intent)).expect("a request")
}

/// The text of an attempt's user-data.
pub(crate) fn text(config: &Config) -> String {
    let intent = intent();
    ec2_core::userdata::text(config, &intent, &shown(config, &intent)).expect("user-data")
}
