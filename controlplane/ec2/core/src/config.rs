//! The EC2 settings of a cluster. What has no default must be named; what is wrong is said in a
//! sentence when the settings are read, not at a launch.

use crate::cloudinit::{CloudFile, CloudUnit, Flavour};
use crate::volume::{Slicing, VolumeType};
use schema::policy::Offering;
use schema::resources::Resources;
use schema::unit::Millis;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

mod check;
mod given;
mod image;

pub use image::{FoundImage, Image, ImageRule, choose};

const GIB: u64 = 1 << 30;

/// The EC2 settings of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Region, such as `us-west-2`.
    pub region: SmolStr,
    /// Where instances are put: one subnet a zone.
    pub subnets: Vec<Subnet>,
    /// Security groups of every instance, by id.
    pub security_groups: Vec<SmolStr>,
    /// Whether instances get a public address; as the subnet says, if this does not.
    #[serde(default)]
    pub public_ip: Option<bool>,
    /// Instance profile, by name or ARN.
    #[serde(default)]
    pub instance_profile: Option<SmolStr>,
    /// Key pair that EC2 puts on instances.
    #[serde(default)]
    pub key_name: Option<SmolStr>,
    /// Public keys that user-data puts on instances.
    #[serde(default)]
    pub ssh_keys: Vec<String>,
    /// The image for each architecture.
    pub images: BTreeMap<Arch, ImageRule>,
    /// The family of those images.
    pub flavour: Flavour,
    /// The volume that holds the image.
    #[serde(default)]
    pub root: Root,
    /// The volume that allocs live on; none means that they share the root volume.
    #[serde(default)]
    pub data: Option<Data>,
    /// Tags on all that is made for an instance, beside fleetlog's own.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Instances outlive their agents, for debugging; nothing but the leader ends them.
    #[serde(default)]
    pub immortal: bool,
    /// An instance whose agent has not joined powers itself off after this.
    #[serde(default = "Config::default_expiry")]
    pub bootstrap_expiry: Millis,
    /// The agent, for each architecture: fetched, and run if its digest is right.
    pub agent: BTreeMap<Arch, Fetched>,
    /// A node exporter, for each architecture. It listens on loopback; the agent hands its metrics on.
    #[serde(default)]
    pub node_exporter: BTreeMap<Arch, Fetched>,
    /// Where the log is.
    pub log: LogAt,
    /// The owner's own cloud-config, as YAML.
    #[serde(default)]
    pub cloud_config: String,
    /// The owner's own files.
    #[serde(default)]
    pub files: Vec<CloudFile>,
    /// The owner's own units.
    #[serde(default)]
    pub units: Vec<CloudUnit>,
    /// The most that is paid for spot.
    #[serde(default)]
    pub spot_price: SpotPrice,
    /// How instances reach their metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// Ask for EBS optimisation; types that have it by themselves do not mind.
    #[serde(default)]
    pub ebs_optimized: bool,
    /// Detailed monitoring, which EC2 charges for.
    #[serde(default)]
    pub monitoring: bool,
    /// How often the leader lists all instances. A list is a call for each thousand of them, and an account
    /// has 20 such calls a second in a region, for all that ask there (100 at once): with 5 s a cluster of
    /// 10,000 takes two of the 20, one of up to 1000 a fifth of one. An instance that goes by itself is missed
    /// that much later; boots, ends and warnings are told otherwise.
    #[serde(default = "Config::usual_list", skip_serializing_if = "Config::is_usual_list")]
    pub list_every: Millis,
    /// Where on-demand prices are asked for once a day; none: they are those of the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_list: Option<PriceList>,
}

/// The price list of AWS, which is a service of its own: `GetProducts`, for which `pricing:GetProducts` has to
/// be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// The region that answers, whatever region is asked about: `us-east-1`, `eu-central-1`, `ap-south-1`.
    #[serde(default = "PriceList::usual_region")]
    pub region: SmolStr,
    /// Its URL, if that is another one than AWS gives it there.
    #[serde(default)]
    pub endpoint: Option<String>,
}

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86,
    /// 64-bit ARM.
    #[serde(rename = "arm64")]
    Arm,
}

/// The subnet of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subnet {
    /// Zone, such as `us-west-2a`.
    pub zone: SmolStr,
    /// The subnet, by id.
    pub subnet: SmolStr,
}

/// The root volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Root {
    /// Type.
    #[serde(rename = "type")]
    pub kind: VolumeType,
    /// Size in GiB.
    pub size: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// The data volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// Type.
    #[serde(rename = "type")]
    pub kind: VolumeType,
    /// The least size, in GiB.
    pub size: u64,
    /// At least this many GiB for each core of the instance.
    pub per_core: u64,
    /// At least this many GiB for each GiB of the instance's memory.
    pub per_memory: u64,
    /// How it is sliced.
    pub slicing: Slicing,
    /// Operations a second of each slice (gp3, io1, io2).
    pub iops: Option<u64>,
    /// MiB a second of each slice (gp3).
    pub throughput: Option<u64>,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// Something that an instance fetches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetched {
    /// Where it is.
    pub url: String,
    /// Its SHA-256, in lower-case hex. (Every image has a program for that one.)
    pub sha256: String,
}

/// Where the log is, as instances see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogAt {
    /// Its URL, such as `tls://nats.internal:4222`.
    pub url: String,
    /// Certificates to trust there, as PEM; the image's own, if none.
    #[serde(default)]
    pub ca: Option<String>,
}

/// The most that is paid for a spot instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpotPrice {
    /// The most that the intent says it can cost, which is what the budget counts.
    #[default]
    Offering,
    /// EC2's own limit, the on-demand price. The budget holds only if offerings on spot are capped so.
    OnDemand,
}

/// How instances reach their metadata. Tokens (IMDSv2) are always required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metadata {
    /// Hops that an answer survives: with 1, containers with a network of their own get none.
    pub hop_limit: u32,
    /// Whether tags can be read there.
    pub tags: bool,
}

impl PriceList {
    fn usual_region() -> SmolStr {
        "us-east-1".into()
    }
}

impl Default for Metadata {
    fn default() -> Metadata {
        Metadata { hop_limit: 1, tags: false }
    }
}

impl Default for Root {
    fn default() -> Root {
        Root { kind: VolumeType::Gp3, size: 200, encrypted: true }
    }
}

impl Default for Data {
    fn default() -> Data {
        Data {
            kind: VolumeType::Gp3,
            size: 300,
            per_core: 0,
            per_memory: 0,
            slicing: Slicing::default(),
            iops: None,
            throughput: None,
            encrypted: true,
        }
    }
}

impl Data {
    /// The size in GiB for an instance: the largest of what the settings ask for, and never less than
    /// the disk that its offering promises.
    #[must_use]
    pub fn size_for(&self, resources: &Resources) -> u64 {
        let cores = resources.cpu.div_ceil(1000);
        let memory = resources.memory.div_ceil(GIB);
        let asked = [
            self.per_core.saturating_mul(cores),
            self.per_memory.saturating_mul(memory),
            resources.disk.div_ceil(GIB),
        ];
        asked.into_iter().fold(self.size, u64::max)
    }
}

impl Arch {
    /// Both.
    pub const ALL: [Arch; 2] = [Arch::X86, Arch::Arm];

    /// As EC2 calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86 => "x86_64",
            Arch::Arm => "arm64",
        }
    }

    /// The architecture of an offering.
    #[must_use]
    pub fn of(offering: &Offering) -> Arch {
        if offering.resources.feature("arch-arm64") > 0 { Arch::Arm } else { Arch::X86 }
    }
}

impl Config {
    fn default_expiry() -> Millis {
        Millis::from_secs(600)
    }

    pub(crate) fn usual_list() -> Millis {
        Millis::from_secs(5)
    }

    fn is_usual_list(every: &Millis) -> bool {
        *every == Config::usual_list()
    }

    /// The subnet of a zone.
    #[must_use]
    pub fn subnet(&self, zone: &str) -> Option<&SmolStr> {
        self.subnets.iter().find(|subnet| subnet.zone == zone).map(|subnet| &subnet.subnet)
    }
}
