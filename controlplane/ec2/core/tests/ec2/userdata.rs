//! User-data, whole: what was agreed on for each flavour, its size, and that its bytes stay.

use crate::world::{FLAVOURS, full, intent, order, plain, shown, text};
use ec2_core::Intent;
use ec2_core::cloudinit::{CloudFile, Flavour};
use ec2_core::config::{Arch, Config};
use ec2_core::userdata::{AgentFile, LIMIT, UserDataError, userdata};
use schema::unit::Epoch;

#[test]
fn whole_documents_are_as_agreed() {
    for flavour in FLAVOURS {
        insta::assert_snapshot!(format!("plain_{flavour:?}"), text(&plain(flavour)));
        insta::assert_snapshot!(format!("full_{flavour:?}"), text(&full(flavour)));
    }
}

/// The settings with a file of so many bytes, in 64 different characters: each takes six bits.
fn with_bytes(count: usize) -> Config {
    let mut config = plain(Flavour::Ubuntu);
    let mut next = 1_u64;
    let content = (0..count).map(|_| {
        next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from(next >> 58).expect("six bits"))
    });
    let (path, permissions) = ("/etc/big".into(), "0644".into());
    config.files = vec![CloudFile { path, permissions, content: content.collect() }];
    config
}

fn bytes(config: &Config) -> Result<Vec<u8>, UserDataError> {
    let intent = intent();
    userdata(config, &intent, &shown(config, &intent)).map(|data| data.bytes().to_vec())
}

#[test]
fn what_fits_is_text_what_does_not_is_compressed_and_what_never_will_is_refused() {
    let small = bytes(&with_bytes(100)).expect("user-data");
    assert!(small.starts_with(b"#cloud-config\n"));
    let config = with_bytes(15_000);
    let packed = bytes(&config).expect("user-data");
    assert_eq!(packed[..4], [0x1f, 0x8b, 8, 0], "gzip without a name");
    assert_eq!(packed[4..8], [0; 4], "nor a time");
    assert!(packed.len() <= LIMIT && text(&config).len() > LIMIT);
    let error = bytes(&with_bytes(40_000)).expect_err("too large").to_string();
    assert!(error.contains("EC2 takes 16384: shorten"), "{error}");
    assert!(error.starts_with("user-data has 4"), "{error}");
    assert_eq!(with_bytes(15_000).check(), Ok(()));
    assert!(with_bytes(40_000).check().is_err_and(|error| error.contains("EC2 takes 16384")));
}

/// A leader of another build must send the bytes that this one has sent: if this digest changes, a launch
/// whose answer is not known while the controllers are replaced has to be reconciled by hand.
#[test]
fn the_same_attempt_has_the_same_bytes_in_every_build() {
    let config = with_bytes(15_000);
    let first = bytes(&config).expect("user-data");
    assert_eq!(bytes(&config).expect("user-data"), first);
    let mut asked_by_another = order();
    asked_by_another.epoch = Epoch(99);
    let intent = Intent::of(&asked_by_another);
    let again = userdata(&config, &intent, &shown(&config, &intent)).expect("user-data");
    assert_eq!(again.bytes(), first);
    insta::assert_snapshot!("compressed_digest", blake3::hash(&first).to_hex().as_str());
}

#[test]
fn the_compressed_form_unpacks_to_the_text() {
    let config = with_bytes(15_000);
    let packed = bytes(&config).expect("user-data");
    let mut unpacked = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
    std::io::Read::read_to_string(&mut decoder, &mut unpacked).expect("gzip");
    assert_eq!(unpacked, text(&config));
}

#[test]
fn an_immortal_instance_does_not_end_itself() {
    for flavour in FLAVOURS {
        for config in [plain(flavour), full(flavour)] {
            let mortal = text(&config);
            let immortal = text(&Config { immortal: true, ..config });
            for end in ["poweroff", "fleetlog-expiry"] {
                assert!(mortal.contains(end) && !immortal.contains(end), "{end}");
            }
        }
    }
}

#[test]
fn the_agent_is_told_all_that_it_needs_in_one_file() {
    let mut order = order();
    order.offering.resources.features = [("gpu".into(), 4), ("gpu-t4".into(), 4)].into();
    let (config, intent) = (full(Flavour::Ubuntu), Intent::of(&order));
    let text = ec2_core::userdata::text(&config, &intent, &shown(&config, &intent)).expect("text");
    let (_, from) = text.split_once("path: \"/etc/fleetlog/agent.json\"").expect("the file");
    let from = &from[from.find('{').expect("its beginning")..];
    let mut told = serde_json::Deserializer::from_str(from).into_iter::<AgentFile>();
    let told = told.next().expect("a value").expect("what agents are told");
    assert_eq!((told.cluster.as_str(), told.attempt), ("genomics", 2));
    assert_eq!(told.dir, "/mnt/data/fleetlog");
    assert_eq!(told.metrics.as_deref(), Some("127.0.0.1:9100"));
    assert_eq!(told.promised, order.offering.resources, "an alloc that needs a GPU finds it there");
}

#[test]
fn there_is_no_user_data_without_an_agent() {
    let mut config = plain(Flavour::Ubuntu);
    config.agent.clear();
    assert_eq!(bytes(&config), Err(UserDataError::NoAgent(Arch::X86)));
}
