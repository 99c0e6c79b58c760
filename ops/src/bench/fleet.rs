//! A whole cluster on a real log, in this process: two replicas, a local cloud, each part with a
//! connection of its own.

use super::measure::fresh_cluster;
use crate::tasks::{Directory, Home, agents};
use anyhow::Context;
use controlplane::cloud::local::LocalCloud;
use controlplane::cloud::local::faults::Faults;
use controlplane::cloud::local::task::Tasks;
use controlplane::{Options, Replica};
use driver::{Driver, JoinOptions};
use schema::id::{AuthorId, ClusterId, DriverId};
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) struct Fleet {
    url: String,
    cluster: ClusterId,
    replicas: Vec<Replica>,
    _dir: Directory,
}

impl Fleet {
    /// Brings one up on a log of its own, with one instance that has room for everything.
    pub(super) async fn start(url: &str) -> anyhow::Result<Fleet> {
        let cluster = fresh_cluster()?;
        let dir = Directory(std::env::temp_dir().join(format!("fleetlog-{cluster}")));
        std::fs::create_dir_all(&dir.0)
            .with_context(|| format!("cannot make {}", dir.0.display()))?;
        let mut replicas = Vec::new();
        let (log, telemetry) = replay::log::open(url, &cluster, true).await?;
        let home = Home { cluster: cluster.clone(), log, telemetry, dir: dir.0.clone() };
        let cloud = Arc::new(LocalCloud::new(Tasks::new(agents(home)?), Faults::default()));
        for n in 1..=2 {
            let (log, telemetry) = replay::log::open(url, &cluster, true).await?;
            replicas.push(Replica::start(Options {
                cluster: cluster.clone(),
                replica: AuthorId::new(format!("r-{n}"))?,
                log,
                telemetry,
                cloud: cloud.clone(),
                policy: policy(),
            }));
        }
        Ok(Fleet { url: url.to_owned(), cluster, replicas, _dir: dir })
    }

    pub(super) async fn driver(&self, name: &str) -> anyhow::Result<Driver> {
        let (log, _) = replay::log::open(&self.url, &self.cluster, false).await?;
        let (cluster, driver) = (self.cluster.clone(), DriverId::new(name)?);
        let lease = Millis::from_secs(60);
        Ok(Driver::join(JoinOptions { cluster, log, driver, lease }).await?)
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        for replica in self.replicas {
            replica.stop().await?;
        }
        Ok(())
    }
}

fn policy() -> Policy {
    let resources =
        Resources { cpu: 4_000_000, memory: 4 << 40, disk: 1 << 40, features: BTreeMap::new() };
    let (kind, zone, market) = ("local.all".into(), "local-a".into(), Market::OnDemand);
    let offering = Offering {
        kind,
        zone,
        market,
        price: Micros(96_000),
        cap: None,
        resources,
        links: Links::default(),
    };
    Policy { min_instances: 1, offerings: vec![offering], ..Policy::default() }
}
