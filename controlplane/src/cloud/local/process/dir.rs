//! The directory of one instance that is hosted as a process: what is kept of it, and who holds it.
//!
//! ```text
//! birth.json    what it was born as; the first to write it is believed
//! lock          held (flock) by its agent for as long as that lives
//! pid           of the agent; there from its first start on
//! interruption  milliseconds left, once its end has been announced
//! ended         this cloud ended it, or has seen it gone: no agent starts here any more; with the
//!               reason in it if none ever could be started
//! agent.log     what the agent says on stdout and stderr
//! ```
//!
//! Whoever ends an instance marks it first and looks at the lock then; an agent takes the lock first
//! and looks for the mark then. So one of the two always sees the other.

use super::super::Birth;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};
use schema::unit::Millis;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long an agent tries to get its lock: whoever looks whether it lives shares it for a moment.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(2);

/// What can be seen of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It was never born whole.
    Unborn,
    /// No agent has come up yet. That none ever will is for the boot timeout to say.
    Coming,
    /// Its agent runs.
    Up,
    /// Its agent has died, and nobody had asked for that.
    Dead,
    /// It was ended, and its agent runs no more.
    Ended,
}

/// Takes the lock of an instance's directory for this process, and says whose it is. The agent keeps
/// the file for as long as it lives. Blocks for a second at most.
///
/// # Errors
/// Another agent holds it, the instance has been ended, or the directory cannot be used.
pub fn hold(dir: &Path) -> io::Result<File> {
    fs::create_dir_all(dir)?;
    let lock =
        OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"))?;
    let since = Instant::now();
    while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        if error != Errno::WOULDBLOCK {
            return Err(error.into());
        }
        if since.elapsed() > PATIENCE {
            let message = format!("another agent runs in {}", dir.display());
            return Err(io::Error::new(io::ErrorKind::WouldBlock, message));
        }
        std::thread::sleep(POLL);
    }
    if ended(dir)? {
        return Err(io::Error::other(format!("the instance in {} has been ended", dir.display())));
    }
    replace(dir, "pid", std::process::id().to_string().as_bytes())?;
    Ok(lock)
}

/// What the instance in this directory was born as.
///
/// # Errors
/// It cannot be read.
pub fn birth(dir: &Path) -> io::Result<Birth> {
    serde_json::from_slice(&fs::read(dir.join("birth.json"))?).map_err(io::Error::other)
}

/// How long the instance has left, if its end has been announced.
#[must_use]
pub fn interruption(dir: &Path) -> Option<Millis> {
    fs::read_to_string(dir.join("interruption")).ok()?.trim().parse().ok().map(Millis)
}

/// Writes down what an instance is to be, unless that stands already; returns what stands.
pub(super) fn born(dir: &Path, wanted: &Birth) -> io::Result<Birth> {
    fs::create_dir_all(dir)?;
    if !dir.join("birth.json").try_exists()? {
        let text = serde_json::to_vec(wanted).map_err(io::Error::other)?;
        let draft = dir.join(draft_name("birth.json"));
        fs::write(&draft, text)?;
        // A link, unlike a rename, never replaces: of two controllers, the first is believed.
        let linked = fs::hard_link(&draft, dir.join("birth.json"));
        fs::remove_file(&draft)?;
        linked
            .or_else(|e| if e.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(e) })?;
    }
    birth(dir)
}

/// What can be seen of the instance now. An error says nothing about it either way.
pub(super) fn life(dir: &Path) -> io::Result<Life> {
    if !dir.join("birth.json").try_exists()? {
        return Ok(Life::Unborn);
    }
    // Looked at in this order: an agent writes its id after it has taken the lock, so one that had an
    // id before and has no lock after has died.
    let has_run = dir.join("pid").try_exists()?;
    Ok(match (alive(dir)?, ended(dir)?) {
        (true, _) => Life::Up,
        (false, true) => Life::Ended,
        (false, false) if has_run => Life::Dead,
        (false, false) => Life::Coming,
    })
}

/// Whether an agent holds the directory. Only shares the lock, so that two who look at once do not
/// take each other for the agent.
pub(super) fn alive(dir: &Path) -> io::Result<bool> {
    let lock = match File::open(dir.join("lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Marks the instance as ended.
pub(super) fn end(dir: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(dir.join("ended")).map(drop)
}

/// Removes all that an ended instance has left, but for what says that it was and is no more.
///
/// # Errors
/// Something cannot be removed.
pub fn strip(dir: &Path) -> io::Result<()> {
    const KEPT: [&str; 4] = ["birth.json", "ended", "lock", "pid"];
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if KEPT.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Marks the instance as one that no agent can be started for.
pub(super) fn refuse(dir: &Path, reason: &str) -> io::Result<()> {
    replace(dir, "ended", reason.as_bytes())
}

/// Why no agent could be started, if that is how the instance ended.
pub(super) fn refusal(dir: &Path) -> io::Result<Option<String>> {
    let reason = fs::read_to_string(dir.join("ended"))?;
    Ok(Some(reason).filter(|reason| !reason.is_empty()))
}

/// The last bytes of what the agent said, so many at most.
pub(super) fn said(dir: &Path, most: usize) -> io::Result<Vec<u8>> {
    let path = dir.join("agent.log");
    // Whatever else stands there may never end.
    if !fs::metadata(&path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "agent.log is no file"));
    }
    let mut file = File::open(path)?;
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let from = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut said = Vec::new();
    file.take(most).read_to_end(&mut said)?;
    Ok(said)
}

fn ended(dir: &Path) -> io::Result<bool> {
    dir.join("ended").try_exists()
}

/// Tells the instance that it will be taken away.
pub(super) fn announce(dir: &Path, left: Millis) -> io::Result<()> {
    replace(dir, "interruption", left.to_string().as_bytes())
}

/// Signals the agent, and the processes of its group where it leads one. Only while it holds its
/// lock: a process id alone may be another's by now.
pub(super) fn signal(dir: &Path, signal: Signal) -> io::Result<()> {
    let text = match fs::read_to_string(dir.join("pid")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else { return Ok(()) };
    if !alive(dir)? {
        return Ok(());
    }
    let leads = getpgid(Some(pid)).is_ok_and(|group| group == pid);
    let sent = if leads { kill_process_group(pid, signal) } else { kill_process(pid, signal) };
    sent.or_else(|e| if e == Errno::SRCH { Ok(()) } else { Err(e.into()) })
}

fn replace(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let draft = dir.join(draft_name(name));
    fs::write(&draft, content)?;
    fs::rename(draft, dir.join(name))
}

/// A name that no other writer uses.
fn draft_name(name: &str) -> String {
    format!("{name}.{}", uuid::Uuid::now_v7().simple())
}
