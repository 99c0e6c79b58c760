//! Processes as the kernel shows them.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use schema::unit::Millis;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// What cannot be caught.
pub(super) const KILL: i32 = Signal::KILL.as_raw();
/// The kernel counts time in `/proc` in ticks of this.
const TICK_MS: u64 = 10;
/// Fields of `/proc/PID/stat`, counted from the one after the name.
const USER: usize = 11;
const TIMES: usize = 4;
const BORN: usize = 19;

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Sends a signal to a process and all that it started, if there is such a signal.
pub(super) fn signal_group(pid: u32, signal: i32) {
    if let (Some(pid), Some(signal)) = (pid_of(pid), Signal::from_named_raw(signal)) {
        let _ = kill_process_group(pid, signal);
    }
}

/// Waits until a child has ended, without reaping it: its id is not free before that.
pub(super) fn ended(pid: u32) {
    let Some(pid) = pid_of(pid) else { return };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
}

/// User and system time of a process and of the children that it has waited for.
pub(super) fn cpu(pid: u32) -> Millis {
    let ticks: u64 = (USER..USER + TIMES).filter_map(|field| stat(pid, field)).sum();
    Millis(ticks * TICK_MS)
}

/// When a process was started, in ticks since the machine was: no two with one id have the same.
pub(super) fn born(pid: u32) -> Option<u64> {
    stat(pid, BORN)
}

fn stat(pid: u32, field: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, parentheses and spaces too.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(field)?.parse().ok()
}

pub(super) fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
