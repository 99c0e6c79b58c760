//! The demo's audit: the invariants hold after every record, all replicas agree, and a replay from
//! the beginning gives the same state.

use super::cluster::Cluster;
use crate::output::print;
use anyhow::bail;
use replay::log::read_to_end;
use replay_core::state::exec::ExecStatus;
use replay_core::{State, invariant};
use schema::unit::Seq;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

pub(crate) async fn run(cluster: &mut Cluster) -> anyhow::Result<bool> {
    let mut states = agreed(cluster).await?;
    let seq = states[0].head.applied;
    let digests: Vec<_> = states.iter_mut().map(State::digest).collect();
    let equal = digests.iter().all(|digest| *digest == digests[0]);
    print(&format!("audit: {} replicas at record {seq}, digests {}", digests.len(), word(equal)));
    let (mut replayed, breaches) = replay(cluster, seq).await?;
    let same = replayed.digest() == digests[0];
    print(&format!("audit: replay from empty gives digest {}: {}", digests[0], word(same)));
    let sound = breaches.is_empty();
    print(&format!(
        "audit: {} invariants after each record: {}",
        invariant::INVARIANTS.len(),
        if sound { "hold" } else { "BROKEN" }
    ));
    breaches.iter().take(5).for_each(|breach| print(&format!("  {breach}")));
    let open = replayed.execs.iter().filter(|(_, e)| !matches!(e.status, ExecStatus::Ended { .. }));
    let open = open.count();
    print(&format!("audit: {} execs, {open} without an end", replayed.execs.len()));
    Ok(equal && digests.len() == 3 && same && sound && open == 0)
}

fn word(equal: bool) -> &'static str {
    if equal { "equal" } else { "DIFFERENT" }
}

/// The states of all replicas, once they have folded the same records.
async fn agreed(cluster: &Cluster) -> anyhow::Result<Vec<State>> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let states = cluster.states().await;
        let heads: Vec<Seq> = states.iter().map(|state| state.head.applied).collect();
        if heads.len() == 3 && heads.iter().all(|head| *head == heads[0]) {
            return Ok(states);
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("three replicas did not come to the same record within {} s", PATIENCE.as_secs())
}

async fn replay(cluster: &Cluster, to: Seq) -> anyhow::Result<(State, Vec<String>)> {
    let mut state = State::default();
    let mut breaches = Vec::new();
    let mut records = read_to_end(&*cluster.log, Seq(1), None).await?;
    records.retain(|stored| stored.seq <= to);
    replay::fold::fold(&mut state, &records, |state, stored, _, _| {
        for breach in invariant::check(state) {
            let seq = stored.seq;
            breaches.push(format!("record {seq}: {}: {}", breach.invariant, breach.found));
        }
    });
    Ok((state, breaches))
}
