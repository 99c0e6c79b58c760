//! The agent's loop: read what concerns this instance, fold it, do what is left to do. Nothing in it
//! waits for the log or for a runtime: a lease that has run out ends its execs whatever hangs.

use crate::agent::{AgentError, Options};
use crate::exec::{Desk, Heard};
use crate::logs::{self, Output};
use crate::runtime::{Runtime, Spec};
use crate::serve::Growing;
use agent_core::plan::Run;
use agent_core::{Action, Orders, plan};
use replay::author::{Author, AuthorError};
use replay::log::{ReadError, Reader};
use schema::codec;
use schema::event::{
    AllocClosed, AllocOpened, Event, ExecConfig, ExecFailed, InstanceBooted, InstanceStopping,
    Interruption, InterruptionNoticed,
};
use schema::id::{ClusterId, ExecId};
use schema::resources::{Dimension, Shortage, show_bytes, show_cpu};
use schema::unit::{Millis, Seq};
use schema::why::FailureClass;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

const TICK: Duration = Duration::from_millis(100);
/// How long an agent that goes tries to bring its last records onto the log.
const LINGER: Duration = Duration::from_secs(10);
/// SIGKILL is sent again after this long to what is still there.
const AGAIN: Duration = Duration::from_secs(1);
const KILL: i32 = 9;

type Done = Result<(), AuthorError>;

/// An agent that is up.
pub(crate) struct Turn {
    options: Options,
    orders: Orders,
    desk: Desk,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// Own events of the loop, which are written in order without making it wait.
    own: mpsc::UnboundedSender<(Event, Seq)>,
    reader: Box<dyn Reader>,
    growing: Growing,
    contact: watch::Receiver<Instant>,
    /// Execs that are seen to, until their ends are written down.
    running: BTreeSet<ExecId>,
    signalled: BTreeMap<ExecId, (i32, Instant)>,
    /// All that goes on beside the loop; it ends with the loop.
    tasks: JoinSet<Done>,
}

/// Reads to the end of what the log holds for this instance.
pub(crate) async fn catch_up(
    reader: &mut dyn Reader,
    cluster: &ClusterId,
    orders: &mut Orders,
) -> Result<(), ReadError> {
    loop {
        let batch = reader.next_batch(TICK).await?;
        fold(cluster, orders, &batch.records);
        if batch.pending == 0 {
            return Ok(());
        }
    }
}

fn fold(cluster: &ClusterId, orders: &mut Orders, records: &[replay::log::Stored]) {
    for stored in records {
        match codec::decode_at(cluster, &stored.subject, &stored.payload) {
            Some(record) => orders.apply(stored.seq, &record),
            None => {
                tracing::warn!(seq = %stored.seq, "a record that is none was skipped");
                orders.skip();
            }
        }
    }
}

/// Writes in order what the loop has to say, and returns when all of it has landed, and all that an
/// earlier life left behind.
async fn forward(author: Author, mut own: mpsc::UnboundedReceiver<(Event, Seq)>) -> Done {
    while let Some((event, cause)) = own.recv().await {
        author.post(event, cause).await?;
    }
    author.landed().await
}

fn done(ended: Result<Done, JoinError>) -> Done {
    match ended {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Ok(()),
    }
}

impl Turn {
    pub(crate) fn new(
        options: Options,
        orders: Orders,
        desk: Desk,
        heard: mpsc::UnboundedReceiver<Heard>,
        reader: Box<dyn Reader>,
        growing: Growing,
        contact: watch::Receiver<Instant>,
    ) -> Turn {
        let (own, inbox) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(desk.author.clone(), inbox));
        Turn {
            options,
            orders,
            desk,
            heard,
            own,
            reader,
            growing,
            contact,
            running: BTreeSet::new(),
            signalled: BTreeMap::new(),
            tasks,
        }
    }

    /// Clears away what an earlier life left behind, and says that the instance is up.
    pub(crate) async fn boot(&mut self, booted: InstanceBooted) {
        for runtime in &self.options.runtimes {
            for exec in runtime.known(&self.options.instance).await {
                // Its end is on the log or in the outbox, or its alloc is gone.
                if !self.orders.begun(&exec) {
                    runtime.kill(&exec, KILL).await;
                    runtime.forget(&exec).await;
                }
            }
        }
        if !self.orders.stop {
            self.write(booted, Seq(0));
        }
    }

    /// Does what is ordered until told to go.
    pub(crate) async fn run(
        &mut self,
        stop: impl Future<Output = String> + Send,
    ) -> Result<(), AgentError> {
        let mut stop = Box::pin(stop);
        let mut stopping = false;
        loop {
            self.act();
            let idle = self.orders.allocs.is_empty() && self.orders.execs.is_empty();
            if self.orders.stop && idle && self.running.is_empty() {
                return self.leave().await;
            }
            let interruption = &mut self.options.interruption;
            tokio::select! {
                batch = self.reader.next_batch(TICK) => {
                    fold(&self.options.cluster, &mut self.orders, &batch?.records);
                }
                Some(heard) = self.heard.recv() => self.hear(heard),
                Some(ended) = self.tasks.join_next() => done(ended)?,
                Ok(()) = interruption.changed() => {
                    let left = *interruption.borrow_and_update();
                    left.into_iter().for_each(|left| self.interrupted(left));
                }
                reason = &mut stop, if !stopping => {
                    stopping = true;
                    self.orders.stop = true;
                    let instance = self.options.instance.clone();
                    self.write(InstanceStopping { instance, reason }, Seq(0));
                }
            }
        }
    }

    /// Takes in all that the execs have said, in the order in which they said it.
    fn hear(&mut self, first: Heard) {
        let mut next = Some(first);
        while let Some(heard) = next {
            match heard {
                Heard::Wrote(event) => self.orders.follow(&event),
                Heard::Ended(exec) => self.settle(&exec),
            }
            next = self.heard.try_recv().ok();
        }
    }

    fn settle(&mut self, exec: &ExecId) {
        self.running.remove(exec);
        self.signalled.remove(exec);
        self.growing.send_modify(|growing| {
            growing.remove(exec);
        });
    }

    /// Brings what was said onto the log, and what has landed out of the runtimes.
    async fn leave(&mut self) -> Result<(), AgentError> {
        self.own = mpsc::unbounded_channel().0;
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                done(ended)?;
            }
            Ok(())
        };
        let left = tokio::time::timeout(LINGER, all).await.unwrap_or_else(|_| {
            tracing::warn!("the log is out of reach: the last records are in the journal");
            Ok(())
        });
        left.map_err(AgentError::Write)
    }

    /// Writes an own event down; it has happened, whenever it lands.
    fn write(&mut self, event: impl Into<Event>, cause: Seq) {
        let event = event.into();
        self.orders.follow(&event);
        // Nobody takes it once the author has stopped, which ends the loop by itself.
        let _ = self.own.send((event, cause));
    }

    fn interrupted(&mut self, left: Millis) {
        let instance = self.options.instance.clone();
        let interruption = Interruption::Spot;
        self.write(InterruptionNoticed { instance, interruption, left }, Seq(0));
    }

    fn act(&mut self) {
        let cut_off = Millis::of(self.contact.borrow().elapsed());
        self.orders.lapse(cut_off, self.options.grace);
        for action in plan(&self.orders, &self.running) {
            let instance = self.options.instance.clone();
            match action {
                Action::Open(alloc, driver, cause) => {
                    self.write(AllocOpened { alloc, driver, instance }, cause);
                }
                Action::Close(alloc, driver, cause) => {
                    self.write(AllocClosed { alloc, driver, instance }, cause);
                }
                Action::Run(run) => self.start(*run),
                Action::Kill(exec, signal) => self.kill(exec, signal),
                Action::Refuse(run, class) => self.refuse(*run, class),
            }
        }
    }

    fn start(&mut self, run: Run) {
        let Some(runtime) = self.runtime_for(&run.config) else {
            return self.refuse(run, FailureClass::NoRuntime);
        };
        self.running.insert(run.exec.clone());
        self.growing.send_modify(|growing| {
            growing.insert(run.exec.clone());
        });
        let spec = Spec {
            instance: self.options.instance.clone(),
            exec: run.exec.clone(),
            alloc: run.alloc.clone(),
            config: run.config.clone(),
            limits: run.limits.clone(),
            stdout: logs::file(&self.options.dir, &run.exec, Output::Stdout),
            stderr: logs::file(&self.options.dir, &run.exec, Output::Stderr),
        };
        self.tasks.spawn(self.desk.clone().run(run, spec, runtime));
    }

    fn runtime_for(&self, config: &ExecConfig) -> Option<Arc<dyn Runtime>> {
        let wanted = if config.image.is_some() { "docker" } else { "process" };
        self.options.runtimes.iter().find(|runtime| runtime.name() == wanted).cloned()
    }

    fn refuse(&mut self, run: Run, class: FailureClass) {
        let message = format!("{} was not run in {}: {}", run.exec, run.alloc, because(&class));
        let instance = self.options.instance.clone();
        let Run { exec, alloc, driver, cause, .. } = run;
        self.write(ExecFailed { exec, alloc, driver, instance, class, message }, cause);
    }

    fn kill(&mut self, exec: ExecId, signal: i32) {
        let due = |(last, at): &(i32, Instant)| {
            *last != signal || (signal == KILL && at.elapsed() > AGAIN)
        };
        if !self.running.contains(&exec) || !self.signalled.get(&exec).is_none_or(due) {
            return;
        }
        let order = self.orders.execs.get(&exec);
        let Some(runtime) = order.and_then(|order| self.runtime_for(&order.config)) else { return };
        self.signalled.insert(exec.clone(), (signal, Instant::now()));
        self.tasks.spawn(async move {
            runtime.kill(&exec, signal).await;
            Ok(())
        });
    }
}

fn because(class: &FailureClass) -> String {
    match class {
        FailureClass::AllocEnded => "the alloc is not open here".into(),
        FailureClass::NoRuntime => "this instance has no runtime for it".into(),
        FailureClass::TooLarge { shortage: Shortage { dimension, asked, available } } => {
            let amount = |amount| match dimension {
                Dimension::Cpu => show_cpu(amount),
                Dimension::Memory | Dimension::Disk => show_bytes(amount),
                Dimension::Feature(_) => amount.to_string(),
            };
            let (asked, available) = (amount(*asked), amount(*available));
            format!("it asks for {dimension} {asked}, and the alloc has {available}")
        }
        _ => "it cannot be run here".into(),
    }
}
