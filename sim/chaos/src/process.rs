//! Processes of this run, however they were started: each has its mark in the environment.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Set for all that a run starts.
pub(crate) const MARK: &str = "FLEETLOG_CHAOS";
/// How long killed processes may take to be gone.
const GONE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

fn marked(pid: &str, mark: &str) -> bool {
    let environ = fs::read(Path::new("/proc").join(pid).join("environ")).unwrap_or_default();
    let wanted = format!("{MARK}={mark}");
    environ.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
}

/// All processes with this mark, each as its id and its command.
pub(crate) fn all(mark: &str) -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let own = std::process::id().to_string();
    let ours = names.filter(|pid| *pid != own && marked(pid, mark));
    ours.filter_map(|pid| {
        let line = fs::read(Path::new("/proc").join(&pid).join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        Some((pid.parse().ok()?, line.trim_end().to_owned()))
    })
    .collect()
}

/// Sends a signal to a process, if it has this mark.
pub(crate) fn signal(pid: i32, mark: &str, signal: Signal) -> bool {
    let there = Pid::from_raw(pid).filter(|_| marked(&pid.to_string(), mark));
    there.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// The process of an instance's agent, if it runs.
pub(crate) fn agent(dir: &Path, mark: &str) -> Option<i32> {
    let pid: i32 = fs::read_to_string(dir.join("pid")).ok()?.trim().parse().ok()?;
    marked(&pid.to_string(), mark).then_some(pid)
}

/// Kills all processes with this mark, and waits until they are gone.
pub(crate) fn end_all(mark: &str) {
    let since = Instant::now();
    loop {
        let left = all(mark);
        if left.is_empty() || since.elapsed() > GONE {
            return;
        }
        for (pid, _) in left {
            signal(pid, mark, Signal::KILL);
        }
        std::thread::sleep(POLL);
    }
}
