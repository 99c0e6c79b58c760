//! Where the output of execs is on the instance, and its digests.

use schema::event::LogDigest;
use schema::id::ExecId;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Which output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

/// The directory of all output.
pub(crate) fn dir(instance: &Path) -> PathBuf {
    instance.join("logs")
}

/// The file of one output of one exec.
pub(crate) fn file(instance: &Path, exec: &ExecId, output: Output) -> PathBuf {
    let suffix = match output {
        Output::Stdout => "stdout",
        Output::Stderr => "stderr",
    };
    dir(instance).join(format!("{exec}.{suffix}"))
}

/// Sizes and digests of what an exec wrote. Reads both files: off the async threads.
pub(crate) fn digest(stdout: &Path, stderr: &Path) -> LogDigest {
    let (stdout_bytes, stdout_blake3) = of(stdout).unwrap_or_default();
    let (stderr_bytes, stderr_blake3) = of(stderr).unwrap_or_default();
    LogDigest { stdout_bytes, stderr_bytes, stdout_blake3, stderr_blake3 }
}

fn of(path: &Path) -> io::Result<(u64, String)> {
    let mut hasher = blake3::Hasher::new();
    let bytes = io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok((bytes, hasher.finalize().to_hex().to_string()))
}
