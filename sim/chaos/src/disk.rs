//! A small disk of its own under the instances: it can be filled, and emptied again.

use crate::net::tool;
use anyhow::Context as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Enough for the journals of as many instances as the policy allows.
const SIZE: &str = "size=128m";

pub(crate) struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts it.
    ///
    /// # Errors
    /// This process may not.
    pub(crate) fn mount(at: &Path) -> anyhow::Result<Disk> {
        fs::create_dir_all(at)?;
        let to = at.to_str().context("a path that is no text")?;
        tool(&["mount", "-t", "tmpfs", "-o", SIZE, "fleetlog-chaos", to])?;
        Ok(Disk { at: at.to_owned() })
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("BALLAST")
    }

    /// Takes all of the room that is left.
    ///
    /// # Errors
    /// It cannot be written to for another reason.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::create(self.ballast())?;
        // The last bytes one page at a time.
        for block in [vec![1; 1 << 20], vec![1; 4096]] {
            loop {
                match ballast.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Gives the room back.
    pub(crate) fn free(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    /// Whether it is mounted.
    pub(crate) fn there(&self) -> bool {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let at = self.at.display().to_string();
        mounts.lines().any(|line| line.split(' ').nth(1) == Some(at.as_str()))
    }

    /// Unmounts it. Does nothing if it is not mounted.
    pub(crate) fn unmount(&self) {
        if let Some(at) = self.at.to_str()
            && self.there()
        {
            let _ = tool(&["umount", at]).or_else(|_| tool(&["umount", "--lazy", at]));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}
