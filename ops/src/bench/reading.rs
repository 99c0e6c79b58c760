//! Replay from JetStream, beside an ordered consumer that does nothing with what it gets.

use super::history;
use super::measure::{Figure, per_second};
use anyhow::ensure;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use futures::StreamExt;
use replay::log::{Log, MAX_ROUND, Stored};
use replay_core::State;
use schema::id::ClusterId;
use schema::unit::Seq;
use std::time::{Duration, Instant};

const TURNS: usize = 3;
const WAIT: Duration = Duration::from_secs(5);

pub(super) async fn replay(
    url: &str,
    cluster: &ClusterId,
    records: &[Stored],
) -> anyhow::Result<Figure> {
    let (log, _) = replay::log::open(url, cluster, true).await?;
    for round in history::entries(records).chunks(MAX_ROUND) {
        log.append(round, None).await?;
    }
    let (mut replaying, mut raw) = (Duration::MAX, Duration::MAX);
    for _ in 0..TURNS {
        raw = raw.min(consume(url, log.identity().stream.as_str(), records.len()).await?);
        replaying = replaying.min(fold(&*log, records.len()).await?);
    }
    Ok(Figure {
        name: "replay_jetstream".into(),
        value: per_second(records.len(), replaying),
        unit: "records/s",
        limit: per_second(records.len(), raw),
        against: "a raw ordered consumer of the same stream",
        target: ">= 0.8",
    })
}

async fn consume(url: &str, stream: &str, count: usize) -> anyhow::Result<Duration> {
    let context = replay::log::jetstream::connect(url).await?;
    let since = Instant::now();
    let stream = context.get_stream(stream).await?;
    let policy = DeliverPolicy::All;
    let config = OrderedConfig { deliver_policy: policy, ..OrderedConfig::default() };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    for _ in 0..count {
        let message = messages.next().await;
        ensure!(message.is_some_and(|message| message.is_ok()), "the raw consumer ended");
    }
    Ok(since.elapsed())
}

async fn fold(log: &dyn Log, count: usize) -> anyhow::Result<Duration> {
    let since = Instant::now();
    let mut reader = log.read(Seq(1), None).await?;
    let mut state = State::default();
    while usize::try_from(state.head.applied.0)? < count {
        let records = reader.next_batch(WAIT).await?.records;
        replay::fold::fold(&mut state, &records, |_, _, _, _| ());
    }
    Ok(since.elapsed())
}
