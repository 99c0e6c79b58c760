//! `why`: what led to something, from the driver's request down, and what came of it.

mod rests;
mod words;

pub(super) use words::launched;

use super::context::{Context, Folded, fold, when};
use crate::output::{Output, Usage, print};
use anyhow::bail;
use clap::Args;
use replay_core::{Outcome, State};
use schema::event::Event;
use schema::subject::Aggregate;
use schema::unit::{LogTime, Seq};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// Show what led to something, and why
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// An alloc, exec, instance, launch or driver, or the sequence of a record
    id: String,
}

/// One record that had its effect.
struct Step {
    seq: Seq,
    time: LogTime,
    author: String,
    event: Event,
    /// The record that it rests on.
    parent: Option<Seq>,
    /// What can be said of it beside what it says itself.
    note: Option<String>,
}

/// The records of a log, each with what it rests on.
#[derive(Default)]
struct History {
    steps: BTreeMap<Seq, Step>,
    /// The last record about each thing.
    last: BTreeMap<(Aggregate, String), Seq>,
}

impl History {
    fn add(&mut self, state: &State, folded: Folded) {
        let Folded { seq, time, outcome: Outcome::Applied, record: Some(record) } = folded else {
            return;
        };
        let event = record.event;
        let on = rests::on(&event);
        let parent = on.into_iter().filter_map(|thing| self.last.get(&thing).copied()).max();
        for thing in rests::about(&event) {
            self.last.insert(thing, seq);
        }
        let (author, note) = (record.author.to_string(), words::note(state, &event));
        self.steps.insert(seq, Step { seq, time, author, event, parent, note });
    }

    /// The records that concern an id, or have this sequence, and all that they rest on.
    fn lineage(&self, of: &str) -> BTreeSet<Seq> {
        let quoted = json!(of).to_string();
        let concerned = |step: &&Step| {
            of.parse() == Ok(step.seq.0)
                || serde_json::to_string(&step.event).is_ok_and(|text| text.contains(&quoted))
        };
        let mut found = BTreeSet::new();
        for step in self.steps.values().filter(concerned) {
            let mut next = Some(step.seq);
            while let Some(seq) = next
                && found.insert(seq)
            {
                next = self.steps.get(&seq).and_then(|step| step.parent);
            }
        }
        found
    }

    /// The chosen records as a tree: what rests on something stands below it, further in.
    fn tree(&self, chosen: &BTreeSet<Seq>) -> Vec<(usize, &Step)> {
        let mut below: BTreeMap<Option<Seq>, Vec<&Step>> = BTreeMap::new();
        for step in chosen.iter().filter_map(|seq| self.steps.get(seq)) {
            below.entry(step.parent).or_default().push(step);
        }
        let mut tree = Vec::new();
        let mut open: Vec<(usize, &Step)> = Vec::new();
        let push = |open: &mut Vec<_>, depth, of| {
            let steps = below.get(&of).into_iter().flatten().rev();
            open.extend(steps.map(|step| (depth, *step)));
        };
        push(&mut open, 0, None);
        while let Some((depth, step)) = open.pop() {
            tree.push((depth, step));
            push(&mut open, depth + 1, Some(step.seq));
        }
        tree
    }
}

impl Step {
    fn line(&self, depth: usize) -> String {
        let Step { seq, time, author, .. } = self;
        let indent = "  ".repeat(depth);
        let words = self.words();
        format!("{seq:>6} {} {indent}{author}: {words}", when(*time))
    }

    fn json(&self, depth: usize) -> Value {
        json!({
            "seq": self.seq, "time": when(self.time), "author": self.author,
            "kind": self.event.kind(), "rests_on": self.parent, "depth": depth,
            "words": self.words(), "body": self.event,
        })
    }

    fn words(&self) -> String {
        let words = words::of(&self.event);
        match &self.note {
            Some(note) => format!("{words}; {note}"),
            None => words,
        }
    }
}

pub(crate) async fn why(args: WhyArgs, context: Context) -> anyhow::Result<ExitCode> {
    if args.id.is_empty() {
        bail!(Usage("why what? give an id or the sequence of a record".into()));
    }
    let log = context.open().await?;
    let mut history = History::default();
    fold(&*log, |_, _| true, |state, folded| history.add(state, folded)).await?;
    let chosen = history.lineage(&args.id);
    if chosen.is_empty() {
        bail!(Usage(format!("nothing on the log concerns {:?}", args.id)));
    }
    for (depth, step) in history.tree(&chosen) {
        match context.output {
            Output::Json => print(&step.json(depth).to_string()),
            Output::Quiet => print(&step.seq.to_string()),
            Output::Table => print(&step.line(depth)),
        }
    }
    Ok(ExitCode::SUCCESS)
}
