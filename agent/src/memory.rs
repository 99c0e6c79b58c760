//! How much memory the machine has for allocs: what the operating system finds, less what is kept for it and
//! for the agent.

use std::fs;

/// In percent, kept for the operating system and the agent.
const KEPT: u64 = 5;

/// Bytes that allocs can use on this machine; none if that cannot be told.
#[must_use]
pub fn usable() -> Option<u64> {
    total(&fs::read_to_string("/proc/meminfo").ok()?).map(less_what_is_kept)
}

fn less_what_is_kept(total: u64) -> u64 {
    total / 100 * (100 - KEPT)
}

/// Bytes of memory that the kernel found.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024).filter(|total| *total > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_for_the_system_and_the_agent() {
        assert_eq!(less_what_is_kept(8 << 30), (8 << 30) / 100 * 95);
        assert_eq!(less_what_is_kept(u64::MAX), u64::MAX / 100 * 95);
    }

    #[test]
    fn what_the_kernel_found_is_read() {
        let text = "MemTotal:        7865344 kB\nMemFree:         1048576 kB\n";
        assert_eq!(total(text), Some(7_865_344 * 1024));
        for wrong in
            ["", "MemFree: 1 kB\n", "MemTotal: x kB\n", "MemTotal: 1 MB\n", "MemTotal: 0 kB\n"]
        {
            assert_eq!(total(wrong), None, "{wrong}");
        }
        assert!(usable().is_some_and(|bytes| bytes > 1 << 20), "this machine has some");
    }
}
