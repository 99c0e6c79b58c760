//! A process that is killed while it writes: what it was told is stored is there afterwards, and
//! rounds are there whole.

use crate::place::directory;
use crate::support::{SUBJECT, cluster, entry, numbers};
use replay::log::{Log, embedded};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const DIRECTORY: &str = "FLEETLOG_CRASH_TEST_DIRECTORY";
const ROUND: u32 = 7;

/// The process that is killed: this program, told by the environment to be it.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let (log, _) = embedded::open(Path::new(&dir), &cluster(), true).expect("opens");
    for number in 0.. {
        let round = vec![entry(SUBJECT, &number.to_string()); ROUND as usize];
        log.append(&round, None).await.expect("stored");
        writeln!(std::io::stdout(), "stored {number}").expect("said");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = directory();
    let mut victim = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "crash::victim", "--nocapture"])
        .env(DIRECTORY, dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("spawned");
    let lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
    let said =
        lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("stored ")?.parse().ok());
    let last: u32 = said.take(200).last().expect("it stored something");
    victim.kill().expect("killed");
    victim.wait().expect("ended");
    let (log, _) = embedded::open(dir.path(), &cluster(), false).expect("opens");
    let found = numbers(&*log).await;
    assert_eq!(found.len() % ROUND as usize, 0, "a round is torn");
    let rounds = u32::try_from(found.len()).expect("few") / ROUND;
    assert!(rounds > last, "{last} was acknowledged, {rounds} rounds are there");
    let expected: Vec<u32> = (0..rounds).flat_map(|n| [n; ROUND as usize]).collect();
    assert_eq!(found, expected);
}
