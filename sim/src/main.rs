//! `fleetlog-sim`: runs seeds, and says what was found.

use clap::Parser;
use schema::unit::Millis;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

/// Run the whole system under simulation, seed by seed
#[derive(Parser)]
#[command(name = "fleetlog-sim", version)]
struct Args {
    /// How many seeds
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (since, mut out) = (Instant::now(), std::io::stdout());
    let (mut records, mut steps, mut bad) = (0, 0, 0);
    for seed in args.from..args.from.saturating_add(args.seeds) {
        let report = sim::run(seed);
        (records, steps) = (records + report.records, steps + report.steps);
        if report.found.is_empty() {
            continue;
        }
        bad += 1;
        let _ = writeln!(out, "seed {seed}, after {} records:", report.records);
        for found in &report.found {
            let _ = writeln!(out, "  {found}");
        }
        let _ = writeln!(out, "  again: ./dev sim --from {seed} --seeds 1");
    }
    let millis = Millis::of(since.elapsed()).0.max(1);
    let rate = steps * 1000 / millis;
    let seeds = args.seeds;
    let _ =
        writeln!(out, "{seeds} seeds, {bad} bad; {records} records, {steps} steps, {rate} steps/s");
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
