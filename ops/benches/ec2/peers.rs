//! What parts are held against, in the same run: the same without anything around it.

use crate::account::Account;
use crate::measure::{Aside, quantile};
use anyhow::{Context, ensure};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How the tokens of calls begin that no cluster makes.
pub(crate) const BY_HAND: &str = "by-hand-";

/// Medians.
pub(crate) struct Limits {
    /// Of a publish and its acknowledgement.
    pub(crate) publish: Duration,
    /// Of a call that launches.
    pub(crate) call: Duration,
    /// Of a process of this program that does nothing.
    pub(crate) process: Duration,
    /// Of any process that does nothing.
    pub(crate) spawn: Duration,
}

/// Takes measure of them, one beside each request.
pub(crate) struct Peers<'a> {
    account: &'a Account,
    client: reqwest::Client,
    aside: Aside,
    publish: Vec<Duration>,
    call: Vec<Duration>,
    process: Vec<Duration>,
    spawn: Vec<Duration>,
}

impl<'a> Peers<'a> {
    pub(crate) fn open(account: &'a Account) -> anyhow::Result<Peers<'a>> {
        let aside = account.runtime.block_on(Aside::open(&account.log.url()))?;
        Ok(Peers {
            account,
            client: reqwest::Client::new(),
            aside,
            publish: Vec::new(),
            call: Vec::new(),
            process: Vec::new(),
            spawn: Vec::new(),
        })
    }

    pub(crate) fn measure(&mut self, turn: usize) -> anyhow::Result<()> {
        self.call.push(launch(self.account, &self.client, turn)?);
        self.publish.push(self.account.runtime.block_on(self.aside.publish(1))?);
        self.process.push(spawned(env!("CARGO_BIN_EXE_fleetlog"), &["--version"])?);
        self.spawn.push(spawned("true", &[])?);
        Ok(())
    }

    pub(crate) fn limits(mut self) -> Limits {
        Limits {
            publish: quantile(&mut self.publish, 0.5),
            call: quantile(&mut self.call, 0.5),
            process: quantile(&mut self.process, 0.5),
            spawn: quantile(&mut self.spawn, 0.5),
        }
    }
}

/// Launches one instance as the first one of a cluster was, but that it is nobody's, with nothing but HTTP
/// around the call; until it is answered.
fn launch(account: &Account, client: &reqwest::Client, turn: usize) -> anyhow::Result<Duration> {
    let ledger = account.proxy.ledger();
    let first = ledger.of("RunInstances").next().context("nothing was launched yet")?;
    let mut parameters = first.parameters.clone();
    parameters.retain(|name, _| !name.starts_with("TagSpecification"));
    parameters.insert("ClientToken".into(), format!("{BY_HAND}{turn}"));
    let action = [("Action", "RunInstances"), ("Version", "2016-11-15")];
    let own = parameters.iter().filter(|(name, _)| !["Action", "Version"].contains(&name.as_str()));
    let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
    let body = reqwest::Url::parse_with_params("http://x", action.into_iter().chain(own))?;
    let body = body.query().unwrap_or_default().to_owned();
    let request = client
        .post(account.proxy.url())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let since = Instant::now();
    let answer = account.runtime.block_on(async {
        let answer = request.send().await?;
        let status = answer.status();
        Ok::<_, reqwest::Error>((status, answer.text().await?))
    });
    let took = since.elapsed();
    let (status, text) = answer?;
    ensure!(status.is_success() && text.contains("<instanceId>"), "{status}: {text}");
    Ok(took)
}

/// Runs a program to its end.
fn spawned(program: &str, args: &[&str]) -> anyhow::Result<Duration> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    let since = Instant::now();
    let status = command.status()?;
    let took = since.elapsed();
    ensure!(status.success(), "{program} ended with {status}");
    Ok(took)
}
