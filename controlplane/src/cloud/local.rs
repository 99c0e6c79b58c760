//! The local cloud: the life of EC2 instances on one machine. An instance is an agent, run as a
//! process of its own ([`process`]) or as a task in this process ([`task`]), with the resources that
//! its offering declares, a boot delay, and faults on demand.

pub mod faults;
pub mod process;
pub mod task;

use super::{
    Cloud, CloudError, Doubt, LaunchAnswer, LaunchOrder, Seen, SeenState, TerminateAnswer,
};
use async_trait::async_trait;
use faults::{Fault, Faults};
use schema::id::{IdError, InstanceId, LaunchId};
use schema::policy::Offering;
use schema::policy::worth::Links;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use schema::why::{RefusalClass, RefusalScope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long an offering rests after this cloud has refused it.
const BACK_OFF: Millis = Millis::from_secs(2);

/// An instance to bring up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    /// Which one.
    pub instance: InstanceId,
    /// The launch that it comes from.
    pub launch: LaunchId,
    /// What it has to give.
    pub resources: Resources,
    /// How long it takes to boot.
    pub boot_delay: Millis,
    /// Whether its agent never comes up.
    pub stillborn: bool,
}

/// Why an instance was not brought up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BearError {
    /// It never will be, and there is nothing of it.
    #[error("{0}")]
    Never(String),
    /// It may have been, or may be when it is tried again.
    #[error("{0}")]
    Unknown(String),
}

/// How an agent is hosted.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Whether the instance was ever asked for, whatever has become of it.
    async fn knows(&self, instance: &InstanceId) -> Result<bool, String>;
    /// Brings the instance up, unless it is or was up, or was ended. What it is to be is settled when
    /// it is asked for first.
    async fn bear(&self, birth: &Birth) -> Result<(), BearError>;
    /// Ends it; true once nothing of it is left.
    async fn end(&self, instance: &InstanceId) -> Result<bool, String>;
    /// Takes it away without a word, as a power cut would.
    async fn vanish(&self, instance: &InstanceId);
    /// Tells its agent that it will be taken away.
    async fn notify(&self, instance: &InstanceId, left: Millis);
    /// The last of what its agent said on stdout and stderr, if that is kept.
    async fn console(&self, instance: &InstanceId) -> Option<String> {
        let _ = instance;
        None
    }
    /// Which instances there are or were, and whether each is there.
    async fn list(&self) -> Result<BTreeMap<InstanceId, bool>, String>;
}

/// The local cloud.
pub struct LocalCloud<H> {
    host: H,
    faults: Faults,
}

impl<H: Host> LocalCloud<H> {
    /// A cloud of agents that this host brings up.
    pub fn new(host: H, faults: Faults) -> LocalCloud<H> {
        LocalCloud { host, faults }
    }

    /// Takes an instance away without a word.
    pub async fn vanish(&self, instance: &InstanceId) {
        self.host.vanish(instance).await;
    }

    /// Tells an instance that it will be taken away, and takes it away after `left`.
    pub async fn interrupt(&self, instance: &InstanceId, left: Millis) {
        self.host.notify(instance, left).await;
        tokio::time::sleep(left.duration()).await;
        self.host.vanish(instance).await;
    }
}

#[async_trait]
impl<H: Host> Cloud for LocalCloud<H> {
    async fn launch(&self, order: &LaunchOrder) -> LaunchAnswer {
        let named = (0..order.count).map(|index| instance_id(&order.launch, index));
        let answer = match named.collect::<Result<Vec<_>, _>>() {
            Ok(instances) => self.make(order, instances).await,
            Err(error) => refused(RefusalClass::Configuration, error.to_string()),
        };
        match self.faults.take(Fault::LoseAnswer) {
            Some(reason) => LaunchAnswer::Unknown(Doubt::no_answer(reason)),
            None => answer,
        }
    }

    async fn terminate(&self, instance: &InstanceId) -> TerminateAnswer {
        match self.host.end(instance).await {
            Ok(true) => TerminateAnswer::Gone,
            Ok(false) => TerminateAnswer::Going,
            Err(reason) => TerminateAnswer::Unknown(reason),
        }
    }

    async fn console(&self, instance: &InstanceId) -> Option<String> {
        self.host.console(instance).await
    }

    async fn list(&self) -> Result<Vec<Seen>, CloudError> {
        let all = self.host.list().await;
        let all = all.map_err(|reason| CloudError { what: "list its instances".into(), reason })?;
        let seen = all.into_iter().map(|(instance, there)| {
            let state = if there { SeenState::There } else { SeenState::Gone };
            Seen::plain(instance, state)
        });
        Ok(seen.collect())
    }
}

impl<H: Host> LocalCloud<H> {
    /// Makes these instances. An order that has been followed before meets no new faults.
    async fn make(&self, order: &LaunchOrder, instances: Vec<InstanceId>) -> LaunchAnswer {
        let mut made = Vec::new();
        for instance in instances {
            let known = match self.host.knows(&instance).await {
                Ok(known) => known,
                Err(reason) => return LaunchAnswer::Unknown(Doubt::no_answer(reason)),
            };
            if !known
                && made.is_empty()
                && let Some((class, message)) = self.faults.refusal()
            {
                return refused(class, message);
            }
            let stillborn = !known && self.faults.take(Fault::Stillborn).is_some();
            match self.host.bear(&self.birth(order, &instance, stillborn)).await {
                Ok(()) => made.push(instance),
                Err(BearError::Never(reason)) if made.is_empty() => {
                    return refused(RefusalClass::Configuration, reason);
                }
                Err(BearError::Never(_)) => break,
                Err(BearError::Unknown(reason)) => {
                    return LaunchAnswer::Unknown(Doubt::no_answer(reason));
                }
            }
        }
        LaunchAnswer::Accepted(made)
    }

    fn birth(&self, order: &LaunchOrder, instance: &InstanceId, stillborn: bool) -> Birth {
        Birth {
            instance: instance.clone(),
            launch: order.launch.clone(),
            resources: order.offering.resources.clone(),
            boot_delay: self.faults.boot_delay(),
            stillborn,
        }
    }
}

fn refused(class: RefusalClass, message: String) -> LaunchAnswer {
    LaunchAnswer::Refused { class, message, scope: RefusalScope::Offering, back_off: BACK_OFF }
}

/// The name of an instance follows from its launch, so that a repeated order names the same ones.
fn instance_id(launch: &LaunchId, index: u32) -> Result<InstanceId, IdError> {
    let stem = launch.as_str().strip_prefix("l-").unwrap_or(launch.as_str());
    let suffix = if index == 0 { String::new() } else { format!("-{index}") };
    InstanceId::new(format!("i-{stem}{suffix}"))
}

/// What the local cloud sells: on demand, and as spot for 30 % of that.
#[must_use]
pub fn offerings() -> Vec<Offering> {
    const GIB: u64 = 1 << 30;
    let sizes = [("small", 1, 1, 24_000), ("medium", 2, 4, 48_000), ("large", 4, 8, 96_000)];
    let of = |market: Market, percent: u64| {
        sizes.map(|(name, cores, gib, price)| Offering {
            kind: format!("local.{name}").into(),
            zone: "local-a".into(),
            market,
            price: Micros(price * percent / 100),
            cap: None,
            links: Links::default(),
            resources: Resources {
                cpu: cores * 1000,
                memory: gib * GIB,
                disk: 20 * GIB,
                features: BTreeMap::new(),
            },
        })
    };
    of(Market::OnDemand, 100).into_iter().chain(of(Market::Spot, 30)).collect()
}
