//! `fleetlog-sim`: runs seeds, says what was found and how to see it again, and what was exercised.

use clap::Parser;
use schema::unit::Millis;
use sim::{Case, Coverage, Hit, Listed, Report, shrink};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Run the whole system under simulation, seed by seed
#[derive(Parser)]
#[command(name = "fleetlog-sim", version)]
struct Args {
    /// How many seeds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Nothing goes wrong but this, as a failing seed prints it: lost-append#3,kill-agent#0
    #[arg(long, value_delimiter = ',')]
    faults: Option<Vec<Hit>>,
    /// Stop at the first seed in which something is found, and leave no faults out of it; one at a time
    #[arg(long)]
    first: bool,
    /// Run each seed twice: both must give the same bytes
    #[arg(long)]
    twice: bool,
    /// How many seeds at a time; as many as there are cores unless told
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// A page that lists what seeds do not exercise, such as docs/simulation.md: anything else is a fault
    #[arg(long)]
    listed: Option<PathBuf>,
}

/// In how many bad seeds faults are left out until only those are left that it takes.
const SHRUNK: u64 = 3;

/// The sum of many reports.
#[derive(Default)]
struct Sum {
    seeds: u64,
    bad: u64,
    records: u64,
    steps: u64,
    agents: usize,
    coverage: Coverage,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (since, mut out) = (Instant::now(), std::io::stdout());
    let mut sum = Sum::default();
    for report in reports(&args) {
        sum.seeds += 1;
        sum.records += report.records;
        sum.steps += report.steps;
        sum.agents = sum.agents.max(report.agents);
        sum.coverage.add(&report.coverage);
        if !report.found.is_empty() {
            sum.bad += 1;
            // Nobody may be reading any more; the exit code says it too.
            let small = !args.first && sum.bad <= SHRUNK;
            let _ = tell(&mut out, &args, &report, small);
            if args.first {
                break;
            }
        }
    }
    let millis = Millis::of(since.elapsed()).0.max(1);
    let _ = conclude(&mut out, &sum, millis);
    let listed = args.listed.as_deref().is_none_or(|page| is_listed(&mut out, page, &sum.coverage));
    let all = sum.bad == 0 && sum.seeds == args.seeds && listed;
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether what was not exercised is what the page lists.
fn is_listed(out: &mut impl Write, page: &Path, coverage: &Coverage) -> bool {
    let wrong = match std::fs::read_to_string(page) {
        Ok(text) => Listed::of(&text).wrong(coverage),
        Err(error) => vec![format!("cannot read it: {error}")],
    };
    for one in &wrong {
        // The exit code says it too.
        let _ = writeln!(out, "{}: {one}", page.display());
    }
    wrong.is_empty()
}

/// Runs the seeds on as many threads as there are cores, each seed on one; reports come in the order of
/// the seeds, however many are run at a time.
fn reports(args: &Args) -> impl Iterator<Item = Report> {
    let (done, reports) = mpsc::sync_channel(64);
    let next = std::sync::Arc::new(AtomicU64::new(0));
    let (from, count) = (args.from, args.seeds);
    let only: Option<BTreeSet<Hit>> = args.faults.clone().map(|hits| hits.into_iter().collect());
    let twice = args.twice;
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = if args.first { 1 } else { args.jobs.map_or_else(cores, NonZero::get) };
    for _ in 0..jobs {
        let (done, next, only) = (done.clone(), next.clone(), only.clone());
        thread::spawn(move || {
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let case = Case { only: only.clone(), ..Case::of(from.wrapping_add(nth)) };
                if nth >= count || done.send((nth, run(&case, twice))).is_err() {
                    return;
                }
            }
        });
    }
    in_order(reports.into_iter())
}

/// What comes numbered from 0, each as soon as all before it have come.
fn in_order<T>(numbered: impl Iterator<Item = (u64, T)>) -> impl Iterator<Item = T> {
    let (mut early, mut next) = (BTreeMap::new(), 0);
    numbered.flat_map(move |(nth, one)| {
        early.insert(nth, one);
        let due = std::iter::from_fn(|| early.remove(&next).inspect(|_| next += 1));
        due.collect::<Vec<T>>()
    })
}

fn run(case: &Case, twice: bool) -> Report {
    let mut report = case.run();
    if twice && report != case.run() {
        report.found.push("run again, the same seed gave another history".to_owned());
    }
    report
}

/// Says what was found in a seed, and if `small` with how little of what went wrong it is found too.
fn tell(out: &mut impl Write, args: &Args, report: &Report, small: bool) -> std::io::Result<()> {
    let seed = report.seed;
    writeln!(out, "seed {seed}, after {} records:", report.records)?;
    for found in &report.found {
        writeln!(out, "  {found}")?;
    }
    if !small {
        return writeln!(out, "  again: ./dev sim --from {seed} --seeds 1");
    }
    let only = args.faults.clone().map(|hits| hits.into_iter().collect());
    let (_, small) = shrink(&Case { only, ..Case::of(seed) });
    writeln!(out, "  of {} faults these are enough:", report.hits.len())?;
    for (hit, at) in &small.hits {
        writeln!(out, "    {:>4}.{:03}s {hit}", at / 1000, at % 1000)?;
    }
    for found in &small.found {
        writeln!(out, "  then: {found}")?;
    }
    writeln!(out, "  its last records:")?;
    for line in &small.story {
        writeln!(out, "    {line}")?;
    }
    let hits: Vec<String> = small.hits.iter().map(|(hit, _)| hit.to_string()).collect();
    let hits = hits.join(",");
    writeln!(out, "  again: ./dev sim --from {seed} --seeds 1 --faults '{hits}'")
}

fn conclude(out: &mut impl Write, sum: &Sum, millis: u64) -> std::io::Result<()> {
    let mut missing = Vec::new();
    writeln!(out, "exercised:")?;
    for (family, members) in sum.coverage.table() {
        let seen = members.iter().filter(|(_, count)| *count > 0).count();
        let times: u64 = members.iter().map(|(_, count)| count).sum();
        let all = members.len();
        writeln!(out, "  {family:<14} {seen:>2} of {all:>2}, {times:>10} times")?;
        let not = members.into_iter().filter(|(_, count)| *count == 0);
        missing.extend(not.map(|(one, _)| format!("{family}: {one}")));
    }
    writeln!(out, "not exercised: {}", if missing.is_empty() { "nothing" } else { "" })?;
    for one in missing {
        writeln!(out, "  {one}")?;
    }
    let Sum { seeds, bad, records, steps, agents, .. } = sum;
    let (seconds, tenths, rate) = (millis / 1000, millis % 1000 / 100, steps * 1000 / millis);
    writeln!(
        out,
        "{seeds} seeds, {bad} bad; at most {agents} agents at once; {records} records, {steps} steps \
         in {seconds}.{tenths} s, {rate} steps/s"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_early_waits_for_its_turn() {
        let done = [2, 0, 1, 4, 5, 3].map(|nth| (nth, nth));
        assert_eq!(in_order(done.into_iter()).collect::<Vec<u64>>(), [0, 1, 2, 3, 4, 5]);
        // What is due is not kept back for what comes later.
        let mut done = [(0, 'a'), (2, 'c')].into_iter();
        assert_eq!(in_order(done.by_ref()).next(), Some('a'));
        assert_eq!(done.next(), Some((2, 'c')));
    }
}
