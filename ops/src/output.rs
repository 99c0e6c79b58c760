//! What people and programs see: data on stdout, everything else on stderr.

use clap::ValueEnum;
use comfy_table::Table;
use serde::Serialize;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// fleetlog itself failed, not what it ran.
pub(crate) const OURS: u8 = 125;
/// What was asked for makes no sense.
pub(crate) const USAGE: u8 = 2;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON object a line, for programs.
    Json,
    /// Ids alone.
    Quiet,
}

/// What was asked for makes no sense; the sentence says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Prints why it failed, and gives the exit code for it.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "fleetlog: {error:#}");
    let usage = error.downcast_ref::<Usage>().is_some();
    ExitCode::from(if usage { USAGE } else { OURS })
}

/// Says something to the person at the terminal.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints a line of data. A reader that has gone away is no failure.
pub(crate) fn print(line: &str) {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            say(&format!("fleetlog: cannot write to stdout: {error}"));
            std::process::exit(i32::from(OURS));
        }
        Ok(()) | Err(_) => {}
    }
}

/// One thing with all that it has: on one line for programs, on many for people.
///
/// # Errors
/// It cannot be said in JSON.
pub(crate) fn in_full(output: Output, thing: &impl Serialize) -> serde_json::Result<String> {
    match output {
        Output::Json => serde_json::to_string(thing),
        Output::Table | Output::Quiet => serde_json::to_string_pretty(thing),
    }
}

/// One thing of a list.
pub(crate) struct Row {
    /// For people; the first is the id.
    pub(crate) cells: Vec<String>,
    /// For programs: all of it.
    pub(crate) json: Value,
}

impl Row {
    /// A thing with its id among its fields.
    pub(crate) fn new(id: &impl ToString, thing: &impl Serialize, cells: Vec<String>) -> Row {
        let mut row = Row::of(thing, std::iter::once(id.to_string()).chain(cells).collect());
        row.json["id"] = id.to_string().into();
        row
    }

    /// A thing that has no id.
    pub(crate) fn of(thing: &impl Serialize, cells: Vec<String>) -> Row {
        Row { cells, json: serde_json::to_value(thing).unwrap_or_default() }
    }
}

/// What stands where there is nothing.
pub(crate) fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

/// Prints columns under their heads.
pub(crate) fn table<'a>(heads: &[&str], rows: impl Iterator<Item = &'a [String]>) {
    let mut table = Table::new();
    table.load_style(comfy_table::TableStyle::new());
    table.set_header(heads.iter().map(|head| head.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.lines().for_each(|line| print(line.trim_end()));
}

/// Prints a list.
pub(crate) fn rows(output: Output, heads: &[&str], rows: &[Row]) {
    match output {
        Output::Table => {
            table(heads, rows.iter().map(|row| &row.cells[..]));
        }
        Output::Json => rows.iter().for_each(|row| print(&row.json.to_string())),
        Output::Quiet => rows.iter().filter_map(|row| row.cells.first()).for_each(|id| print(id)),
    }
}

/// Starts structured logging to stderr: warnings, more with `-v`, or as `FLEETLOG_LOG_LEVEL` says.
pub(crate) fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let default = format!("{level},sled=warn,sled::config=off,hyper=warn,async_nats=error");
    let filter = std::env::var("FLEETLOG_LOG_LEVEL").unwrap_or(default);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // It would tell of a line that it cannot write on the same stderr, and panic when it cannot.
        .log_internal_errors(false)
        .init();
}
