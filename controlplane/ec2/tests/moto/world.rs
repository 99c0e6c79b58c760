//! A moto server, a proxy whose clock stands still, and clouds that know nothing of each other.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_ec2::types::Filter;
use controlplane::cloud::{Cloud as _, LaunchAnswer, LaunchOrder, SeenState, TerminateAnswer};
use ec2::{Ec2Cloud, Settings};
use ec2_core::credential::{ClusterKey, credential};
use ec2_core::request::Token;
use ec2_core::{Config, Intent, userdata};
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::policy::Offering;
use schema::policy::worth::Links;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Epoch, Micros};
use sim_ec2::{Moto, Options, Proxy, Truth};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A moto server takes some seconds to load what it knows.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const POLL: Duration = Duration::from_millis(20);
pub(crate) const ZONE: &str = "us-east-1b";

pub(crate) struct World {
    pub(crate) proxy: Proxy,
    pub(crate) sdk: SdkConfig,
    pub(crate) client: Client,
    pub(crate) config: Config,
    _moto: Moto,
    _dir: tempfile::TempDir,
}

impl World {
    /// EC2's clock stands still but for what the test puts it forward.
    pub(crate) async fn start() -> World {
        World::with(Options { held: true, ..Options::default() }).await
    }

    /// EC2's clock goes, and can be put forward; calls are throttled.
    pub(crate) async fn going() -> World {
        World::with(Options { throttle: true, ..Options::default() }).await
    }

    async fn with(options: Options) -> World {
        let dir = tempfile::tempdir().expect("a directory");
        let moto = Moto::start(dir.path()).expect("a moto server");
        let proxy = Proxy::start(moto.url(), options).await.expect("a proxy");
        let sdk = sdk(proxy.url());
        let client = ec2::client::of(&sdk);
        let config = config(&client).await;
        World { proxy, sdk, client, config, _moto: moto, _dir: dir }
    }

    /// What another process would have: another connection, and no memory.
    pub(crate) async fn cloud(&self) -> Ec2Cloud {
        self.cloud_of("genomics", self.config.clone()).await
    }

    pub(crate) async fn cloud_of(&self, cluster: &str, config: Config) -> Ec2Cloud {
        let sdk = sdk(self.proxy.url());
        let list = config.price_list.as_ref().map(|list| ec2::client::price_list(&sdk, list));
        let settings = Settings { cluster: cluster_id(cluster), key: key(), config };
        let cloud = Ec2Cloud::open(ec2::client::of(&sdk), settings).await.expect("a cloud");
        cloud.with_price_list(list)
    }

    /// The next of many leaders: no memory, and for speed the connections of the one before.
    pub(crate) async fn successor(&self, cluster: &ClusterId) -> Ec2Cloud {
        let (cluster, config) = (cluster.clone(), self.config.clone());
        let settings = Settings { cluster, key: key(), config };
        Ec2Cloud::open(self.client.clone(), settings).await.expect("a cloud")
    }

    /// The token of an order by these settings.
    pub(crate) fn token(&self, order: &LaunchOrder) -> String {
        let subnet = self.config.subnet(&order.offering.zone).expect("a subnet");
        Token::of(&order.cluster, &order.launch, order.attempt, subnet).to_string()
    }

    /// The user-data of an order by these settings.
    pub(crate) fn user_data(&self, order: &LaunchOrder) -> Vec<u8> {
        let intent = Intent::of(order);
        let credential = credential(&key(), &intent, self.config.bootstrap_expiry);
        let data = userdata::userdata(&self.config, &intent, &credential).expect("user-data");
        data.bytes().to_vec()
    }

    /// How often a launch was sent, whatever came of it.
    pub(crate) fn sent(&self, order: &LaunchOrder) -> usize {
        let (ledger, token) = (self.proxy.ledger(), self.token(order));
        let sent = ledger.of("RunInstances").filter(|call| call.token.as_ref() == Some(&token));
        sent.count()
    }

    /// How often the end of an instance was asked for.
    pub(crate) fn ended(&self, instance: &InstanceId) -> usize {
        let ledger = self.proxy.ledger();
        let named = |values: &BTreeMap<String, String>| {
            values.values().any(|value| value == instance.as_str())
        };
        ledger.of("TerminateInstances").filter(|call| named(&call.parameters)).count()
    }

    pub(crate) async fn truth(&self) -> Vec<Truth> {
        self.proxy.truth().await.expect("the truth")
    }
}

fn sdk(url: &str) -> SdkConfig {
    let credentials = Credentials::new("AKID", "SECRET", None, None, "a test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .http_client(ec2::client::http())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Settings with the default subnets, and nothing else that moto would have to be told of.
async fn config(client: &Client) -> Config {
    let mut subnets = Vec::new();
    for zone in ["us-east-1a", ZONE] {
        let filter = Filter::builder().name("availability-zone").values(zone).build();
        let found = client.describe_subnets().filters(filter).send().await.expect("subnets");
        let subnet = found.subnets()[0].subnet_id().expect("an id");
        subnets.push(format!(r#"{{"zone": "{zone}", "subnet": "{subnet}"}}"#));
    }
    let groups = client.describe_security_groups().send().await.expect("groups");
    let group = groups.security_groups()[0].group_id().expect("an id");
    let text = format!(
        r#"{{
        "region": "us-east-1",
        "subnets": [{}],
        "security_groups": ["{group}"],
        "images": {{"x86_64": {{"id": "ami-12c6146b"}}}},
        "flavour": "flatcar",
        "data": {{"size": 300, "slicing": {{"count": 3}}, "iops": 4000}},
        "labels": {{"team": "genomics"}},
        "agent": {{"x86_64": {{
            "url": "https://example.org/fleetlog-x86_64",
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        }}}},
        "log": {{"url": "tls://nats.example.org:4222"}}
    }}"#,
        subnets.join(",")
    );
    serde_json::from_str(&text).expect("settings")
}

fn key() -> ClusterKey {
    ClusterKey::new([7; 32])
}

fn cluster_id(name: &str) -> ClusterId {
    ClusterId::new(name).expect("an id")
}

pub(crate) fn order(launch: &str, count: u32) -> LaunchOrder {
    order_of("genomics", launch, count)
}

pub(crate) fn order_of(cluster: &str, launch: &str, count: u32) -> LaunchOrder {
    LaunchOrder {
        cluster: cluster_id(cluster),
        launch: LaunchId::new(launch).expect("an id"),
        attempt: 1,
        offering: Offering {
            kind: "m5.large".into(),
            zone: ZONE.into(),
            market: Market::Spot,
            price: Micros(96_000),
            cap: None,
            links: Links::default(),
            resources: Resources {
                cpu: 2000,
                memory: 8 << 30,
                disk: 100 << 30,
                ..Resources::default()
            },
        },
        count,
        settings: None,
        intended: Epoch(7),
        epoch: Epoch(7),
    }
}

#[track_caller]
pub(crate) fn accepted(answer: LaunchAnswer) -> Vec<InstanceId> {
    match answer {
        LaunchAnswer::Accepted(instances) => instances,
        other => panic!("{other:?}"),
    }
}

/// Repeats an order, as a leader does, until its answer is definite.
pub(crate) async fn repeated(cloud: &Ec2Cloud, order: &LaunchOrder) -> LaunchAnswer {
    let since = Instant::now();
    loop {
        match cloud.launch(order).await {
            unsure @ (LaunchAnswer::NotYet(_) | LaunchAnswer::Unknown(_)) => {
                assert!(since.elapsed() < PATIENCE, "never definite: {unsure:?}");
            }
            answer => return answer,
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Repeats the order to end an instance until it answers so.
pub(crate) async fn until(cloud: &Ec2Cloud, instance: &InstanceId, wanted: &TerminateAnswer) {
    let since = Instant::now();
    loop {
        let answer = cloud.terminate(instance).await;
        if answer == *wanted {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "it stays {answer:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// All that a cloud sees.
pub(crate) async fn listed(cloud: &Ec2Cloud) -> BTreeMap<InstanceId, SeenState> {
    let seen = cloud.list().await.expect("a list");
    seen.into_iter().map(|seen| (seen.instance, seen.state)).collect()
}
