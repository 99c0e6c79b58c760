//! The streams: their settings, and whether those found are those needed.

use super::super::{Identity, OpenError, ReadError};
use super::broken;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, Info, RetentionPolicy, StorageType,
};
use schema::id::ClusterId;
use schema::unit::LogTime;
use std::time::Duration;

/// Stream not found.
const NOT_FOUND: u64 = 10059;

/// Small, since nothing relies on it; the server allows no less than 100 ms.
const DUPLICATES: Duration = Duration::from_millis(100);

/// How a stream is replicated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    replicas: usize,
}

/// The servers and the shape that a URL names.
pub(super) fn parse(url: &str) -> Result<(Vec<String>, Shape), OpenError> {
    let (servers, query) = url.split_once('?').unwrap_or((url, "replicas=1"));
    let replicas = query.strip_prefix("replicas=").and_then(|text| text.parse().ok());
    match replicas {
        Some(replicas @ (1 | 3 | 5)) => {
            Ok((servers.split(',').map(str::to_owned).collect(), Shape { replicas }))
        }
        _ => Err(broken(url, "only ?replicas=1, 3 or 5 may follow the servers")),
    }
}

pub(super) fn name(cluster: &ClusterId, generation: u32) -> String {
    format!("FLEETLOG_{cluster}_G{generation}")
}

fn subjects(cluster: &ClusterId) -> String {
    format!("fl.{cluster}.log.>")
}

fn retired_subjects(cluster: &ClusterId, generation: u32) -> String {
    format!("fl.{cluster}.retired.g{generation}.>")
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
        num_replicas: shape.replicas,
        duplicate_window: DUPLICATES,
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        allow_atomic_publish: true,
        compression: Some(Compression::S2),
        description: Some("fleetlog: the state of a cluster; never purge, delete or limit".into()),
        ..Config::default()
    }
}

pub(super) async fn exists(
    context: &Context,
    cluster: &ClusterId,
    generation: u32,
) -> Result<bool, String> {
    match context.get_stream(name(cluster, generation)).await {
        Ok(_) => Ok(true),
        Err(error) if not_found(&error.kind()) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
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
    let wanted = config(cluster, generation, shape);
    let name = wanted.name.clone();
    let failed = |e: &dyn ToString| broken(url, e.to_string());
    let stream = if exists(context, cluster, generation).await.map_err(|e| failed(&e))? {
        context.get_stream(&name).await.map_err(|e| failed(&e))?
    } else {
        context.create_stream(wanted.clone()).await.map_err(|e| failed(&e))?
    };
    let info = stream.cached_info();
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
        subjects retention storage discard discard_new_per_subject max_messages
        max_messages_per_subject max_bytes max_age no_ack allow_rollup deny_delete deny_purge
        allow_direct allow_atomic_publish allow_message_ttl allow_message_schedules
        allow_message_counter compression mirror sources subject_transform republish persist_mode
    );
    all
}

pub(super) fn time(created: time::OffsetDateTime) -> LogTime {
    LogTime(u64::try_from(created.unix_timestamp_nanos()).unwrap_or(0))
}

/// Information about the stream, if it is still the one that was opened.
pub(super) async fn info(context: &Context, identity: &Identity) -> Result<Info, ReadError> {
    let stream = context.get_stream(&identity.stream).await.map_err(|error| {
        if not_found(&error.kind()) {
            ReadError::WrongLog(format!("{} is gone", identity.stream))
        } else {
            ReadError::Unavailable(error.to_string())
        }
    })?;
    let info = stream.cached_info().clone();
    if time(info.created) != identity.created {
        return Err(ReadError::WrongLog(format!("{} was made anew", identity.stream)));
    }
    Ok(info)
}

/// Makes an old generation let go of the cluster's subjects.
pub(super) async fn retire(
    context: &Context,
    cluster: &ClusterId,
    generation: u32,
) -> Result<(), String> {
    change(context, cluster, generation, |config| {
        config.subjects = vec![retired_subjects(cluster, generation)];
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
