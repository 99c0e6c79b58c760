//! Instance types: what each has, and what of that allocs can use.

use crate::parse::{At, Fault, lines};
use schema::policy::kind::KindName;
use schema::policy::types::{ACCELERATOR, Arch, GPU, LOCAL_HDD, LOCAL_SSD, Traits};
use schema::policy::worth::Links;
use schema::resources::Resources;
use schema::unit::Millis;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Of a type that nobody has measured, so many thousandths of the nominal memory are taken to be what the
/// operating system finds: the median of those that were measured.
const OS_FINDS_PERMILLE: u64 = 967;
/// Percentage of what the operating system finds that is kept for it and the agent, as Reflow keeps it.
const KEPT_PERCENT: u64 = 5;

const MIB: u64 = 1 << 20;
const GB: u64 = 1_000_000_000;

/// An instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    /// Its name, such as `m7g.large`.
    pub name: SmolStr,
    /// What it runs.
    pub arch: Arch,
    /// Virtual cpus.
    pub vcpu: u32,
    /// Memory in MiB, as it is sold.
    pub memory_mib: u64,
    /// Memory in MiB, as an operating system found it, if anybody measured that.
    pub os_memory_mib: Option<u64>,
    /// How long it took from the request until an agent answered, if anybody measured that.
    pub boot: Option<Millis>,
    /// GPUs.
    pub gpu: Option<Gpu>,
    /// Other accelerators: how many, and their name.
    pub accelerator: Option<(u32, SmolStr)>,
    /// Disks of its own.
    pub disks: Option<Disks>,
    /// Its network.
    pub network: Network,
    /// Its link to EBS, if it has one of its own.
    pub ebs: Option<Ebs>,
    /// Most volumes that it can have; 0 if that is not known.
    pub max_volumes: u32,
    /// Whether it is sold as spot.
    pub spot: bool,
}

/// GPUs of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// How many; 0 stands for a part of one.
    pub count: u32,
    /// Their name, such as `A100`.
    pub name: SmolStr,
    /// Their memory in all, in MiB.
    pub memory_mib: u64,
}

/// Disks that come with an instance, and go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disks {
    /// How many.
    pub count: u32,
    /// Size of each in GB (10^9 bytes).
    pub gb: u64,
    /// What they are.
    pub kind: DiskKind,
}

impl Disks {
    /// All of them, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.count).saturating_mul(self.gb).saturating_mul(GB)
    }
}

/// What disks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskKind {
    /// Solid state.
    Ssd,
    /// Turning.
    Hdd,
}

/// A network, in megabits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// What is there at all times.
    pub mbps: u64,
    /// What is there for a while.
    pub peak_mbps: u64,
}

/// A link to EBS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ebs {
    /// Megabits per second at all times.
    pub mbps: u64,
    /// Megabits per second for a while.
    pub peak_mbps: u64,
    /// IOPS at all times.
    pub iops: u64,
    /// IOPS for a while.
    pub peak_iops: u64,
}

impl InstanceType {
    /// What its name tells: class, generation, size.
    #[must_use]
    pub fn parts(&self) -> KindName<'_> {
        KindName::parse(&self.name)
    }

    /// What the rules of a policy look at.
    #[must_use]
    pub fn traits(&self) -> Traits<'_> {
        Traits {
            name: &self.name,
            arch: Some(self.arch),
            local_disk: self.disks.is_some(),
            accelerated: self.gpu.is_some() || self.accelerator.is_some(),
        }
    }

    /// What of its network and its link to EBS is there at all times.
    #[must_use]
    pub fn links(&self) -> Links {
        Links { network: self.network.mbps, ebs: self.ebs.map_or(0, |ebs| ebs.mbps) }
    }

    /// Memory in bytes that allocs can use: what the operating system finds, measured where it was, less
    /// what is kept for it and the agent.
    #[must_use]
    pub fn usable_memory(&self) -> u64 {
        let guess = || self.memory_mib.saturating_mul(OS_FINDS_PERMILLE) / 1000;
        let found = self.os_memory_mib.unwrap_or_else(guess);
        found.saturating_mul(MIB) / 100 * (100 - KEPT_PERCENT)
    }

    /// What allocs can use of it where it is given so many bytes of disk. What an instance is rather than
    /// has (`arch-arm64`, `local-ssd`) is counted once for each vCPU.
    #[must_use]
    pub fn usable(&self, disk: u64) -> Resources {
        let vcpu = u64::from(self.vcpu);
        let mut features = BTreeMap::from([(self.arch.feature().into(), vcpu)]);
        if let Some(disks) = self.disks {
            let name = match disks.kind {
                DiskKind::Ssd => LOCAL_SSD,
                DiskKind::Hdd => LOCAL_HDD,
            };
            features.insert(name.into(), vcpu);
        }
        match &self.gpu {
            Some(Gpu { count: 0, name, .. }) => {
                features.insert(ACCELERATOR.into(), 1);
                features.insert(feature(&format!("gpu-part-{name}")), 1);
            }
            Some(Gpu { count, name, .. }) => {
                features.insert(GPU.into(), u64::from(*count));
                features.insert(feature(&format!("gpu-{name}")), u64::from(*count));
            }
            None => {}
        }
        if let Some((count, name)) = &self.accelerator {
            features.insert(ACCELERATOR.into(), u64::from(*count));
            features.insert(feature(name), u64::from(*count));
        }
        Resources { cpu: vcpu * 1000, memory: self.usable_memory(), disk, features }
    }
}

/// A name in the letters of features: `RTX_PRO_4500` is `rtx-pro-4500`.
fn feature(name: &str) -> SmolStr {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase().into()
}

/// `types.txt`: a line `= FAMILY ARCH [DISKS]`, and under it one line for each size.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<SmolStr, InstanceType>, Fault> {
    let mut types = BTreeMap::new();
    let mut family = None;
    for (at, line) in lines("types.txt", text) {
        if let Some(head) = line.strip_prefix("= ") {
            family = Some(Family::parse(at, head)?);
            continue;
        }
        let family = family.as_ref().ok_or_else(|| at.fault("a size before any family"))?;
        let one = family.size(at, line)?;
        let name = one.name.clone();
        if types.insert(name.clone(), one).is_some() {
            return Err(at.fault(format!("{name} was there before")));
        }
    }
    Ok(types)
}

struct Family<'a> {
    name: &'a str,
    arch: Arch,
    disks: Option<DiskKind>,
}

impl<'a> Family<'a> {
    fn parse(at: At, head: &'a str) -> Result<Family<'a>, Fault> {
        let mut words = head.split(' ');
        let name = words.next().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| at.fault("a family without a name"))?;
        let arch = match words.next() {
            Some("arm64") => Arch::Arm64,
            Some("x86_64") => Arch::X86,
            other => return Err(at.fault(format!("unknown architecture {other:?}"))),
        };
        let disks = match words.next() {
            None => None,
            Some("ssd") => Some(DiskKind::Ssd),
            Some("hdd") => Some(DiskKind::Hdd),
            Some(other) => return Err(at.fault(format!("unknown disks {other:?}"))),
        };
        Ok(Family { name, arch, disks })
    }

    fn size(&self, at: At, line: &str) -> Result<InstanceType, Fault> {
        let [
            size,
            vcpu,
            memory,
            os_memory,
            boot,
            gpus,
            gpu,
            gpu_memory,
            accelerator,
            disks,
            mbps,
            peak_mbps,
            ebs_mbps,
            ebs_peak_mbps,
            ebs_iops,
            ebs_peak_iops,
            volumes,
            spot,
        ] = at.fields(line)?;
        let gpu = if gpu.is_empty() {
            None
        } else {
            let count = at.known(gpus)?.unwrap_or(0);
            Some(Gpu { count, name: gpu.into(), memory_mib: at.number(gpu_memory)? })
        };
        let ebs = if ebs_mbps.is_empty() {
            None
        } else {
            Some(Ebs {
                mbps: at.number(ebs_mbps)?,
                peak_mbps: at.number(ebs_peak_mbps)?,
                iops: at.number(ebs_iops)?,
                peak_iops: at.number(ebs_peak_iops)?,
            })
        };
        Ok(InstanceType {
            name: format!("{}.{size}", self.name).into(),
            arch: self.arch,
            vcpu: at.number(vcpu)?,
            memory_mib: at.number(memory)?,
            os_memory_mib: at.known(os_memory)?,
            boot: at.known(boot)?.map(Millis::from_secs),
            gpu,
            accelerator: counted(at, accelerator)?,
            disks: self.disks_of(at, disks)?,
            network: Network { mbps: at.number(mbps)?, peak_mbps: at.number(peak_mbps)? },
            ebs,
            max_volumes: at.number(volumes)?,
            spot: spot == "s",
        })
    }

    fn disks_of(&self, at: At, text: &str) -> Result<Option<Disks>, Fault> {
        let Some((count, gb)) = counted(at, text)? else { return Ok(None) };
        let kind = self.disks.ok_or_else(|| at.fault("disks in a family without disks"))?;
        Ok(Some(Disks { count, gb: at.number(&gb)?, kind }))
    }
}

/// `COUNTxNAME`, or nothing.
fn counted(at: At, text: &str) -> Result<Option<(u32, SmolStr)>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let (count, name) =
        text.split_once('x').ok_or_else(|| at.fault(format!("{text:?} is no COUNTxNAME")))?;
    Ok(Some((at.number(count)?, name.into())))
}
