//! What a driver of a run does, as a process of its own: it takes allocs, runs execs in them, and waits
//! for each to end. Killed and started again under its id, it goes on with what it finds on the log.
//!
//! An exec writes its id into the file of truths when it starts, whatever the log says; with which code
//! it will end follows from its id.

use anyhow::Context as _;
use clap::Args;
use driver::{Alloc, AllocOptions, AllocView, Driver, DriverError, Exec, ExecEnd, JoinOptions};
use schema::event::ExecConfig;
use schema::id::{AllocId, ClusterId, DriverId, ExecId};
use schema::requirements::Requirements;
use schema::resources::Resources;
use schema::unit::Millis;
use sim::Rng;
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

/// Allocs that a driver wants to have at a time.
const ALLOCS: usize = 2;
const LEASE: Millis = Millis::from_secs(30);
/// Amounts of cpu that are asked for, in millicores.
const CPU: [u64; 3] = [300, 500, 900];

/// Drive the cluster of a run
#[derive(Debug, Clone, Args)]
pub(crate) struct DriverArgs {
    /// Where its log is
    #[arg(long)]
    log: String,
    /// Under which id
    #[arg(long)]
    driver: String,
    /// Directory with the file of truths, what drivers heard, and the word to stop
    #[arg(long)]
    dir: PathBuf,
}

/// Where execs write their ids when they start.
pub(crate) fn truths(dir: &Path) -> PathBuf {
    dir.join("truths")
}

/// Where drivers write how they heard that an exec has ended.
pub(crate) fn heard(dir: &Path) -> PathBuf {
    dir.join("heard")
}

/// There once drivers are to finish what they began, and leave.
pub(crate) fn stop(dir: &Path) -> PathBuf {
    dir.join("stop")
}

/// With which code an exec ends, if it is left to end by itself.
pub(crate) fn code_of(exec: &ExecId) -> i32 {
    let sum: u32 = exec.as_str().bytes().map(u32::from).sum();
    i32::try_from(sum % 100).unwrap_or(0)
}

struct Work {
    driver: Driver,
    dir: PathBuf,
    /// Allocs of an earlier life that are not over.
    left: Mutex<VecDeque<AllocId>>,
}

pub(crate) async fn run(args: DriverArgs) -> anyhow::Result<()> {
    let cluster = ClusterId::new(crate::world::CLUSTER)?;
    let (log, _) = replay::log::open(&args.log, &cluster, false).await?;
    let id = DriverId::new(args.driver)?;
    let driver = Driver::join(JoinOptions { cluster, log, driver: id, lease: LEASE }).await?;
    let open = |view: &AllocView| matches!(view, AllocView::Waiting(_) | AllocView::Granted(_));
    let left = driver.allocs().into_iter().filter(|(_, view)| open(view)).map(|(id, _)| id);
    let left = Mutex::new(left.collect());
    let work = Arc::new(Work { driver: driver.clone(), dir: args.dir, left });
    let mut workers = JoinSet::new();
    for _ in 0..ALLOCS {
        workers.spawn(work.clone().work());
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    driver.leave().await.context("cannot leave")
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::of(since).0
}

fn entropy() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

impl Work {
    async fn work(self: Arc<Work>) -> anyhow::Result<()> {
        let mut rng = Rng::new(entropy());
        loop {
            let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let stopping = stop(&self.dir).exists();
            let alloc = match left {
                Some(left) => self.driver.attach(&left).await,
                None if stopping => return Ok(()),
                None => self.ask(&mut rng).await,
            };
            let alloc = match alloc {
                Err(DriverError::Over(_)) => continue,
                alloc => alloc.context("cannot have an alloc")?,
            };
            self.resume(&alloc).await?;
            for _ in 0..rng.between(1, 6) {
                if stop(&self.dir).exists() || !self.batch(&alloc, &mut rng).await? {
                    break;
                }
            }
            alloc.free().await.context("cannot free")?;
        }
    }

    async fn ask(&self, rng: &mut Rng) -> Result<Alloc, DriverError> {
        let cpu = CPU[usize::try_from(rng.below(CPU.len() as u64)).unwrap_or(0)];
        let need = Resources { cpu, memory: 64 << 20, ..Resources::default() };
        let options = AllocOptions::new(Requirements::exactly(need));
        self.driver.alloc(options).await?.granted().await
    }

    /// Waits for what an earlier life has left running there.
    async fn resume(&self, alloc: &Alloc) -> anyhow::Result<()> {
        for (id, view) in self.driver.execs() {
            if view.alloc == *alloc.id() && view.end.is_none() {
                self.hear(self.driver.exec(&id)?).await?;
            }
        }
        Ok(())
    }

    /// Runs a few execs at a time; says whether the alloc is still there then.
    async fn batch(&self, alloc: &Alloc, rng: &mut Rng) -> anyhow::Result<bool> {
        let mut execs = Vec::new();
        for _ in 0..rng.between(1, 4) {
            let id = ExecId::made(now_ms(), entropy());
            match alloc.exec_as(id.clone(), self.config(&id, rng)).await {
                Ok(exec) => execs.push(exec),
                Err(DriverError::Over(_)) => break,
                Err(error) => return Err(error.into()),
            }
        }
        for exec in execs {
            self.hear(exec).await?;
        }
        Ok(!matches!(*alloc.progress().borrow(), AllocView::Over(_)))
    }

    fn config(&self, id: &ExecId, rng: &mut Rng) -> ExecConfig {
        let (truths, code) = (truths(&self.dir), code_of(id));
        // Some outlast what goes wrong meanwhile.
        let millis = if rng.chance(100) { rng.between(8000, 15_000) } else { rng.below(3000) };
        let (seconds, rest) = (millis / 1000, millis % 1000);
        let truths = truths.display();
        let script = format!("echo {id} >> '{truths}'; sleep {seconds}.{rest:03}; exit {code}");
        ExecConfig { command: vec!["sh".into(), "-c".into(), script], ..ExecConfig::default() }
    }

    /// Waits for an end, and writes down what was heard of it.
    async fn hear(&self, exec: Exec) -> anyhow::Result<()> {
        let (end, _) = exec.wait().await.context("cannot wait for an exec")?;
        if let ExecEnd::Exited { code, .. } = end {
            let mut file = OpenOptions::new().create(true).append(true).open(heard(&self.dir))?;
            // One write: lines of several drivers do not mix.
            file.write_all(format!("{} {code}\n", exec.id()).as_bytes())?;
        }
        Ok(())
    }
}
