//! `alloc`: hold an alloc, and run in it what comes in on stdin, line by line.

use super::ask::AskArgs;
use super::context::Context;
use super::run::{INTERRUPTED, ImageArgs, Stops, give_back, granted, join, run_in};
use crate::output::{Output, Row, rows, say};
use clap::Args;
use driver::{Alloc, describe};
use schema::event::ExecConfig;
use schema::resources::{show_bytes, show_cpu};
use schema::unit::Millis;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

/// Hold an alloc, and run in it what comes in on stdin: each line is a command for `sh -c`
#[derive(Debug, Args)]
pub(crate) struct AllocArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Under which driver id; one of its own if none
    #[arg(long)]
    driver: Option<String>,
    /// Length of its lease in seconds; it is kept alive in the background
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    lease: u64,
    #[command(flatten)]
    image: ImageArgs,
    /// Run nothing: hold it until interrupted, or until it is taken away
    #[arg(long)]
    hold: bool,
}

pub(crate) async fn alloc(args: AllocArgs, context: Context) -> anyhow::Result<ExitCode> {
    let (options, config) = (args.ask.options()?, args.image.config()?);
    let mut stops = Stops::listen()?;
    let lease = Millis::from_secs(args.lease.max(1));
    let driver = join(&context, args.driver.as_deref(), "alloc", lease).await?;
    let request = driver.alloc(options).await?;
    let asked = request.id().clone();
    let code = match granted(request, &mut stops).await {
        Ok(Some(alloc)) if args.hold => {
            show(context.output, &alloc);
            hold(&alloc, &mut stops).await
        }
        Ok(Some(alloc)) => session(&alloc, &config, &mut stops).await,
        Ok(None) => Ok(ExitCode::from(INTERRUPTED)),
        Err(error) => Err(error),
    };
    give_back(driver, &asked).await;
    code
}

fn show(output: Output, alloc: &Alloc) {
    let given = alloc.given();
    let heads = ["id", "instance", "cpu", "memory", "lease"];
    let cells = vec![
        given.instance.to_string(),
        show_cpu(given.resources.cpu),
        show_bytes(given.resources.memory),
        format!("{} ms", given.lease),
    ];
    let json = json!({
        "instance": given.instance, "resources": given.resources, "lease": given.lease,
    });
    rows(output, &heads, &[Row::new(alloc.id(), &json, cells)]);
}

async fn hold(alloc: &Alloc, stops: &mut Stops) -> anyhow::Result<ExitCode> {
    tokio::select! {
        over = alloc.over() => {
            say(&format!("fleetlog: {}", describe::over(&over?)));
            Ok(ExitCode::FAILURE)
        }
        _ = stops.next() => Ok(ExitCode::SUCCESS),
    }
}

/// Runs line after line; exits as the last of them.
async fn session(
    alloc: &Alloc,
    config: &ExecConfig,
    stops: &mut Stops,
) -> anyhow::Result<ExitCode> {
    let (id, instance) = (alloc.id(), alloc.instance());
    say(&format!("fleetlog: {id} on {instance}; each line is a command, the end of them frees it"));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut code = ExitCode::SUCCESS;
    loop {
        prompt();
        let line = tokio::select! {
            line = next(&mut lines) => line?,
            over = alloc.over() => {
                say(&format!("fleetlog: {}", describe::over(&over?)));
                return Ok(ExitCode::FAILURE);
            }
            _ = stops.next() => return Ok(ExitCode::from(INTERRUPTED)),
        };
        let Some(line) = line else { return Ok(code) };
        let command = ["sh", "-c", &line].map(str::to_owned).to_vec();
        code = run_in(alloc, ExecConfig { command, ..config.clone() }, stops).await?;
    }
}

fn prompt() {
    if std::io::stdin().is_terminal() {
        let _ = write!(std::io::stderr(), "$ ");
    }
}

/// The next line that says something; nothing at the end.
async fn next(lines: &mut Lines<BufReader<Stdin>>) -> std::io::Result<Option<String>> {
    while let Some(line) = lines.next_line().await? {
        if !line.trim().is_empty() {
            return Ok(Some(line));
        }
    }
    Ok(None)
}
