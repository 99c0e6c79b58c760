//! What people and programs see: data on stdout, everything else on stderr.

use clap::ValueEnum;
use comfy_table::Table;
use serde_json::Value;
use std::io::Write;
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
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints rows, each a JSON object with the same keys; the first key is the id.
pub(crate) fn rows(output: Output, heads: &[&str], rows: &[Vec<Value>]) {
    match output {
        Output::Table => {
            let mut table = Table::new();
            table.load_style(comfy_table::TableStyle::new());
            table.set_header(heads.iter().map(|head| head.to_uppercase()));
            for row in rows {
                table.add_row(row.iter().map(text));
            }
            for line in table.lines() {
                print(line.trim_end());
            }
        }
        Output::Json => {
            for row in rows {
                let pairs = heads.iter().map(|head| (*head).to_owned()).zip(row.iter().cloned());
                print(&Value::Object(pairs.collect()).to_string());
            }
        }
        Output::Quiet => rows.iter().filter_map(|row| row.first()).for_each(|id| print(&text(id))),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Starts structured logging to stderr: warnings, more with `-v`, or as `FLEETLOG_LOG_LEVEL` says.
pub(crate) fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let default = format!("{level},sled=warn,hyper=warn,async_nats=error");
    let filter = std::env::var("FLEETLOG_LOG_LEVEL").unwrap_or(default);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
