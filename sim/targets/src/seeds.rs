//! What fuzzing begins with, made from records of every kind; and mutations of it that are the same in
//! every run. `cargo run -p fleetlog-fuzz-targets --example corpus` writes what is missing of it to
//! `sim/fuzz/corpus`; what is there is never changed, so that old forms stay in it.

use crate::dice::Dice;
use crate::events::event;
use crate::fold::frame;
use crate::history::{fold, history};
use replay_core::State;
use replay_core::author::Line;
use schema::SCHEMA_VERSION;
use schema::event::Event;
use schema::id::AuthorId;
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::record::Record;
use schema::requirements::{Market, Requirements};
use schema::resources::Resources;
use schema::telemetry::{self, AgentHeartbeat, LeaderHeartbeat};
use schema::unit::{Epoch, Micros, Seq};
use uuid::Uuid;

const IDS: &str =
    "a-1\ni-06gzsscyz2a50f2f1hmv\n0\n-\nA\na.b\n\nx y\n01234567\n012345678\n012345679";
const AMOUNTS: &str =
    "2\n0.5\n500m\n64MiB\n1.5GiB\n1GB\n4096\n1.\n.5\n-1\n99999999999TiB\n1e9\n16777216TiB";

/// The kernel tells of a kill in today's words, with a part that it escapes; and in those of old.
const KERNEL: &str = "4,478,6436485209,-;sort\\x20x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0\n \
    SUBSYSTEM=memory\n6,480,6436485668,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,\
    mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=sort,pid=7,uid=0\n\
    3,481,6436485686,-;Memory cgroup out of memory: Killed process 7 (sort) total-vm:9kB, anon-rss:4kB, \
    file-rss:1kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0\n\
    6,482,6436485690,-;Tasks in /a/b are going to be killed due to memory.oom.group set\n\
    3,483,6436485691,-;Memory cgroup out of memory: Killed process 8 (sh) total-vm:9kB, anon-rss:4kB, \
    file-rss:1kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0\n";
const KERNEL_OF_OLD: &str = "6,1,10,-;Task in /a/b killed as a result of limit of /a\n\
    3,2,11,-;Memory cgroup out of memory: Kill process 7 (x) score 9 or sacrifice child\n\
    3,3,12,-;Killed process 8 (y (z)), UID 3, total-vm:9kB, anon-rss:4kB, file-rss:1kB\n\
    6,7,13,c;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0\n\
    6,8,14,+;,global_oom,task_memcg=/,task=x,pid=9,uid=0\n\
    3,9,15,-;Out of memory: Killed process 9 (x) total-vm:9kB, anon-rss:4kB, file-rss:1kB, shmem-rss:0kB\n\
    6,9,16,-;oom_reaper: reaped process 9 (x), now anon-rss:0kB\n12,10,17,-;Killed process 1 (x) total-vm:1kB\n";

/// Bytes without a pattern; the same for the same seed.
#[must_use]
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length + 8).map(|_| next()).skip(8).collect()
}

/// A record of each kind, by whom it names.
#[must_use]
pub fn records() -> Vec<Record> {
    let seeds = (0_u64..).zip(Event::KINDS);
    let records = seeds.filter_map(|(seed, kind)| {
        let bytes = noise(seed + 1, 200);
        let event = event(kind, &mut Dice::wild(&bytes))?;
        let route = event.route();
        let itself = route.driver.map(AuthorId::from).or(route.instance.map(AuthorId::from));
        Some(Record {
            version: SCHEMA_VERSION,
            author: itself.unwrap_or_else(|| Dice::tame(&bytes).replica()),
            incarnation: Uuid::from_u128(seed.into()),
            number: seed,
            cause: Seq(seed % 3),
            epoch: Epoch(seed % 2),
            must_understand: seed % 7 == 0,
            event,
        })
    });
    records.collect()
}

/// Every piece of input to begin with: target, name, bytes.
#[must_use]
pub fn corpus() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut found = Vec::new();
    let cluster = Dice::tame(&[]).cluster();
    for record in records() {
        let Ok(Line { subject, payload }) = Line::of(&cluster, &record) else { continue };
        let kind = record.event.kind().to_owned();
        found.push(("record", kind.clone(), payload.clone()));
        found.push(("subject", kind, [subject.as_bytes(), b"\n", &payload].concat()));
    }
    for seed in 0..6 {
        let told = history(&noise(seed + 1, 900));
        found.push(("fold", format!("history-{seed}"), frame(&told)));
        found.push(("snapshot", format!("state-{seed}"), fold(State::default(), &told).snapshot()));
    }
    found.extend(texts());
    found
}

fn texts() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut dice = Dice::tame(&[]);
    let resources = Resources { cpu: 2000, memory: 4 << 30, disk: 1, ..Resources::default() };
    let needs = Requirements { width: 2, ..Requirements::exactly(resources.clone()) };
    let (kind, zone) = ("local.large".into(), "local-a".into());
    let offering = Offering {
        kind,
        zone,
        market: Market::Spot,
        price: Micros(96_000),
        cap: None,
        resources,
        links: Links::default(),
    };
    let policy = Policy { offerings: vec![offering], ..Policy::default() };
    let beat = AgentHeartbeat { instance: dice.instance(), execs: 3 };
    let leads = LeaderHeartbeat { replica: dice.replica(), epoch: Epoch(2) };
    let json = |value: serde_json::Result<String>| value.unwrap_or_default().into_bytes();
    vec![
        ("id", "lines".into(), IDS.into()),
        ("amount", "lines".into(), AMOUNTS.into()),
        ("amount", "money-and-time".into(), "$1.50\n$0.000001\n$7\n500ms\n30s\n5m\n1h\n+5s".into()),
        ("policy", "whole".into(), json(serde_json::to_string_pretty(&policy))),
        ("policy", "one-key".into(), br#"{"lease": 1000}"#.to_vec()),
        ("requirements", "width".into(), json(serde_json::to_string(&needs))),
        ("kernel", "today".into(), KERNEL.into()),
        ("kernel", "of-old".into(), KERNEL_OF_OLD.into()),
        ("heartbeat", "agent".into(), telemetry::encode(&beat)),
        ("heartbeat", "leader".into(), telemetry::encode(&leads)),
    ]
}

/// The `n`th mutation of these bytes: some changed, some cut out, some put in from another piece.
#[must_use]
pub fn mutated(bytes: &[u8], other: &[u8], n: u64) -> Vec<u8> {
    let noise = noise(n.wrapping_add(1), 40);
    let mut dice = Dice::wild(&noise);
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        let at = place(&mut dice, bytes.len());
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, dice.byte()),
            2 => drop(bytes.drain(at..(at + usize::from(dice.below(16))).min(bytes.len()))),
            3 => {
                let from = place(&mut dice, other.len());
                let until = (from + usize::from(dice.byte())).min(other.len());
                bytes.splice(at..at, other[from..until].iter().copied());
            }
            4 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            _ if at < bytes.len() => bytes[at] = dice.byte(),
            _ => {}
        }
    }
    bytes
}

/// A place in so many bytes, their end included.
fn place(dice: &mut Dice<'_>, length: usize) -> usize {
    let number = (usize::from(dice.byte()) << 8) | usize::from(dice.byte());
    number % (length + 1)
}
