//! What the kernel of this machine says of kills for memory. Its log is a ring that everybody reads for
//! himself: from where the machine was started, as far as that is still there, so that what happened while
//! no agent ran is found too.

use agent_core::oom::{Kill, Kills, Own};
use rustix::fs::OFlags;
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const LOG: &str = "/dev/kmsg";
/// A record is no longer than this, in bytes.
const LONGEST: usize = 16 << 10;
/// So many kills are remembered.
const MOST: usize = 4096;

/// The kernel's log, as far as it is about kills for memory.
pub struct Kernel {
    read: Mutex<Option<Log>>,
}

struct Log {
    file: File,
    kills: Kills,
    seen: VecDeque<Kill>,
}

impl Kernel {
    /// Opens the log of this machine. Where it cannot be read, nothing is known of it.
    #[must_use]
    pub fn here() -> Kernel {
        Kernel::at(Path::new(LOG))
    }

    fn at(path: &Path) -> Kernel {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let read = match opened {
            Ok(file) => Some(Log { file, kills: Kills::default(), seen: VecDeque::new() }),
            Err(error) => {
                tracing::info!(%error, path = %path.display(), "cannot read what the kernel says");
                None
            }
        };
        Kernel { read: Mutex::new(read) }
    }

    /// All that is known by now of kills of this exec; none where the log cannot be read, or where what it said
    /// while the exec ran has been overwritten.
    pub fn kills(&self, own: &Own) -> Option<Vec<Kill>> {
        let mut read = self.lock();
        let log = read.as_mut()?;
        if let Err(error) = log.catch_up() {
            tracing::warn!(%error, "cannot read what the kernel says any more");
            *read = None;
            return None;
        }
        let kills: Vec<Kill> = log.seen.iter().filter(|kill| own.is(kill)).cloned().collect();
        let whole = log.kills.whole_since() <= own.ran.0;
        (whole || !kills.is_empty()).then_some(kills)
    }

    /// Microseconds since the machine was started, as the kernel's log has them.
    pub(crate) fn now() -> u64 {
        let now = clock_gettime(ClockId::Monotonic);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
        seconds.unwrap_or(0).saturating_mul(1_000_000).saturating_add(nanos.unwrap_or(0) / 1000)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Log>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn catch_up(&mut self) -> io::Result<()> {
        let mut record = [0; LONGEST];
        loop {
            let length = match self.file.read(&mut record) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What came next has been overwritten: it goes on with the oldest that there is.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => continue,
                Err(error) => return Err(error),
            };
            let Some(kill) = self.kills.record(&record[..length]) else { continue };
            if self.seen.len() == MOST {
                self.seen.pop_front();
            }
            self.seen.push_back(kill);
        }
    }
}
