//! A large fleet with a long queue: what a decision, a record and a snapshot take at that size, and the
//! memory that the state does.

use super::crowd::{Crowd, PENDING, buying, need, preempting, tell};
use super::history::Writer;
use super::measure::{Figure, milliseconds};
use anyhow::{Context, ensure};
use controlplane_core::decide::MAX_ROUND;
use controlplane_core::{Sight, decide};
use replay::fold::message;
use replay::log::Stored;
use replay_core::State;
use rustix::time::{ClockId, clock_gettime};
use schema::codec;
use schema::event::Event;
use schema::id::{ClusterId, InstanceId};
use schema::unit::Millis;
use std::hint::black_box;
use std::time::Duration;

const TURNS: usize = 3;
/// Copies of a state by which its memory is measured.
const COPIES: usize = 3;

/// Notices that are given in one round, at least: to so many who wait others give way.
const NOTICES: usize = 64;

/// How large a fleet is, and how long its queue.
pub(super) struct Size {
    /// As it is in the names of figures.
    pub(super) name: &'static str,
    instances: usize,
    waiting: u64,
    /// Longest that a decision may take, in milliseconds.
    decision: f64,
}

/// The sizes that are measured.
pub(super) const SIZES: [Size; 2] = [
    Size { name: "1k", instances: 1_000, waiting: 10_000, decision: 50.0 },
    Size { name: "10k", instances: 10_000, waiting: 100_000, decision: 1000.0 },
];

pub(super) fn figures(cluster: &ClusterId, size: &Size) -> anyhow::Result<Vec<Figure>> {
    let crowd = Crowd::new(cluster, size.instances)?;
    let (room, _) = crowd.queue(size.waiting, 0, |n| need(100 + n % 40 * 100, n))?;
    let (mut full, asked) = crowd.queue(size.waiting, 1, |n| need(5000 + n % 80 * 100, n))?;
    let buying = buying(&full)?;
    let mut figures = vec![
        decision("grants", size, &room.state, MAX_ROUND)?,
        decision("launches", size, &buying.state, MAX_ROUND)?,
        decision("preempts", size, &preempting(&full)?.state, MAX_ROUND)?,
    ];
    tell(&mut full, &crowd, &asked)?;
    figures.push(decision("quiet", size, &full.state, 0)?);
    figures.push(memory(size, &full.state)?);
    figures.push(record(size, &crowd, &full)?);
    figures.extend(snapshot(size, &full)?);
    Ok(figures)
}

/// Processor time of this thread: what is measured here waits for nothing, whoever else is busy.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The fastest of some turns.
fn best<T>(mut run: impl FnMut() -> T) -> (Duration, T) {
    let timed = |run: &mut dyn FnMut() -> T| {
        let since = processor_time();
        let result = run();
        (processor_time().saturating_sub(since), result)
    };
    let mut fastest = timed(&mut run);
    for _ in 1..TURNS {
        let (took, result) = timed(&mut run);
        if took < fastest.0 {
            fastest = (took, result);
        }
    }
    fastest
}

fn decision(what: &str, size: &Size, state: &State, says: usize) -> anyhow::Result<Figure> {
    let heard = |id: &InstanceId| (id.clone(), Millis(0));
    let silent = state.index.live_instances.iter().map(heard).collect();
    let sight = Sight { silent, entropy: 1, ..Sight::default() };
    let (took, events) = best(|| decide(state, &sight));
    ensure!(events.len() == says, "{what}: {} events", events.len());
    if what == "grants" {
        ensure!(events.iter().all(|event| matches!(event, Event::AllocGranted(_))), "{what}");
    }
    if what == "launches" {
        let launches = events.iter().filter(|event| matches!(event, Event::LaunchRequested(_)));
        ensure!(launches.count() == PENDING as usize, "{what}");
    }
    if what == "preempts" {
        let notices = events.iter().filter(|event| matches!(event, Event::AllocPreempted(_)));
        ensure!(notices.count() >= NOTICES, "{what}");
    }
    Ok(Figure {
        name: format!("size_{}_{what}", size.name),
        value: milliseconds(took),
        unit: "ms",
        limit: size.decision,
        against: "what a decision may take, fixed",
        target: "<= 1",
    })
}

/// Bytes of this process that are in memory.
fn resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: u32 = kilobytes.context("/proc/self/status has no VmRSS")?.parse()?;
    Ok(f64::from(kilobytes) * 1024.0)
}

fn megabytes(bytes: usize) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(bytes)?) / 1e6)
}

fn memory(size: &Size, state: &State) -> anyhow::Result<Figure> {
    let before = resident()?;
    let copies: Vec<State> = (0..COPIES).map(|_| state.clone()).collect();
    let bytes = (resident()? - before) / f64::from(u32::try_from(COPIES)?);
    black_box(copies);
    Ok(Figure {
        name: format!("size_{}_memory", size.name),
        value: bytes / 1e6,
        unit: "MB",
        limit: megabytes(state.snapshot().len())?,
        against: "its snapshot",
        target: "-",
    })
}

/// What a record takes, of the same kinds as in [`super::folding`]: work that begins and ends.
fn record(size: &Size, crowd: &Crowd, full: &Writer) -> anyhow::Result<Figure> {
    let (mut busy, mut made) = (full.clone(), 1 << 40);
    busy.wave(&crowd.drivers, &crowd.instances, &mut made)?;
    let records = busy.records.split_off(full.records.len());
    let (decoding, decoded) = best(|| records.iter().try_for_each(decoded));
    decoded?;
    let mut states = vec![full.state.clone(); TURNS];
    let (applying, _) = best(|| fold(states.pop().unwrap_or_default(), &records));
    let count = f64::from(u32::try_from(records.len())?);
    let each = |took| milliseconds(took) * 1000.0 / count;
    Ok(Figure {
        name: format!("size_{}_record", size.name),
        value: each(applying),
        unit: "us",
        limit: each(decoding),
        against: "decoding it, and no more",
        target: "<= 4",
    })
}

/// What a snapshot takes, beside the records that it stands for.
fn snapshot(size: &Size, full: &Writer) -> anyhow::Result<[Figure; 3]> {
    let Writer { records, state, .. } = full;
    let (folding, _) = best(|| fold(State::default(), records));
    let (taking, bytes) = best(|| state.snapshot());
    let (restoring, restored) = best(|| State::restore(&bytes));
    restored.context("a snapshot cannot be restored")?;
    let all: usize = records.iter().map(|stored| stored.payload.len()).sum();
    let figure = |what, value, unit, limit, against, target| Figure {
        name: format!("size_{}_{what}", size.name),
        value,
        unit,
        limit,
        against,
        target,
    };
    let (fold, snapshot) = (milliseconds(folding), megabytes(bytes.len())?);
    let records = "folding the records that it stands for";
    Ok([
        figure("snapshot", snapshot, "MB", megabytes(all)?, "the records that it stands for", "-"),
        figure("snapshot_taken", milliseconds(taking), "ms", fold, records, "<= 1"),
        figure("snapshot_restored", milliseconds(restoring), "ms", fold, records, "<= 1"),
    ])
}

fn decoded(stored: &Stored) -> anyhow::Result<()> {
    black_box(codec::decode(&stored.payload)?);
    Ok(())
}

fn fold(mut state: State, records: &[Stored]) -> State {
    for stored in records {
        state.apply(message(stored));
    }
    state
}
