//! The streams: their settings, and whether those found are those needed.

use super::super::{Identity, OpenError};
use super::broken;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, RetentionPolicy, StorageType, Stream,
};
use schema::id::ClusterId;
use schema::unit::LogTime;
use std::time::Duration;

const NOT_FOUND: u64 = 10059;

/// Small, since nothing relies on it; the server allows no less than 100 ms.
const DUPLICATES: Duration = Duration::from_millis(100);

/// How a stream is replicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// As asked for; a stream that is there may have any number if none was.
    pub(super) replicas: Option<usize>,
}

pub(super) fn name(cluster: &ClusterId, generation: u32) -> String {
    format!("FLEETLOG_{cluster}_G{generation}")
}

fn subjects(cluster: &ClusterId) -> String {
    format!("fl.{cluster}.log.>")
}

/// What the stream of a generation that has ended listens on: nobody writes there.
fn sealed_subjects(cluster: &ClusterId, generation: u32) -> String {
    format!("fl.{cluster}.sealed.g{generation}.>")
}

fn config(cluster: &ClusterId, generation: u32, shape: Shape) -> Config {
    Config {
        name: name(cluster, generation),
        subjects: vec![subjects(cluster)],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_bytes: -1,
        max_consumers: -1,
        max_message_size: -1,
        num_replicas: shape.replicas.unwrap_or(1),
        duplicate_window: DUPLICATES,
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        allow_atomic_publish: true,
        // A replica that has to cut its last block short compresses it and appends plain records behind
        // (seen with nats-server 2.15.1, when the stream's leader changes): it cannot be read any more.
        compression: Some(Compression::None),
        description: Some("fleetlog: the state of a cluster; never purge, delete or limit".into()),
        ..Config::default()
    }
}

/// The stream of a generation, if there is one.
pub(super) async fn find(
    context: &Context,
    cluster: &ClusterId,
    generation: u32,
) -> Result<Option<Stream>, String> {
    match context.get_stream(name(cluster, generation)).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if not_found(&error.kind()) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// The newest generation that has begun; 0 if there is none. One without its first record is a
/// rollover that was cut short: its predecessor is still the newest.
pub(super) async fn newest(context: &Context, cluster: &ClusterId) -> Result<u32, String> {
    let mut newest = 0;
    while let Some(stream) = find(context, cluster, newest + 1).await? {
        if newest > 0 && stream.cached_info().state.last_sequence == 0 {
            break;
        }
        newest += 1;
    }
    Ok(newest)
}

fn not_found(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(e) if e.error_code().0 == NOT_FOUND)
}

/// Opens a generation, making it if it is not there.
pub(super) async fn open(
    context: &Context,
    url: &str,
    cluster: &ClusterId,
    generation: u32,
    shape: Shape,
) -> Result<Identity, OpenError> {
    let mut wanted = config(cluster, generation, shape);
    let name = wanted.name.clone();
    let found = find(context, cluster, generation).await.map_err(|e| broken(url, e))?;
    let stream = match found {
        Some(stream) => stream,
        None => context.create_stream(wanted.clone()).await.map_err(|e| broken(url, e))?,
    };
    let info = stream.cached_info();
    // A rollover that was cut short left it like this; whoever leads completes it.
    let ended = vec![sealed_subjects(cluster, generation)];
    if info.config.subjects == ended {
        wanted.subjects = ended;
    }
    if shape.replicas.is_none() {
        wanted.num_replicas = info.config.num_replicas;
    }
    let differences = differences(&wanted, &info.config);
    if !differences.is_empty() {
        return Err(OpenError::Settings { stream: name, differences: differences.join("; ") });
    }
    Ok(Identity { stream: name, generation, created: time(info.created) })
}

/// Every setting that would lose, hide or reorder records, with both values.
fn differences(wanted: &Config, found: &Config) -> Vec<String> {
    let mut all = Vec::new();
    let mut compare = |setting: &str, wanted: String, found: String| {
        if wanted != found {
            all.push(format!("{setting} is {found}, needs to be {wanted}"));
        }
    };
    macro_rules! settings {
        ($($field:ident)*) => {
            $(compare(
                stringify!($field),
                format!("{:?}", wanted.$field),
                format!("{:?}", found.$field),
            );)*
        };
    }
    settings!(
        subjects retention storage num_replicas discard discard_new_per_subject max_messages
        max_messages_per_subject max_message_size max_bytes max_age no_ack allow_rollup deny_delete
        deny_purge allow_direct allow_atomic_publish allow_message_ttl allow_message_schedules
        allow_message_counter subject_delete_marker_ttl compression mirror sources
        subject_transform republish persist_mode first_sequence
    );
    all
}

pub(super) fn time(created: time::OffsetDateTime) -> LogTime {
    LogTime(u64::try_from(created.unix_timestamp_nanos()).unwrap_or(0))
}

/// Why there is no information about a stream.
#[derive(Debug)]
pub(super) enum Lost {
    /// It cannot be had now.
    Unavailable(String),
    /// The stream or its end is not there: for good, or while its server recovers it.
    Missing(String),
    /// It is another stream of the same name.
    Another(String),
}

/// The stream with fresh information, if it is still the one that was opened. Its leader answers.
pub(super) async fn known(context: &Context, identity: &Identity) -> Result<Stream, Lost> {
    let name = &identity.stream;
    let stream = context.get_stream(name).await.map_err(|error| {
        if not_found(&error.kind()) {
            Lost::Missing(format!("{name} is gone"))
        } else {
            Lost::Unavailable(error.to_string())
        }
    })?;
    if time(stream.cached_info().created) != identity.created {
        return Err(Lost::Another(format!("{name} was made anew")));
    }
    Ok(stream)
}

/// Makes an old generation let go of the cluster's subjects.
pub(super) async fn let_go(
    context: &Context,
    cluster: &ClusterId,
    generation: u32,
) -> Result<(), String> {
    change(context, cluster, generation, |config| {
        config.subjects = vec![sealed_subjects(cluster, generation)];
    })
    .await
}

/// Closes an old generation for good.
pub(super) async fn seal(
    context: &Context,
    cluster: &ClusterId,
    generation: u32,
) -> Result<(), String> {
    change(context, cluster, generation, |config| config.sealed = true).await
}

async fn change(
    context: &Context,
    cluster: &ClusterId,
    generation: u32,
    change: impl FnOnce(&mut Config),
) -> Result<(), String> {
    let stream = context.get_stream(name(cluster, generation)).await.map_err(|e| e.to_string())?;
    let found = &stream.cached_info().config;
    if found.sealed {
        return Ok(());
    }
    let mut wanted = found.clone();
    change(&mut wanted);
    if wanted != *found {
        context.update_stream(wanted).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// The stream of telemetry: a short memory of the last value of each subject.
pub(super) async fn telemetry(context: &Context, cluster: &ClusterId) -> Result<(), String> {
    let config = Config {
        name: format!("FLEETLOG_{cluster}_TEL"),
        subjects: vec![format!("fl.{cluster}.tel.>")],
        storage: StorageType::Memory,
        max_messages_per_subject: 1,
        max_age: Duration::from_secs(3600),
        no_ack: true,
        ..Config::default()
    };
    context.get_or_create_stream(config).await.map(drop).map_err(|e| e.to_string())
}
