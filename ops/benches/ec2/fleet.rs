//! One cluster of the account: its controllers, what is on its log, and its driver.

use crate::account::Account;
use crate::cluster::{command, settings};
use anyhow::{Context, ensure};
use driver::{Driver, JoinOptions};
use replay::log::{Log, read_to_end};
use replay_core::{Outcome, State};
use schema::event::Event;
use schema::id::{AuthorId, ClusterId, DriverId};
use schema::record::Record;
use schema::unit::{LogTime, Millis, Seq};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);
const KEY: &str = "c0ffee11";

pub(crate) struct Fleet<'a> {
    pub(crate) account: &'a Account,
    pub(crate) name: String,
    log: Arc<dyn Log>,
    dir: tempfile::TempDir,
    settings: PathBuf,
    key: PathBuf,
    controllers: BTreeMap<AuthorId, Child>,
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for controller in self.controllers.values_mut() {
            let _ = controller.kill();
            let _ = controller.wait();
        }
    }
}

impl<'a> Fleet<'a> {
    /// One of this name with so many controllers, which may buy `m5.large` and as much as is asked for.
    pub(crate) fn start(
        account: &'a Account,
        name: &str,
        controllers: u32,
        policy: &[&str],
    ) -> anyhow::Result<Fleet<'a>> {
        let dir = tempfile::tempdir()?;
        let (path, key) = (dir.path().join("ec2.json"), dir.path().join("key"));
        std::fs::write(&path, settings(account, "ubuntu", 0).to_string())?;
        std::fs::write(&key, KEY.repeat(8))?;
        let cluster = ClusterId::new(name)?;
        let url = account.log.url();
        let (log, _) = account.runtime.block_on(replay::log::open(&url, &cluster, true))?;
        let name = name.to_owned();
        let controllers_of = BTreeMap::new();
        let mut fleet =
            Fleet { account, name, log, dir, settings: path, key, controllers: controllers_of };
        for n in 1..=controllers {
            fleet.controller(&format!("r-{n}"))?;
        }
        fleet.until("it sells", |fleet| {
            let sells = |(_, record): &(_, Record)| matches!(record.event, Event::PriceSeen(_));
            Ok(fleet.records()?.iter().any(sells))
        })?;
        let usual = [
            r#"types.allow=["m5.large"]"#,
            "max_hourly_cost=$1000",
            "max_pending=1000",
            "max_instances=1000",
        ];
        fleet.fleetlog(&[&["policy", "set"][..], &usual, policy].concat())?;
        Ok(fleet)
    }

    fn command(&self) -> Command {
        command(&self.account.log.url(), &self.name, self.dir.path())
    }

    fn controller(&mut self, name: &str) -> anyhow::Result<()> {
        let said = std::fs::File::create(self.dir.path().join(name))?;
        let mut command = self.command();
        self.account.admit(&mut command);
        command.arg("controller").arg("--ec2").arg(&self.settings).arg("--key").arg(&self.key);
        command.args(["--replica", name]).stdout(said.try_clone()?).stderr(said);
        self.controllers.insert(AuthorId::new(name)?, command.spawn()?);
        Ok(())
    }

    fn fleetlog(&self, args: &[&str]) -> anyhow::Result<()> {
        let output = self.command().args(args).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{args:?}: {said}");
        Ok(())
    }

    /// All records that had an effect, with their times.
    pub(crate) fn records(&self) -> anyhow::Result<Vec<(LogTime, Record)>> {
        let read = read_to_end(&*self.log, Seq(1), None);
        let (mut state, mut found) = (State::default(), Vec::new());
        let stored = self.account.runtime.block_on(read)?;
        replay::fold::fold(&mut state, &stored, |_, stored, outcome, record| {
            let applied = record.filter(|_| outcome == Outcome::Applied);
            found.extend(applied.map(|record| (stored.time, record)));
        });
        Ok(found)
    }

    /// Waits for something that is sure to come.
    pub(crate) fn until(
        &self,
        what: &str,
        mut holds: impl FnMut(&Fleet<'a>) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let since = Instant::now();
        while !holds(self)? {
            ensure!(since.elapsed() < PATIENCE, "{} not in time: {what}", self.name);
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    pub(crate) async fn driver(&self) -> anyhow::Result<Driver> {
        let cluster = ClusterId::new(&self.name)?;
        let (log, _) = replay::log::open(&self.account.log.url(), &cluster, false).await?;
        let (driver, lease) = (DriverId::new("bench")?, Millis::from_secs(120));
        Ok(Driver::join(JoinOptions { cluster, log, driver, lease }).await?)
    }

    /// Kills its leader as nothing else does, and says when.
    pub(crate) fn kill_leader(&mut self) -> anyhow::Result<LogTime> {
        let leader = self.records()?.into_iter().rev().find_map(|(_, record)| match record.event {
            Event::LeaderElected(elected) => Some(elected.replica),
            _ => None,
        });
        let leader = leader.context("nobody leads")?;
        let mut process = self.controllers.remove(&leader).context("it is not one of ours")?;
        let at = now();
        process.kill()?;
        process.wait()?;
        Ok(at)
    }
}

/// The machine's clock, which is the log's as well: its server runs here.
pub(crate) fn now() -> LogTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    LogTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
