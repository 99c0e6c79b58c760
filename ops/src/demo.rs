//! `fleetlog demo`: the whole system in one process, on an embedded log, with real processes as
//! execs. Two drivers count words at once while an instance is interrupted, another is lost, and the
//! leader is killed. Ends with the result, the bill and an audit; succeeds only if all of it is true.

mod audit;
mod cluster;
mod workflow;

use crate::output::{print, say};
use cluster::Cluster;
use schema::unit::Millis;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long an interrupted instance has left.
const NOTICE: Millis = Millis(6_500);
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let since = Instant::now();
    let mut cluster = Cluster::start()?;
    say("demo: one embedded log, three replicas, an empty fleet; two drivers join");
    let (heard, mut results) = tokio::sync::mpsc::unbounded_channel();
    let one = workflow::spawn(&cluster, "alice", &workflow::TEXTS[..3], heard.clone());
    let two = workflow::spawn(&cluster, "bob", &workflow::TEXTS[3..], heard);
    if let Some(first) = results.recv().await {
        say(&format!("demo: first result after {:.1} s: {first}", since.elapsed().as_secs_f64()));
    }
    tokio::spawn(async move { while results.recv().await.is_some() {} });
    let failover = faults(&mut cluster).await?;
    let (alice, bob) = tokio::time::timeout(PATIENCE, async { tokio::join!(one, two) }).await?;
    let (alice, bob) = (alice??, bob??);
    cluster.settle(PATIENCE).await?;
    let correct = report("alice", &alice) & report("bob", &bob);
    let bill = cluster.bill().await?;
    print(&format!("cost: {} for {} instances", bill.cost.dollars(), bill.instances));
    print(&format!(
        "failover: {:.2} s from the leader's death to the next decision",
        failover.as_secs_f64()
    ));
    let sound = audit::run(&mut cluster).await?;
    let all = correct && sound;
    print(if all { "demo: everything holds" } else { "demo: SOMETHING DOES NOT HOLD" });
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An interruption, a lost instance, and the death of the leader, while both drivers work.
async fn faults(cluster: &mut Cluster) -> anyhow::Result<Duration> {
    let interrupted = cluster.busy_instance(None).await?;
    say(&format!("demo: {interrupted} gets a spot notice, {} ms left", NOTICE.0));
    cluster.interrupt(&interrupted, NOTICE);
    let lost = cluster.busy_instance(Some(&interrupted)).await?;
    say(&format!("demo: {lost} is killed without notice"));
    cluster.vanish(&lost).await;
    let failover = cluster.kill_leader().await?;
    say(&format!(
        "demo: the leader was killed; another decides {:.2} s later",
        failover.as_secs_f64()
    ));
    Ok(failover)
}

fn report(driver: &str, outcome: &workflow::Outcome) -> bool {
    let correct = outcome.counted == outcome.expected;
    print(&format!(
        "{driver}: {} execs, {} run again after faults; {}",
        outcome.execs,
        outcome.again,
        if correct { "the counts agree with a direct computation" } else { "THE COUNTS ARE WRONG" }
    ));
    for (word, count) in outcome.counted.iter().take(5) {
        print(&format!("  {count:>4} {word}"));
    }
    correct
}
