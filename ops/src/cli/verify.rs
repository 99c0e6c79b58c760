//! `verify`: whether a log can be trusted. Folds it again from its first record, checks what must be
//! true after each one, and compares with what its leaders wrote down and with a snapshot on the way.

use super::context::Context;
use crate::output::{Output, or_dash, print, say, table};
use anyhow::Context as _;
use replay::log::{Stored, read_to_end};
use replay_core::snapshot::SnapshotError;
use replay_core::{Digest, Outcome, State, Void, invariant};
use schema::event::Event;
use schema::unit::Seq;
use serde_json::json;
use std::collections::BTreeSet;
use std::process::ExitCode;

/// An invariant that did not hold, where it was first broken.
struct Broken {
    seq: Seq,
    invariant: &'static str,
    found: String,
}

/// What was found on a log.
struct Findings {
    /// The state at its end.
    state: State,
    digest: Digest,
    /// Digests that leaders wrote down and this fold has taken as well.
    compared: u64,
    /// The last record of which such a digest was the fold's own.
    agreed: Seq,
    /// The record whose digest was another one than the fold's.
    diverged: Option<Seq>,
    broken: Vec<Broken>,
    /// After which record the snapshot was taken.
    halfway: Seq,
    /// What the snapshot and the rest of the log digest to.
    resumed: Result<Digest, SnapshotError>,
}

pub(crate) async fn verify(context: Context) -> anyhow::Result<ExitCode> {
    let log = context.open().await?;
    let records = read_to_end(&*log, Seq(1), None).await.context("cannot read the whole log")?;
    let findings = findings(&records);
    let faults = findings.faults();
    match context.output {
        Output::Table => show(&findings),
        Output::Json => print(&findings.json(faults.is_empty()).to_string()),
        Output::Quiet => print(&findings.digest.to_string()),
    }
    faults.iter().for_each(|fault| say(&format!("fleetlog: {fault}")));
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn findings(records: &[Stored]) -> Findings {
    let (head, rest) = records.split_at(records.len() / 2);
    let (mut state, mut seen) = (State::default(), Seen::default());
    fold(&mut state, head, &mut seen);
    let (halfway, snapshot) = (state.head.applied, state.snapshot());
    fold(&mut state, rest, &mut seen);
    let resumed = State::restore(&snapshot).map(|mut resumed| {
        replay::fold::fold(&mut resumed, rest, |_, _, _, _| {});
        resumed.digest()
    });
    let Seen { compared, agreed, diverged, broken, .. } = seen;
    let digest = state.digest();
    Findings { state, digest, compared, agreed, diverged, broken, halfway, resumed }
}

#[derive(Default)]
struct Seen {
    compared: u64,
    agreed: Seq,
    diverged: Option<Seq>,
    broken: Vec<Broken>,
    /// An invariant once broken stays so for long: it is told of once.
    known: BTreeSet<&'static str>,
}

fn fold(state: &mut State, records: &[Stored], seen: &mut Seen) {
    replay::fold::fold(state, records, |state, stored, outcome, record| {
        if let (Outcome::Applied, Some(Event::Checkpoint(e))) = (outcome, record.map(|r| r.event))
            && state.marked(e.seq).is_some()
        {
            seen.compared += 1;
            seen.agreed = if state.diverged.is_none() { e.seq } else { seen.agreed };
        }
        seen.diverged = seen.diverged.or(state.diverged.map(|_| stored.seq));
        for breach in invariant::check(state) {
            if seen.known.insert(breach.invariant) {
                let invariant::Breach { invariant, found } = breach;
                seen.broken.push(Broken { seq: stored.seq, invariant, found });
            }
        }
    });
}

impl Findings {
    fn same(&self) -> bool {
        self.resumed.as_ref().is_ok_and(|digest| *digest == self.digest)
    }

    /// What is wrong, each with what can be done about it.
    fn faults(&self) -> Vec<String> {
        let head = &self.state.head;
        let mut faults = Vec::new();
        if let (Some(seq), Some(of)) = (self.diverged, self.state.diverged) {
            faults.push(format!(
                "in record {seq} a leader wrote down another state after record {of} than the log \
                 gives: somewhere after record {} it was changed later, or a build that folds it \
                 differently wrote it; keep it as it is, and verify it with the build that wrote it",
                self.agreed
            ));
        }
        for Broken { seq, invariant, found } in &self.broken {
            faults.push(format!(
                "{invariant} does not hold after record {seq}: {found}; this is a fault of \
                 fleetlog: keep the log, and look at `fleetlog state --at {seq}`"
            ));
        }
        if !self.same() {
            let why = match &self.resumed {
                Ok(digest) => format!("digests to {digest}"),
                Err(error) => error.to_string(),
            };
            faults.push(format!(
                "a snapshot after record {}, and the rest of the log, {why}: this is a fault of \
                 fleetlog: keep the log, and restore no snapshot of it",
                self.halfway
            ));
        }
        faults.extend(head.halted.clone());
        faults
    }

    fn json(&self, sound: bool) -> serde_json::Value {
        let head = &self.state.head;
        let broken = self.broken.iter().map(|broken| {
            let Broken { seq, invariant, found } = broken;
            json!({ "seq": seq, "invariant": invariant, "found": found })
        });
        json!({
            "sound": sound,
            "records": head.applied,
            "voids": head.voids,
            "checkpoints": self.compared,
            "diverged": self.diverged,
            "broken": broken.collect::<Vec<_>>(),
            "snapshot": { "seq": self.halfway, "same": self.same() },
            "halted": head.halted,
            "digest": self.digest.to_string(),
        })
    }
}

fn show(findings: &Findings) {
    let Findings { state, broken, halfway, .. } = findings;
    let head = &state.head;
    let hold = if broken.is_empty() { "all hold" } else { "BROKEN" };
    let agree = match findings.diverged {
        Some(at) => format!("record {at} DIFFERS"),
        None if findings.compared == 0 => "none to compare".to_owned(),
        None => "all agree".to_owned(),
    };
    let same = if findings.same() { "the same digest" } else { "ANOTHER DIGEST" };
    let voids: u64 = head.voids.values().sum();
    let mut rows = vec![
        ["records".to_owned(), head.applied.to_string(), or_dash(head.cluster.as_ref())],
        ["void".to_owned(), voids.to_string(), String::new()],
    ];
    let reason =
        |(void, count): (&Void, &u64)| [String::new(), count.to_string(), void.to_string()];
    rows.extend(head.voids.iter().map(reason));
    rows.extend([
        ["checkpoints".to_owned(), findings.compared.to_string(), agree],
        ["invariants".to_owned(), invariant::INVARIANTS.len().to_string(), hold.to_owned()],
        ["snapshot".to_owned(), format!("at {halfway}"), same.to_owned()],
        ["digest".to_owned(), String::new(), findings.digest.to_string()],
    ]);
    table(&["check", "count", "found"], rows.iter().map(|row| &row[..]));
}
