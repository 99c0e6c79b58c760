//! Which cluster a verb is about: `--log`, else `FLEETLOG_LOG`, else what `fleetlog up` noted last.

use crate::output::{Output, Usage};
use anyhow::Context as _;
use clap::Args;
use replay::log::{Log, OpenError, read_to_end};
use replay_core::{Outcome, State};
use schema::id::ClusterId;
use schema::record::Record;
use schema::unit::{LogTime, Seq};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// Which cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterArgs {
    /// Where its log is: nats://HOST:PORT, tls://HOST:PORT[?ca=/PATH/ca.pem], http://HOST:PORT,
    /// file://DIR
    #[arg(long, global = true, env = "FLEETLOG_LOG")]
    pub(crate) log: Option<String>,
    /// Its name
    #[arg(long, global = true, env = "FLEETLOG_CLUSTER")]
    pub(crate) cluster: Option<String>,
}

/// What `up` notes for the verbs that follow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) log: String,
    pub(crate) cluster: String,
}

/// A cluster, and how to print.
pub(crate) struct Context {
    pub(crate) url: String,
    pub(crate) cluster: ClusterId,
    pub(crate) output: Output,
}

fn note_file() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?;
    Some(config.join("fleetlog").join("context.json"))
}

/// Notes a cluster as the current one.
pub(crate) fn note(noted: &Noted) -> anyhow::Result<()> {
    let path = note_file().context("neither XDG_CONFIG_HOME nor HOME is set")?;
    let dir = path.parent().context("no directory for the context")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    std::fs::write(&path, serde_json::to_vec_pretty(noted)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn noted() -> Option<Noted> {
    serde_json::from_slice(&std::fs::read(note_file()?).ok()?).ok()
}

/// A name that was given, as an id.
pub(crate) fn id<T: std::str::FromStr<Err = schema::id::IdError>>(text: &str) -> anyhow::Result<T> {
    text.parse().map_err(|error: schema::id::IdError| Usage(error.to_string()).into())
}

/// A cluster by its name, or the one that is meant where none is given.
pub(crate) fn named(name: Option<&str>) -> anyhow::Result<ClusterId> {
    id(name.unwrap_or("default"))
}

impl Context {
    pub(crate) fn find(args: &ClusterArgs, output: Output) -> anyhow::Result<Context> {
        let noted = noted();
        let given = args.log.clone().filter(|url| !url.is_empty());
        let url = given.or(noted.as_ref().map(|noted| noted.log.clone()));
        let none = "no cluster: give --log, set FLEETLOG_LOG, or start one with `fleetlog up`";
        let url = url.ok_or_else(|| Usage(none.to_owned()))?;
        let cluster = args.cluster.clone().or(noted.map(|noted| noted.cluster));
        let cluster = named(cluster.as_deref())?;
        Ok(Context { url, cluster, output })
    }

    pub(crate) async fn open(&self) -> anyhow::Result<Arc<dyn Log>> {
        match replay::log::open(&self.url, &self.cluster, false).await {
            Ok((log, _)) => Ok(log),
            Err(error @ OpenError::Unnamed { .. }) => Err(Usage(error.to_string()).into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A record as the fold took it.
pub(crate) struct Folded {
    pub(crate) seq: Seq,
    pub(crate) time: LogTime,
    pub(crate) outcome: Outcome,
    pub(crate) record: Option<Record>,
}

/// Folds the log to its end, or to `until`; shows each record to `look` on the way.
pub(crate) async fn fold(
    log: &dyn Log,
    until: impl Fn(Seq, LogTime) -> bool,
    mut look: impl FnMut(&State, Folded),
) -> anyhow::Result<State> {
    let mut state = State::default();
    let mut records = read_to_end(log, Seq(1), None).await?;
    let end = records.iter().position(|stored| !until(stored.seq, stored.time));
    records.truncate(end.unwrap_or(records.len()));
    replay::fold::fold(&mut state, &records, |state, stored, outcome, record| {
        look(state, Folded { seq: stored.seq, time: stored.time, outcome, record });
    });
    Ok(state)
}

/// The state at the end of the log.
pub(crate) async fn state(log: &dyn Log) -> anyhow::Result<State> {
    fold(log, |_, _| true, |_, _| {}).await
}

/// Log time for people.
pub(crate) fn when(time: LogTime) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or(jiff::Timestamp::MIN);
    format!("{at:.3}")
}
