//! An account of EC2: moto behind the proxy, asked in EC2's own protocol by nobody's client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use replay::log::jetstream::trusting;
use replay::testing::{Authority, NatsServer};
use sim_ec2::{Moto, Options, Proxy, Truth};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);
pub(crate) const ZONES: [&str; 2] = ["us-east-1a", "us-east-1b"];

pub(crate) struct Account {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) proxy: Proxy,
    /// The log's server, which clusters share as well.
    pub(crate) log: NatsServer,
    /// Who signed its certificate, in PEM; it speaks TLS then.
    pub(crate) ca: Option<String>,
    _moto: Moto,
    dir: tempfile::TempDir,
}

impl Account {
    pub(crate) fn start() -> Account {
        Account::by(|dir| (NatsServer::start(dir).expect("a nats-server"), None))
    }

    /// One whose log is reached by TLS alone, with a certificate that no machine trusts by itself.
    pub(crate) fn with_tls() -> Account {
        let own = Authority::new("own").expect("an authority");
        Account::by(|dir| {
            std::fs::write(dir.join("ca.pem"), own.certificate()).expect("written");
            let log = NatsServer::start_with_tls(dir, &own).expect("a nats-server");
            (log, Some(own.certificate()))
        })
    }

    fn by(log: impl FnOnce(&Path) -> (NatsServer, Option<String>)) -> Account {
        let dir = tempfile::tempdir().expect("a directory");
        let moto = Moto::start(dir.path()).expect("a moto server");
        let (log, ca) = log(dir.path());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let proxy = runtime.block_on(Proxy::start(moto.url(), Options::default()));
        let proxy = proxy.expect("a proxy");
        Account { runtime, proxy, log, ca, _moto: moto, dir }
    }

    /// Where the log is, for whoever is on this machine.
    pub(crate) fn log_url(&self) -> String {
        let ca = self.dir.path().join("ca.pem");
        match self.ca {
            Some(_) => trusting(&self.log.url(), ca.to_str().expect("text")),
            None => self.log.url(),
        }
    }

    /// Lets a command reach this account.
    pub(crate) fn admit(&self, command: &mut Command) {
        command.env("AWS_ENDPOINT_URL", self.proxy.url());
        command.env("AWS_ACCESS_KEY_ID", "AKID").env("AWS_SECRET_ACCESS_KEY", "SECRET");
    }

    /// How often something was asked for, whatever came of it.
    pub(crate) fn calls(&self, action: &str) -> usize {
        self.proxy.ledger().calls.iter().filter(|call| call.action.starts_with(action)).count()
    }

    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let since = Instant::now();
        while !holds() {
            assert!(since.elapsed() < PATIENCE, "not in time: {what}");
            std::thread::sleep(POLL);
        }
    }

    /// What EC2 answers to an action, in XML.
    pub(crate) fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let common = [("Action", action), ("Version", "2016-11-15")];
        let url =
            reqwest::Url::parse_with_params(self.proxy.url(), common.iter().chain(parameters));
        let asked = async {
            let answer = reqwest::get(url.expect("a URL")).await?.error_for_status()?;
            answer.text().await
        };
        self.runtime.block_on(asked).expect("an answer")
    }

    /// As [`Account::ask`] with one filter.
    pub(crate) fn filtered(&self, action: &str, name: &str, value: &str) -> String {
        self.ask(action, &[("Filter.1.Name", name), ("Filter.1.Value.1", value)])
    }

    /// The default subnet of a zone.
    pub(crate) fn subnet(&self, zone: &str) -> String {
        let found = self.filtered("DescribeSubnets", "availability-zone", zone);
        between(&found, "<subnetId>", "</subnetId>")[0].to_owned()
    }

    pub(crate) fn security_group(&self) -> String {
        let found = self.filtered("DescribeSecurityGroups", "group-name", "default");
        between(&found, "<groupId>", "</groupId>")[0].to_owned()
    }

    pub(crate) fn truth(&self) -> Vec<Truth> {
        self.runtime.block_on(self.proxy.truth()).expect("the truth")
    }

    /// The only instance of a cluster, once there is one. Moto shows it before it is whole: its launch has
    /// to be answered.
    pub(crate) fn instance_of(&self, cluster: &str) -> String {
        let mut found = Vec::new();
        self.until("an instance is launched", || {
            found = self.truth();
            found.retain(|one| one.tags.get("fleetlog:cluster").is_some_and(|tag| tag == cluster));
            let made = self.proxy.ledger().made();
            !found.is_empty() && found.iter().all(|one| made.contains(&one.id))
        });
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].id.clone()
    }

    pub(crate) fn state(&self, id: &str) -> String {
        let truth = self.truth();
        truth.iter().find(|one| one.id == id).expect("it was launched").state.clone()
    }

    /// How many instances were ever launched.
    pub(crate) fn launched(&self) -> usize {
        self.proxy.ledger().made().len()
    }

    /// The instances whose end was asked for, each once.
    pub(crate) fn ended(&self) -> Vec<String> {
        let ledger = self.proxy.ledger();
        let calls = ledger.of("TerminateInstances");
        let named = calls.flat_map(|call| call.parameters.iter());
        let named = named.filter(|(name, _)| name.starts_with("InstanceId."));
        let mut ended: Vec<String> = named.map(|(_, id)| id.clone()).collect();
        ended.sort();
        ended.dedup();
        ended
    }

    /// An instance's user-data, as EC2 has it.
    pub(crate) fn user_data(&self, id: &str) -> Vec<u8> {
        let asked = [("InstanceId", id), ("Attribute", "userData")];
        let answer = self.ask("DescribeInstanceAttribute", &asked);
        STANDARD.decode(between(&answer, "<value>", "</value>")[0]).expect("base 64")
    }
}

/// What stands between these two, each time.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|part| part.split_once(after).map(|(found, _)| found)).collect()
}
