//! The only place that spells or parses a NATS subject.
//!
//! `fl.<cluster>.log.<role>.<author>.<instance|_>.<driver|_>.<kind>.<id>`: nine tokens, always in
//! the same places, so that one filter serves each reader and a server can enforce authorship.

use crate::event::{Event, Route};
use crate::id::{AuthorId, ClusterId, DriverId, IdError, InstanceId, check};
use std::fmt;
use std::str::FromStr;

/// Who writes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A controller replica.
    Ctl,
    /// The agent of an instance.
    Agent,
    /// A driver.
    Driver,
    /// A person who runs the cluster.
    Ops,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregate {
    /// An alloc.
    Alloc,
    /// The cluster itself.
    Cluster,
    /// A driver.
    Driver,
    /// An exec.
    Exec,
    /// An instance.
    Instance,
    /// A launch.
    Launch,
    /// Who leads.
    Leader,
    /// What is allowed.
    Policy,
}

macro_rules! token {
    ($name:ident { $($variant:ident $text:literal),* }) => {
        impl $name {
            /// Its token in a subject.
            #[must_use]
            pub fn token(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            fn parse(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.token())
            }
        }
    };
}
token!(Role { Ctl "ctl", Agent "agent", Driver "driver", Ops "ops" });
token!(Aggregate {
    Alloc "alloc", Cluster "cluster", Driver "driver", Exec "exec", Instance "instance",
    Launch "launch", Leader "leader", Policy "policy"
});

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The cluster.
    pub cluster: ClusterId,
    /// Who wrote it.
    pub role: Role,
    /// Which one of those; none on the election subject alone.
    pub author: Option<AuthorId>,
    /// The instance concerned.
    pub instance: Option<InstanceId>,
    /// The driver concerned.
    pub driver: Option<DriverId>,
    /// What it is about.
    pub aggregate: Aggregate,
    /// Which one of those.
    pub id: String,
}

/// Why a text is no subject of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Not nine tokens that begin with `fl.<cluster>.log`.
    #[error("{0:?} is no subject of the log; expected fl.<cluster>.log. and six more tokens")]
    Shape(String),
    /// A role or kind that this build does not know.
    #[error("{0:?} is no role or kind of record")]
    Word(String),
    /// A token is no id.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl Subject {
    /// The subject of an event by its author.
    #[must_use]
    pub fn of(cluster: &ClusterId, author: &AuthorId, event: &Event) -> Subject {
        let Route { instance, driver, aggregate, id } = event.route();
        let elected = matches!(event, Event::LeaderElected(_));
        Subject {
            cluster: cluster.clone(),
            role: event.role(),
            author: (!elected).then(|| author.clone()),
            instance: instance.cloned(),
            driver: driver.cloned(),
            aggregate,
            id: id.to_owned(),
        }
    }

    /// Parses what [`fmt::Display`] prints; nothing else.
    ///
    /// # Errors
    /// [`SubjectError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Subject, SubjectError> {
        let shape = || SubjectError::Shape(text.to_owned());
        let tokens: Vec<&str> = text.splitn(10, '.').collect();
        let [fl, cluster, log, role, author, instance, driver, aggregate, id] = tokens[..] else {
            return Err(shape());
        };
        if (fl, log) != ("fl", "log") {
            return Err(shape());
        }
        let word = |word: &str| SubjectError::Word(word.to_owned());
        check(id)?;
        Ok(Subject {
            cluster: ClusterId::new(cluster)?,
            role: Role::parse(role).ok_or_else(|| word(role))?,
            author: optional(author)?,
            instance: optional(instance)?,
            driver: optional(driver)?,
            aggregate: Aggregate::parse(aggregate).ok_or_else(|| word(aggregate))?,
            id: id.to_owned(),
        })
    }
}

/// Whether `text` is the subject of this event by this author in this cluster (any cluster, if none
/// is known yet). Token by token, without parsing: this is asked of every record that is folded.
#[must_use]
pub fn fits(text: &str, cluster: Option<&ClusterId>, author: &AuthorId, event: &Event) -> bool {
    let Route { instance, driver, aggregate, id } = event.route();
    let elected = matches!(event, Event::LeaderElected(_));
    let author = if elected { "_" } else { author.as_str() };
    let Some(rest) = text.strip_prefix("fl.") else { return false };
    let Some(rest) = (match cluster {
        Some(cluster) => after(rest, cluster.as_str()),
        None => rest.split_once('.').map(|(_, rest)| rest),
    }) else {
        return false;
    };
    let expected = [
        "log",
        event.role().token(),
        author,
        instance.map_or("_", InstanceId::as_str),
        driver.map_or("_", DriverId::as_str),
        aggregate.token(),
    ];
    expected.into_iter().try_fold(rest, after) == Some(id)
}

/// What follows this token and its dot.
fn after<'a>(text: &'a str, token: &str) -> Option<&'a str> {
    text.strip_prefix(token)?.strip_prefix('.')
}

fn optional<T: FromStr<Err = IdError>>(token: &str) -> Result<Option<T>, IdError> {
    if token == "_" { Ok(None) } else { token.parse().map(Some) }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let author = self.author.as_ref().map_or("_", AuthorId::as_str);
        let instance = self.instance.as_ref().map_or("_", InstanceId::as_str);
        let driver = self.driver.as_ref().map_or("_", DriverId::as_str);
        let Subject { cluster, role, aggregate, id, .. } = self;
        write!(f, "fl.{cluster}.log.{role}.{author}.{instance}.{driver}.{aggregate}.{id}")
    }
}

/// The literal subject of elections, to which nothing else is ever written: the fence.
#[must_use]
pub fn election(cluster: &ClusterId) -> String {
    format!("fl.{cluster}.log.ctl._._._.leader.elected")
}

/// Whether `text` is the subject of elections in this cluster (any cluster, if none is known yet).
#[must_use]
pub fn is_election(text: &str, cluster: Option<&ClusterId>) -> bool {
    let Some(rest) = text.strip_suffix(".log.ctl._._._.leader.elected") else { return false };
    let named = rest.strip_prefix("fl.");
    named.is_some_and(|named| cluster.is_none_or(|cluster| cluster.as_str() == named))
}

/// All that an agent reads: whatever concerns its instance.
#[must_use]
pub fn for_instance(cluster: &ClusterId, instance: &InstanceId) -> String {
    format!("fl.{cluster}.log.*.*.{instance}.*.>")
}

/// All that a driver reads: whatever concerns it.
#[must_use]
pub fn for_driver(cluster: &ClusterId, driver: &DriverId) -> String {
    format!("fl.{cluster}.log.*.*.*.{driver}.>")
}

/// All that one author wrote, elections excepted.
#[must_use]
pub fn by_author(cluster: &ClusterId, role: Role, author: &AuthorId) -> String {
    format!("fl.{cluster}.log.{role}.{author}.>")
}

/// All that was written about one thing.
#[must_use]
pub fn about(cluster: &ClusterId, aggregate: Aggregate, id: &str) -> String {
    format!("fl.{cluster}.log.*.*.*.*.{aggregate}.{id}")
}

/// Telemetry: one author's subject for one kind of message.
#[must_use]
pub fn telemetry(cluster: &ClusterId, role: Role, author: &AuthorId, kind: &str) -> String {
    format!("fl.{cluster}.tel.{role}.{author}.{kind}")
}

/// Telemetry: everyone's messages of one role and kind.
#[must_use]
pub fn all_telemetry(cluster: &ClusterId, role: Role, kind: &str) -> String {
    format!("fl.{cluster}.tel.{role}.*.{kind}")
}
