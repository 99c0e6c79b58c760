//! User-data: all that an instance is told before its agent runs. Every byte follows from the settings,
//! the intent and its credential.

use crate::cloudinit::Part;
use crate::cloudinit::merge::merge;
use crate::cloudinit::template::TemplateError;
use crate::cloudinit::yaml::{self, Node};
use crate::config::{Arch, Config};
use crate::credential::{ClusterKey, Credential, credential};
use crate::intent::Intent;
use controlplane_core::cloud::LaunchOrder;
use flate2::{Compression, GzBuilder};
use schema::id::{ClusterId, LaunchId, MAX_ID};
use schema::policy::Offering;
use schema::policy::worth::Links;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Epoch, Micros};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;

mod parts;

pub use parts::AgentFile;

/// Most bytes that EC2 takes, before it is told in base 64.
pub const LIMIT: usize = 16_384;
/// How much the compressed size may differ from one credential, and from the features of one type, to
/// another, in bytes.
const MARGIN: usize = 256;
/// More features than a type of the catalogue has.
const FEATURES: usize = 8;

/// Where an agent finds what it is told.
pub const AGENT_FILE: &str = "/etc/fleetlog/agent.json";
/// Where its credential is; root alone can read it.
pub const CREDENTIAL_FILE: &str = "/etc/fleetlog/credential";
/// An agent makes this file once its first record is on the log.
pub const JOINED_FILE: &str = "/run/fleetlog/joined";
/// Nobody else's files and units begin so.
const OURS: [&str; 4] =
    ["/etc/fleetlog/", "/opt/fleetlog/", "/run/fleetlog/", "/etc/systemd/system/fleetlog-"];
const OUR_UNITS: &str = "fleetlog-";

/// User-data as it goes to EC2.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData {
    bytes: Vec<u8>,
}

impl UserData {
    /// The bytes; gzip, where the text would not fit.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// There is a credential in it.
impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserData({} bytes)", self.bytes.len())
    }
}

/// Why there is no user-data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    /// It is more than EC2 takes.
    #[error(
        "user-data has {plain} bytes, {compressed} when compressed, and EC2 takes {LIMIT}: shorten cloud_config, files or units"
    )]
    TooLarge {
        /// Bytes of the text.
        plain: usize,
        /// Bytes when compressed.
        compressed: usize,
    },
    /// There is no agent for instances of this kind.
    #[error("there is no agent for {}", .0.name())]
    NoAgent(Arch),
    /// The owner's own part cannot be merged.
    #[error("{0}")]
    Own(String),
    /// A template of ours does not fit its values.
    #[error("a template does not fit")]
    Template(#[source] TemplateError),
}

/// The user-data of an attempt.
///
/// # Errors
/// [`UserDataError`]; none that [`Config::check`] would not have told.
pub fn userdata(
    config: &Config,
    intent: &Intent,
    credential: &Credential,
) -> Result<UserData, UserDataError> {
    pack(&text(config, intent, credential)?, LIMIT)
}

/// The cloud-config of an attempt.
///
/// # Errors
/// [`UserDataError`]; it says nothing of the size.
pub fn text(
    config: &Config,
    intent: &Intent,
    credential: &Credential,
) -> Result<String, UserDataError> {
    let arch = Arch::of(intent.offering());
    let agent = config.agent.get(&arch).ok_or(UserDataError::NoAgent(arch))?;
    let first = config.flavour.document(&parts::first(config, intent, credential)?);
    let last =
        config.flavour.document(&parts::last(config, agent, config.node_exporter.get(&arch))?);
    let own = owners(config).map_err(UserDataError::Own)?;
    let merged = [first, own, last].into_iter().try_fold(config.flavour.quiet(), merge);
    let merged = merged.map_err(|error| UserDataError::Own(format!("cloud_config: {error}")))?;
    Ok(format!("#cloud-config\n{}", yaml::print(&merged)))
}

/// The owner's own document: the cloud-config, then files and units of the settings.
///
/// # Errors
/// Says why it cannot be merged with ours.
pub fn owners(config: &Config) -> Result<Node, String> {
    let Config { flavour, .. } = config;
    let read =
        yaml::parse(&config.cloud_config).map_err(|error| format!("cloud_config: {error}"))?;
    flavour.check_keys(&read).map_err(|error| format!("cloud_config: {error}"))?;
    let (files, units) = (config.files.clone(), config.units.clone());
    let added = flavour.document(&Part { ssh_keys: Vec::new(), files, units });
    let own = merge(read, added).map_err(|error| format!("cloud_config: {error}"))?;
    let paths = own.get("write_files").map_or(&[][..], Node::list);
    let units = own.get("coreos").and_then(|coreos| coreos.get("units"));
    let path = |node: &Node| node.get("path").and_then(Node::as_text).map(str::to_owned);
    let name = |node: &Node| node.get("name").and_then(Node::as_text).map(str::to_owned);
    let ours = |path: &String| OURS.iter().any(|start| path.starts_with(start));
    let unit = |name: &String| name.starts_with(OUR_UNITS);
    let mut taken = paths.iter().filter_map(path).filter(ours);
    let mut named = units.map_or(&[][..], Node::list).iter().filter_map(name).filter(unit);
    match taken.next().or_else(|| named.next()) {
        Some(name) => Err(format!("{name} belongs to fleetlog; name it otherwise")),
        None => Ok(own),
    }
}

fn pack(text: &str, limit: usize) -> Result<UserData, UserDataError> {
    if text.len() <= limit {
        return Ok(UserData { bytes: text.as_bytes().to_vec() });
    }
    let bytes = gzip(text.as_bytes());
    if bytes.len() <= limit {
        return Ok(UserData { bytes });
    }
    Err(UserDataError::TooLarge { plain: text.len(), compressed: bytes.len() })
}

/// The same bytes for the same text: no name, no time, no system.
fn gzip(text: &[u8]) -> Vec<u8> {
    let builder = GzBuilder::new().mtime(0).operating_system(255);
    let mut encoder = builder.write(Vec::new(), Compression::best());
    // Writing into memory cannot fail; were it to, the bytes would be short, and no reader takes them.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default()
}

/// Whether user-data fits for every instance that may be launched.
///
/// # Errors
/// Names the sizes.
pub fn check_size(config: &Config) -> Result<(), String> {
    for arch in config.images.keys() {
        let intent = longest(*arch);
        let credential = credential(&ClusterKey::new([0; 32]), &intent, config.bootstrap_expiry);
        let text = text(config, &intent, &credential).map_err(|error| error.to_string())?;
        pack(&text, LIMIT - MARGIN).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The intent with the longest names. Its figures are not the longest: those few bytes are in the margin.
fn longest(arch: Arch) -> Intent {
    let id = "m".repeat(MAX_ID);
    let mut features: BTreeMap<SmolStr, u64> =
        (0..FEATURES).map(|nth| (format!("{nth}{}", &id[1..]).into(), u64::MAX)).collect();
    if arch == Arch::Arm {
        features.insert("arch-arm64".into(), 1);
    }
    let resources = Resources { features, ..Resources::default() };
    let (cluster, launch) = (ClusterId::new(&id), LaunchId::new(&id));
    let (kind, zone, market) = ("".into(), "".into(), Market::Spot);
    Intent::of(&LaunchOrder {
        cluster: cluster.unwrap_or_else(|_| ClusterId::lowest()),
        launch: launch.unwrap_or_else(|_| LaunchId::lowest()),
        attempt: u32::MAX,
        offering: Offering {
            kind,
            zone,
            market,
            price: Micros(0),
            cap: None,
            resources,
            links: Links::default(),
        },
        count: 1,
        settings: None,
        intended: Epoch(0),
        epoch: Epoch(0),
    })
}
