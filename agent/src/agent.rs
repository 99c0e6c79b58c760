//! An agent: what it needs, and how it comes up. What it does then is the [turn](crate::turn).

use crate::journal::Journal;
use crate::logs;
use crate::metrics::Exporter;
use crate::runtime::Runtime;
use crate::serve::{self, Growing};
use crate::turn::{self, Clock, Found, Turn};
use agent_core::agent::{Agent as Core, Place};
use bytes::Bytes;
use replay::author::{Author, AuthorError, Identity};
use replay::log::{Log, ReadError, Telemetry};
use schema::event::{InstanceBooted, Interruption};
use schema::id::{AuthorId, ClusterId, InstanceId, LaunchId};
use schema::proof::Bearer;
use schema::resources::Resources;
use schema::subject::{self, Role};
use schema::telemetry::{self, AgentHeartbeat, HEARTBEAT};
use schema::unit::{Millis, Seq};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

const BEAT: Duration = Duration::from_secs(1);

/// What takes the instance away, and how long is left. One that follows counts, whether or not the one
/// before was heard.
pub type Notice = (Interruption, Millis);

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
    /// What execs run in: `process` for those without an image, `docker` for those with one.
    pub runtimes: Vec<Arc<dyn Runtime>>,
    /// Told when the instance will be taken away.
    pub interruption: watch::Receiver<Option<Notice>>,
    /// To be made once it has joined.
    pub joined: Option<PathBuf>,
    /// Where the node's exporter answers: a host and a port.
    pub metrics: String,
    /// What it proves itself with, where its launch asks for that.
    pub bearer: Option<Bearer>,
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

/// The agent of one instance.
pub struct Agent;

impl Agent {
    /// Opens the journal, catches up with the log, says that the instance is up, and serves until it
    /// is told to go. Dropping the future is a crash: nothing is lost by it.
    ///
    /// # Errors
    /// [`AgentError`]; being cut off from the log for a while is none.
    pub async fn run(options: Options) -> Result<(), AgentError> {
        Agent::run_until(options, std::future::pending()).await
    }

    /// As [`Agent::run`], and goes by itself, with its execs, once `stop` says why.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub async fn run_until(
        options: Options,
        stop: impl Future<Output = String> + Send,
    ) -> Result<(), AgentError> {
        let since = Instant::now();
        let journal = open(&options).await?;
        let growing = Growing::default();
        let exporter = Exporter::at(&options.metrics)
            .map_err(|error| local("an HTTP client for metrics", io::Error::other(error)))?;
        let (address, served) = serve::serve(options.dir.clone(), &growing, exporter)
            .await
            .map_err(|source| local("a port for the data plane", source))?;
        let filter = subject::for_instance(&options.cluster, &options.instance);
        let mut reader = options.log.read(Seq(1), Some(&filter)).await?;
        let clock = Clock::start();
        let mut core = Core::new(clock.now(), place(&options));
        turn::catch_up(&mut *reader, &mut core).await?;
        let identity = identity(&options, &journal, &mut core)?;
        let unsent = identity.unsent.len() as u64;
        let word = (identity.incarnation, identity.last_number + 1);
        let author = Author::start(options.log.clone(), identity, journal.outbox());
        let booted = booted(&options, address, since, word);
        let contact = watch::Sender::new(Instant::now());
        let beat = beat(&options, growing.clone(), contact.clone());
        let writing = author.clone();
        let contact = contact.subscribe();
        let found = Found { clock, core, author, unsent, reader, growing, contact };
        let mut turn = Turn::new(options, found);
        turn.boot(booted, word).await;
        tokio::select! {
            result = served => result.map_err(|source| local("the data plane", source)),
            result = beat => result,
            result = turn.run(stop) => result,
            // What it does from now on nobody would learn, while its heartbeats said that all is well.
            () = writing.stopped() => Err(AuthorError::Stopped.into()),
        }
    }
}

fn local(what: impl Into<String>, source: io::Error) -> AgentError {
    AgentError::Local { what: what.into(), source }
}

async fn open(options: &Options) -> Result<Journal, AgentError> {
    let dir = options.dir.clone();
    std::fs::create_dir_all(logs::dir(&dir))
        .map_err(|source| local(dir.display().to_string(), source))?;
    let opened = tokio::task::spawn_blocking(move || Journal::open(&dir)).await;
    opened.unwrap_or_else(|error| Err(error.to_string())).map_err(AgentError::Journal)
}

fn place(options: &Options) -> Place {
    Place {
        cluster: options.cluster.clone(),
        instance: options.instance.clone(),
        runtimes: options.runtimes.iter().map(|runtime| runtime.name().into()).collect(),
        proves: options.bearer.is_some(),
    }
}

/// Goes on writing where the journal left off.
fn identity(options: &Options, journal: &Journal, core: &mut Core) -> Result<Identity, AgentError> {
    let id = AuthorId::from(&options.instance);
    let last = core.orders().last_of(Role::Agent, &id);
    let identity = journal.identity(options.cluster.clone(), id, last);
    let identity = identity.map_err(AgentError::Journal)?;
    identity.unsent.iter().for_each(|(_, entry)| core.left_behind(&entry.payload));
    Ok(identity)
}

/// What it says of itself, as the record of this number in this life.
fn booted(options: &Options, address: String, since: Instant, word: (Uuid, u64)) -> InstanceBooted {
    let runtimes = options.runtimes.iter().map(|runtime| runtime.name().into());
    let said = InstanceBooted {
        instance: options.instance.clone(),
        launch: options.launch.clone(),
        resources: options.resources.clone(),
        address,
        version: env!("CARGO_PKG_VERSION").into(),
        boot: Millis::of(since.elapsed()),
        runtimes: runtimes.collect(),
        proof: None,
    };
    match &options.bearer {
        Some(bearer) => bearer.prove(&options.cluster, word, said),
        None => said,
    }
}

/// Says every second that this agent lives, and notes when the log was last in reach.
fn beat(
    options: &Options,
    growing: Growing,
    contact: watch::Sender<Instant>,
) -> impl Future<Output = Result<(), AgentError>> + use<> {
    let (said, log) = (options.telemetry.clone(), options.log.clone());
    let instance = options.instance.clone();
    let author = AuthorId::from(&instance);
    let subject = subject::telemetry(&options.cluster, Role::Agent, &author, HEARTBEAT);
    async move {
        let mut beats = tokio::time::interval(BEAT);
        loop {
            beats.tick().await;
            let execs = u32::try_from(growing.borrow().len()).unwrap_or(u32::MAX);
            let beat = AgentHeartbeat { instance: instance.clone(), execs };
            said.publish(&subject, Bytes::from(telemetry::encode(&beat))).await;
            let asked = Instant::now();
            if matches!(tokio::time::timeout(BEAT, log.last_seq()).await, Ok(Ok(_))) {
                contact.send_replace(asked);
            }
        }
    }
}
