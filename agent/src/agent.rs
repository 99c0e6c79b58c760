//! The agent's loop: read what concerns this instance, fold it, do what is left to do.

use crate::exec::Desk;
use crate::journal::Journal;
use crate::logs::{self, Output};
use crate::runtime::{Runtime, Spec};
use crate::serve::{self, Growing};
use agent_core::plan::Run;
use agent_core::{Action, Orders, plan};
use bytes::Bytes;
use replay::author::{Author, AuthorError};
use replay::log::{Log, ReadError, Reader, Telemetry};
use schema::codec;
use schema::event::{
    AllocClosed, AllocOpened, Event, InstanceBooted, Interruption, InterruptionNoticed,
};
use schema::id::{AuthorId, ClusterId, ExecId, InstanceId, LaunchId};
use schema::resources::Resources;
use schema::subject::{self, Role, Subject};
use schema::telemetry::{self, AgentHeartbeat, HEARTBEAT};
use schema::unit::{Millis, Seq};
use schema::why::FailureClass;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

const TICK: Duration = Duration::from_millis(100);
const BEAT: Duration = Duration::from_secs(1);

/// What an agent needs.
pub struct Options {
    /// The cluster.
    pub cluster: ClusterId,
    /// The instance that it is the agent of.
    pub instance: InstanceId,
    /// The launch that the instance comes from.
    pub launch: LaunchId,
    /// What the instance has to give.
    pub resources: Resources,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Heartbeats.
    pub telemetry: Arc<dyn Telemetry>,
    /// Where it keeps its journal and the output of execs.
    pub dir: PathBuf,
    /// What execs run in: the first for those without an image, `docker` for those with one.
    pub runtimes: Vec<Arc<dyn Runtime>>,
    /// How long execs may run beyond their lease while the log is out of reach.
    pub grace: Millis,
    /// Told how long is left when the instance will be taken away.
    pub interruption: watch::Receiver<Option<Millis>>,
}

/// Why an agent stopped.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its directory or data plane cannot be used.
    #[error("cannot use {what}")]
    Local {
        /// What.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its journal cannot be used.
    #[error("cannot use the journal: {0}")]
    Journal(String),
    /// The log cannot be read any more.
    #[error("cannot follow the log")]
    Read(#[from] ReadError),
    /// The log takes no more of its records.
    #[error("cannot write to the log")]
    Write(#[from] AuthorError),
}

/// A running agent.
pub struct Agent {
    options: Options,
    orders: Orders,
    desk: Desk,
    written: mpsc::UnboundedReceiver<Event>,
    reader: Box<dyn Reader>,
    growing: Growing,
    address: String,
    running: BTreeSet<ExecId>,
    signalled: BTreeMap<ExecId, i32>,
    ended: mpsc::UnboundedReceiver<ExecId>,
    ends: mpsc::UnboundedSender<ExecId>,
    contact: watch::Receiver<Instant>,
}

impl Agent {
    /// Opens the journal, catches up with the log, says that the instance is up, and serves until it
    /// is told to go. Dropping the future is a crash: nothing is lost by it.
    ///
    /// # Errors
    /// [`AgentError`]; being cut off from the log for a while is none.
    pub async fn run(options: Options) -> Result<(), AgentError> {
        let since = Instant::now();
        let local = |what: &str, source: io::Error| AgentError::Local { what: what.into(), source };
        std::fs::create_dir_all(logs::dir(&options.dir))
            .map_err(|e| local(&options.dir.display().to_string(), e))?;
        let journal = Journal::open(&options.dir).map_err(AgentError::Journal)?;
        let author_id = AuthorId::from(&options.instance);
        let identity = journal.identity(options.cluster.clone(), author_id);
        let identity = identity.map_err(AgentError::Journal)?;
        let unsent: Vec<_> = identity.unsent.iter().map(|(_, entry)| entry.clone()).collect();
        let author = Author::start(options.log.clone(), identity, Box::new(journal));
        let growing = Growing::default();
        let (address, served) = serve::serve(options.dir.clone(), &growing)
            .await
            .map_err(|e| local("a port for the data plane", e))?;
        let filter = subject::for_instance(&options.cluster, &options.instance);
        let reader = options.log.read(Seq(1), Some(&filter)).await?;
        let (written_to, written) = mpsc::unbounded_channel();
        let (ends, ended) = mpsc::unbounded_channel();
        let contact = watch::Sender::new(since);
        let mut agent = Agent {
            orders: Orders::new(options.instance.clone()),
            desk: Desk { instance: options.instance.clone(), author, written: written_to },
            written,
            reader,
            growing,
            address,
            running: BTreeSet::new(),
            signalled: BTreeMap::new(),
            ended,
            ends,
            contact: contact.subscribe(),
            options,
        };
        agent.catch_up().await?;
        for entry in unsent {
            if let Ok(record) = codec::decode(&entry.payload) {
                agent.orders.follow(&record.event);
            }
        }
        agent.boot(since).await?;
        tokio::select! {
            result = served => result.map_err(|e| local("the data plane", e)),
            result = agent.beat(contact) => result,
            result = agent.turn() => result,
        }
    }

    /// Reads to the end of what the log holds for this instance.
    async fn catch_up(&mut self) -> Result<(), AgentError> {
        loop {
            let batch = self.reader.next_batch(TICK).await?;
            self.fold(&batch.records);
            if batch.pending == 0 {
                return Ok(());
            }
        }
    }

    fn fold(&mut self, records: &[replay::log::Stored]) {
        for stored in records {
            let Ok(record) = codec::decode(&stored.payload) else { continue };
            let fits = subject::fits(
                &stored.subject,
                Some(&self.options.cluster),
                &record.author,
                &record.event,
            );
            if fits && Subject::parse(&stored.subject).is_ok() {
                self.orders.apply(&record);
            }
        }
    }

    async fn boot(&mut self, since: Instant) -> Result<(), AgentError> {
        if self.orders.stop {
            return Ok(());
        }
        let boot = Millis(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
        let runtimes = self.options.runtimes.iter().map(|runtime| runtime.name().into());
        let booted = InstanceBooted {
            instance: self.options.instance.clone(),
            launch: self.options.launch.clone(),
            resources: self.options.resources.clone(),
            address: self.address.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            boot,
            runtimes: runtimes.collect(),
        };
        Ok(self.desk.write(booted).await?)
    }

    /// Says every second that this agent lives, and notes when the log was last in reach.
    fn beat(
        &self,
        contact: watch::Sender<Instant>,
    ) -> impl Future<Output = Result<(), AgentError>> + use<> {
        let (log, said) = (self.options.log.clone(), self.options.telemetry.clone());
        let instance = self.options.instance.clone();
        let author = AuthorId::from(&instance);
        let subject = subject::telemetry(&self.options.cluster, Role::Agent, &author, HEARTBEAT);
        let growing = self.growing.subscribe();
        async move {
            let mut beats = tokio::time::interval(BEAT);
            loop {
                beats.tick().await;
                let execs = u32::try_from(growing.borrow().len()).unwrap_or(u32::MAX);
                let beat = AgentHeartbeat { instance: instance.clone(), execs };
                said.publish(&subject, Bytes::from(telemetry::encode(&beat))).await;
                if matches!(tokio::time::timeout(BEAT, log.last_seq()).await, Ok(Ok(_))) {
                    contact.send_replace(Instant::now());
                }
            }
        }
    }

    async fn turn(&mut self) -> Result<(), AgentError> {
        loop {
            self.act().await?;
            if self.orders.stop && self.orders.allocs.is_empty() && self.running.is_empty() {
                // The last ends are as true as the others: they must not go with the instance.
                return Ok(self.desk.author.landed().await?);
            }
            let interruption = &mut self.options.interruption;
            tokio::select! {
                batch = self.reader.next_batch(TICK) => {
                    let records = batch?.records;
                    self.fold(&records);
                }
                Some(event) = self.written.recv() => {
                    self.orders.follow(&event);
                    while let Ok(event) = self.written.try_recv() {
                        self.orders.follow(&event);
                    }
                }
                Some(exec) = self.ended.recv() => self.settle(&exec),
                Ok(()) = interruption.changed() => {
                    let left = *interruption.borrow_and_update();
                    if let Some(left) = left {
                        self.interrupted(left).await?;
                    }
                }
            }
        }
    }

    fn settle(&mut self, exec: &ExecId) {
        self.running.remove(exec);
        self.signalled.remove(exec);
        self.growing.send_modify(|growing| {
            growing.remove(exec);
        });
    }

    async fn interrupted(&mut self, left: Millis) -> Result<(), AgentError> {
        let instance = self.options.instance.clone();
        let interruption = Interruption::Spot;
        Ok(self.desk.write(InterruptionNoticed { instance, interruption, left }).await?)
    }

    async fn act(&mut self) -> Result<(), AgentError> {
        let silent = self.contact.borrow().elapsed();
        let cut_off = Millis(u64::try_from(silent.as_millis()).unwrap_or(u64::MAX));
        for action in plan(&self.orders, cut_off, self.options.grace) {
            match action {
                Action::Open(alloc, driver) => {
                    let instance = self.options.instance.clone();
                    let opened = AllocOpened { alloc, driver, instance };
                    self.orders.follow(&Event::from(opened.clone()));
                    self.desk.write(opened).await?;
                }
                Action::Close(alloc, driver) => {
                    let instance = self.options.instance.clone();
                    let closed = AllocClosed { alloc, driver, instance };
                    self.orders.follow(&Event::from(closed.clone()));
                    self.desk.write(closed).await?;
                }
                Action::Run(run) => self.start(*run).await?,
                Action::Kill(exec, signal) => self.kill(&exec, signal).await,
                Action::Refuse(run, class) => self.refuse(*run, class).await?,
            }
        }
        Ok(())
    }

    async fn start(&mut self, run: Run) -> Result<(), AgentError> {
        if self.running.contains(&run.exec) {
            return Ok(());
        }
        let Some(runtime) = self.runtime_for(&run) else {
            return self.refuse(run, FailureClass::NoRuntime).await;
        };
        let exec = run.exec.clone();
        self.running.insert(exec.clone());
        self.growing.send_modify(|growing| {
            growing.insert(exec.clone());
        });
        let spec = Spec {
            exec: exec.clone(),
            alloc: run.alloc.clone(),
            config: run.config.clone(),
            limits: run.limits.clone(),
            stdout: logs::file(&self.options.dir, &exec, Output::Stdout),
            stderr: logs::file(&self.options.dir, &exec, Output::Stderr),
        };
        let (desk, ends) = (self.desk.clone(), self.ends.clone());
        tokio::spawn(async move {
            if let Err(error) = desk.run(run, spec, runtime).await {
                tracing::error!(%exec, %error, "an exec's end cannot be written");
            }
            let _ = ends.send(exec);
        });
        Ok(())
    }

    fn runtime_for(&self, run: &Run) -> Option<Arc<dyn Runtime>> {
        let wanted = if run.config.image.is_some() { "docker" } else { "process" };
        self.options.runtimes.iter().find(|runtime| runtime.name() == wanted).cloned()
    }

    async fn refuse(&mut self, run: Run, class: FailureClass) -> Result<(), AgentError> {
        if self.running.contains(&run.exec) {
            return Ok(());
        }
        let message = format!("{} was not run in {}", run.exec, run.alloc);
        let instance = self.options.instance.clone();
        let Run { exec, alloc, driver, .. } = run;
        let failed = schema::event::ExecFailed { exec, alloc, driver, instance, class, message };
        self.orders.follow(&Event::from(failed.clone()));
        Ok(self.desk.write(failed).await?)
    }

    async fn kill(&mut self, exec: &ExecId, signal: i32) {
        if self.signalled.get(exec) == Some(&signal) || !self.running.contains(exec) {
            return;
        }
        self.signalled.insert(exec.clone(), signal);
        for runtime in &self.options.runtimes {
            runtime.kill(exec, signal).await;
        }
    }
}
