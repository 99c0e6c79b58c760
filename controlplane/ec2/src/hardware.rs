//! What EC2 says that a type has, in the words of the log.

use aws_sdk_ec2::types::{
    ArchitectureType, DiskType, InstanceTypeInfo, InstanceTypeOffering, NetworkInfo, UsageClassType,
};
use schema::event::{Devices, Hardware, OwnDisks};
use schema::policy::types::Arch;
use schema::policy::worth::Links;
use smol_str::SmolStr;

/// By how much a label may be off: labels have two decimals, and are of several cards.
const ROUNDED: f64 = 0.02;

/// The name of a type and what it has; nothing if EC2 does not say enough of it, or it runs nothing that is
/// known here.
pub(crate) fn hardware(told: &InstanceTypeInfo) -> Option<(SmolStr, Hardware)> {
    let ebs = told.ebs_info().and_then(|ebs| ebs.ebs_optimized_info());
    let ebs = ebs.and_then(|ebs| u64::try_from(ebs.baseline_bandwidth_in_mbps()?).ok());
    let network = told.network_info().map_or(0, network);
    let hardware = Hardware {
        arch: arch(told)?,
        vcpu: u32::try_from(told.v_cpu_info()?.default_v_cpus()?).ok()?,
        memory_mib: u64::try_from(told.memory_info()?.size_in_mib()?).ok()?,
        disks: disks(told),
        gpu: gpu(told),
        accelerator: accelerator(told),
        links: Links { network, ebs: ebs.unwrap_or(0) },
        spot: told.supported_usage_classes().contains(&UsageClassType::Spot),
    };
    Some((told.instance_type()?.as_str().into(), hardware))
}

/// A type and the place where it is sold.
pub(crate) fn place(told: &InstanceTypeOffering) -> Option<(SmolStr, SmolStr)> {
    Some((told.instance_type()?.as_str().into(), told.location()?.into()))
}

fn arch(told: &InstanceTypeInfo) -> Option<Arch> {
    let runs = told.processor_info()?.supported_architectures();
    match () {
        () if runs.contains(&ArchitectureType::X8664) => Some(Arch::X86),
        () if runs.contains(&ArchitectureType::Arm64) => Some(Arch::Arm64),
        () => None,
    }
}

/// The first kind of its disks: no type has two.
fn disks(told: &InstanceTypeInfo) -> Option<OwnDisks> {
    let disks = told.instance_storage_info()?.disks().first()?;
    Some(OwnDisks {
        count: u32::try_from(disks.count()?).ok()?,
        gb: u64::try_from(disks.size_in_gb()?).ok()?,
        ssd: disks.r#type() == Some(&DiskType::Ssd),
    })
}

fn gpu(told: &InstanceTypeInfo) -> Option<Devices> {
    let gpu = told.gpu_info()?.gpus().first()?;
    devices(gpu.count(), gpu.name())
}

/// EC2 tells some of them twice, in lists of each kind.
fn accelerator(told: &InstanceTypeInfo) -> Option<Devices> {
    let neuron = || {
        let found = told.neuron_info()?.neuron_devices().first()?;
        devices(found.count(), found.name())
    };
    let inference = || {
        let found = told.inference_accelerator_info()?.accelerators().first()?;
        devices(found.count(), found.name())
    };
    let fpga = || {
        let found = told.fpga_info()?.fpgas().first()?;
        devices(found.count(), found.name())
    };
    let media = || {
        let found = told.media_accelerator_info()?.accelerators().first()?;
        devices(found.count(), found.name())
    };
    neuron().or_else(inference).or_else(fpga).or_else(media)
}

/// As the catalogue writes names: in one word.
fn devices(count: Option<i32>, name: Option<&str>) -> Option<Devices> {
    let count = u32::try_from(count.unwrap_or(0)).ok()?;
    Some(Devices { count, name: name?.replace(' ', "_").into() })
}

/// What all its cards have at all times, in megabits per second, but never more than the label says of all
/// of them: EC2 tells the whole of some types for each card.
fn network(told: &NetworkInfo) -> u64 {
    let cards = told.network_cards().iter();
    let all: f64 = cards.filter_map(|card| card.baseline_bandwidth_in_gbps()).sum();
    let label = told.network_performance().and_then(fixed);
    let all = label.filter(|label| all > label + ROUNDED).unwrap_or(all);
    // What is less than nothing or more than there is comes to the nearest that fits.
    (all * 1000.0).round() as u64
}

/// What a label promises that names one figure, in gigabits per second: `200 Gigabit`, `4x 100 Gigabit`.
fn fixed(label: &str) -> Option<f64> {
    let figure = label.strip_suffix(" Gigabit")?;
    let (cards, each) = figure.split_once("x ").unwrap_or(("1", figure));
    Some(cards.parse::<f64>().ok()? * each.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_names_one_figure_is_a_limit() {
        for (label, gbps) in [
            ("200 Gigabit", Some(200.0)),
            ("12.5 Gigabit", Some(12.5)),
            ("4x 100 Gigabit", Some(400.0)),
            ("Up to 10 Gigabit", None),
            ("Moderate", None),
            ("", None),
        ] {
            assert_eq!(fixed(label), gbps, "{label}");
        }
    }
}
