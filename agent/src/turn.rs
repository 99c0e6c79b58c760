//! The agent's loop: journal, log, runtimes and clock around the pure [core](agent_core::agent), which
//! says what is to be done. Nothing in it waits for the log or for a runtime: a lease that has run out
//! ends its execs whatever hangs.

use crate::agent::{AgentError, Options};
use crate::exec::{How, see};
use crate::logs::{self, Output};
use crate::runtime::{Runtime, Spec};
use crate::serve::Growing;
use agent_core::agent::{Agent as Core, Do};
use agent_core::exec::{KILL, Said};
use agent_core::plan::Run;
use replay::author::{Author, AuthorError};
use replay::log::{Batch, ReadError, Reader};
use schema::event::{Event, InstanceBooted};
use schema::id::ExecId;
use schema::unit::{Millis, Seq};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

const TICK: Duration = Duration::from_millis(100);
/// How long an agent that comes up waits at first for what names its instance: mostly there is nothing yet.
const FIRST: Duration = Duration::from_millis(5);
/// How long an agent that goes waits for what its runtimes still have to do.
const LAST: Duration = Duration::from_secs(1);

type Done = Result<(), AuthorError>;
type Landing = oneshot::Receiver<Result<Seq, AuthorError>>;

/// What the world tells the agent, in order.
pub(crate) enum Heard {
    /// What a runtime says of an exec.
    Exec(ExecId, Said),
    /// So many more records have landed.
    Landed(u64),
}

/// This process's monotonic clock.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    pub(crate) fn now(self) -> Millis {
        Millis::of(self.0.elapsed())
    }

    fn at(self, instant: Instant) -> Millis {
        Millis::of(instant.duration_since(self.0))
    }
}

/// What an agent that comes up has found.
pub(crate) struct Found {
    pub(crate) clock: Clock,
    pub(crate) core: Core,
    pub(crate) author: Author,
    /// How many records an earlier life left behind.
    pub(crate) unsent: u64,
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) growing: Growing,
    pub(crate) contact: watch::Receiver<Instant>,
}

/// An agent that is up.
pub(crate) struct Turn {
    options: Options,
    clock: Clock,
    core: Core,
    tell: mpsc::UnboundedSender<Heard>,
    heard: mpsc::UnboundedReceiver<Heard>,
    own: mpsc::UnboundedSender<(Event, Seq)>,
    reader: Box<dyn Reader>,
    growing: Growing,
    contact: watch::Receiver<Instant>,
    /// What each exec runs in, from its start until it is forgotten.
    running: BTreeMap<ExecId, Arc<dyn Runtime>>,
    /// All that goes on beside the loop; it ends with the loop.
    tasks: JoinSet<Done>,
}

/// Reads to the end of what the log holds for this instance.
pub(crate) async fn catch_up(reader: &mut dyn Reader, core: &mut Core) -> Result<(), ReadError> {
    let mut wait = FIRST;
    loop {
        let batch = reader.next_batch(wait).await?;
        wait = TICK.min(wait * 2);
        fold(core, &batch);
        if batch.pending == 0 {
            return Ok(());
        }
    }
}

fn fold(core: &mut Core, batch: &Batch) {
    for stored in &batch.records {
        if !core.fold(stored.seq, &stored.subject, &stored.payload) {
            tracing::warn!(seq = %stored.seq, "a record that is none was skipped");
        }
    }
}

/// Writes in order, and tells what has landed: first what an earlier life left behind.
async fn write(
    author: Author,
    unsent: u64,
    mut own: mpsc::UnboundedReceiver<(Event, Seq)>,
    tell: mpsc::UnboundedSender<Heard>,
) -> Done {
    let (sent, landings) = mpsc::unbounded_channel();
    let posting = async {
        while let Some((event, cause)) = own.recv().await {
            let _ = sent.send(author.post(event, cause).await?);
        }
        drop(sent);
        Ok(())
    };
    tokio::try_join!(biased; land(&author, unsent, landings, tell), posting).map(drop)
}

async fn land(
    author: &Author,
    unsent: u64,
    mut landings: mpsc::UnboundedReceiver<Landing>,
    tell: mpsc::UnboundedSender<Heard>,
) -> Done {
    author.landed().await?;
    let _ = tell.send(Heard::Landed(unsent));
    while let Some(landing) = landings.recv().await {
        landing.await.unwrap_or(Err(AuthorError::Stopped))?;
        let _ = tell.send(Heard::Landed(1));
    }
    Ok(())
}

fn done(ended: Result<Done, JoinError>) -> Done {
    match ended {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Ok(()),
    }
}

impl Turn {
    pub(crate) fn new(options: Options, found: Found) -> Turn {
        let Found { clock, core, author, unsent, reader, growing, contact } = found;
        let (tell, heard) = mpsc::unbounded_channel();
        let (own, inbox) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(write(author, unsent, inbox, tell.clone()));
        let running = BTreeMap::new();
        Turn { options, clock, core, tell, heard, own, reader, growing, contact, running, tasks }
    }

    /// Clears away what an earlier life left behind, and says that the instance is up.
    pub(crate) async fn boot(&mut self, booted: InstanceBooted, word: (Uuid, u64)) {
        for runtime in &self.options.runtimes {
            let known = runtime.known(&self.options.instance).await;
            for exec in self.core.known(known) {
                runtime.kill(&exec, KILL).await;
                runtime.forget(&exec).await;
            }
        }
        self.core.boot(booted, word);
    }

    /// Does what is ordered until told to go.
    pub(crate) async fn run(
        &mut self,
        stop: impl Future<Output = String> + Send,
    ) -> Result<(), AgentError> {
        let mut stop = Box::pin(stop);
        let mut stopping = false;
        loop {
            self.core.contact(self.clock.at(*self.contact.borrow()));
            for wanted in self.core.step(self.clock.now()) {
                match wanted {
                    Do::Leave(unlanded) => return self.leave(unlanded).await,
                    Do::Joined => self.joined()?,
                    wanted => self.have(wanted),
                }
            }
            let interruption = &mut self.options.interruption;
            tokio::select! {
                batch = self.reader.next_batch(TICK) => fold(&mut self.core, &batch?),
                Some(first) = self.heard.recv() => {
                    let mut next = Some(first);
                    while let Some(heard) = next {
                        self.hear(heard);
                        next = self.heard.try_recv().ok();
                    }
                }
                Some(ended) = self.tasks.join_next() => done(ended)?,
                Ok(()) = interruption.changed() => {
                    let notice = *interruption.borrow_and_update();
                    notice.into_iter().for_each(|(what, left)| self.core.interrupted(what, left));
                }
                reason = &mut stop, if !stopping => {
                    stopping = true;
                    self.core.stop(reason);
                }
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Landed(more) => self.core.landed(more),
            Heard::Exec(exec, said) => {
                if matches!(said, Said::Ended(..) | Said::Failed(_)) {
                    self.growing.send_modify(|growing| {
                        growing.remove(&exec);
                    });
                }
                self.core.heard(self.clock.now(), &exec, said);
            }
        }
    }

    fn have(&mut self, wanted: Do) {
        match wanted {
            Do::Write(event, cause) => {
                // Nobody takes it once the author has stopped, which ends the loop by itself.
                let _ = self.own.send((*event, cause));
            }
            Do::Start(run) => self.see(*run, How::Start),
            Do::Find(run) => self.see(*run, How::Find),
            Do::Signal(exec, signal) => {
                let Some(runtime) = self.running.get(&exec).cloned() else { return };
                self.tasks.spawn(async move {
                    runtime.kill(&exec, signal).await;
                    Ok(())
                });
            }
            Do::Forget(exec) => self.forget(exec),
            Do::Joined | Do::Leave(_) => {}
        }
    }

    fn forget(&mut self, exec: ExecId) {
        let runtimes = match self.running.remove(&exec) {
            Some(runtime) => vec![runtime],
            // It ended in an earlier life, and which runtime it had is not written in its end.
            None => self.options.runtimes.clone(),
        };
        self.tasks.spawn(async move {
            for runtime in runtimes {
                runtime.forget(&exec).await;
            }
            Ok(())
        });
    }

    /// Makes the file that whoever started this agent waits for.
    fn joined(&self) -> Result<(), AgentError> {
        let Some(file) = &self.options.joined else { return Ok(()) };
        let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        let made = made.and_then(|()| std::fs::write(file, []));
        made.map_err(|source| AgentError::Local { what: file.display().to_string(), source })
    }

    fn see(&mut self, run: Run, how: How) {
        let mut runtimes = self.options.runtimes.iter();
        // The core asks only for what there is.
        let Some(runtime) = runtimes.find(|r| r.name() == run.runtime()).cloned() else { return };
        self.running.insert(run.exec.clone(), runtime.clone());
        self.growing.send_modify(|growing| {
            growing.insert(run.exec.clone());
        });
        let spec = Spec {
            instance: self.options.instance.clone(),
            stdout: logs::file(&self.options.dir, &run.exec, Output::Stdout),
            stderr: logs::file(&self.options.dir, &run.exec, Output::Stderr),
            exec: run.exec,
            alloc: run.alloc,
            config: run.config,
            limits: run.limits,
        };
        let seen = see(spec, how, runtime, self.tell.clone());
        self.tasks.spawn(async move {
            seen.await;
            Ok(())
        });
    }

    /// Lets runtimes do what they were told last.
    async fn leave(&mut self, unlanded: u64) -> Result<(), AgentError> {
        if unlanded > 0 {
            tracing::warn!(
                unlanded,
                "the log is out of reach: the last records are in the journal"
            );
        }
        self.own = mpsc::unbounded_channel().0;
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                done(ended)?;
            }
            Ok(())
        };
        tokio::time::timeout(LAST, all).await.unwrap_or(Ok(())).map_err(AgentError::Write)
    }
}
