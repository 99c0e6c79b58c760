//! A moto server, a proxy whose clock stands still, and a client of EC2's query protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sim_ec2::{Moto, Options, Proxy};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A moto server takes some seconds to load what it knows.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);

pub(crate) struct World {
    pub(crate) proxy: Proxy,
    _moto: Moto,
    client: reqwest::Client,
    _dir: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// The texts of all elements with this name.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.text.split(open.as_str()).skip(1);
        let texts = parts.filter_map(|part| part.split_once(close.as_str()));
        texts.map(|(text, _)| text.to_owned()).collect()
    }

    pub(crate) fn one(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.all("instanceId")
    }

    /// The names of the states of all instances.
    pub(crate) fn states(&self) -> Vec<String> {
        let states = self.all("instanceState");
        let name =
            |state: &String| state.split("name>").nth(1)?.strip_suffix("</").map(str::to_owned);
        states.iter().filter_map(name).collect()
    }

    /// The code of the error that it is.
    pub(crate) fn code(&self) -> (u16, String) {
        (self.status, self.one("Code"))
    }

    #[track_caller]
    pub(crate) fn well(self) -> Answer {
        assert_eq!(self.status, 200, "{}", self.text);
        self
    }
}

impl World {
    pub(crate) async fn start() -> World {
        let dir = tempfile::tempdir().expect("a directory");
        let moto = Moto::start(dir.path()).expect("a moto server");
        let options = Options { held: true, ..Options::default() };
        let proxy = Proxy::start(moto.url(), options).await.expect("a proxy");
        // No connection is used twice: what is lost on one is not tried again on another.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE);
        World { proxy, _moto: moto, client: client.build().expect("a client"), _dir: dir }
    }

    /// What came of a request; an error if the connection was lost.
    pub(crate) async fn try_ask(&self, query: &str) -> Result<Answer, reqwest::Error> {
        self.try_in("us-east-1", query).await
    }

    pub(crate) async fn try_in(&self, region: &str, query: &str) -> Result<Answer, reqwest::Error> {
        let scope = format!("Credential=AKID/20261121/{region}/ec2/aws4_request");
        let sent = self.client.post(self.proxy.url());
        let sent = sent.header("authorization", format!("AWS4-HMAC-SHA256 {scope}, Signature=0"));
        let sent = sent.body(format!("Version=2016-11-15&{query}")).send().await?;
        let status = sent.status().as_u16();
        Ok(Answer { status, text: sent.text().await? })
    }

    #[track_caller]
    pub(crate) fn ask(&self, query: &str) -> impl Future<Output = Answer> {
        let asked = self.try_ask(query);
        async move { asked.await.expect("an answer") }
    }

    /// Launches with these parameters beside those that must be there.
    pub(crate) async fn run(&self, more: &str) -> Answer {
        self.ask(&format!("{}&{more}", run_one())).await
    }

    /// The ids that moto itself says are running.
    pub(crate) async fn running(&self) -> BTreeSet<String> {
        let truth = self.proxy.truth().await.expect("the truth");
        truth.into_iter().filter(sim_ec2::Truth::runs).map(|one| one.id).collect()
    }

    /// Looks until it is so.
    pub(crate) async fn until(&self, so: impl AsyncFn() -> bool) {
        let since = Instant::now();
        while !so().await {
            assert!(since.elapsed() < PATIENCE, "it has not come to this");
            tokio::time::sleep(POLL).await;
        }
    }

    /// The name of a default subnet in a zone.
    pub(crate) async fn subnet(&self, zone: &str) -> String {
        let filter = format!("Filter.1.Name=availability-zone&Filter.1.Value.1={zone}");
        self.ask(&format!("Action=DescribeSubnets&{filter}")).await.well().one("subnetId")
    }

    pub(crate) async fn states_of(&self, id: &str) -> Vec<String> {
        self.ask(&format!("Action=DescribeInstances&InstanceId.1={id}")).await.well().states()
    }
}

/// A launch of one, without a token and more.
pub(crate) fn run_one() -> String {
    "Action=RunInstances&ImageId=ami-12c6146b&InstanceType=m5.large&MinCount=1&MaxCount=1"
        .to_owned()
}

/// As user data goes into a request.
pub(crate) fn user_data(data: &[u8]) -> String {
    let text = STANDARD.encode(data).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("UserData={text}")
}
