//! Agents as tasks of this process: for the demo and for tests.

use super::{BearError, Birth, Host};
use async_trait::async_trait;
use futures::future::BoxFuture;
use schema::event::Interruption;
use schema::id::InstanceId;
use schema::unit::Millis;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What takes an instance away, and how long is left.
pub type Notice = (Interruption, Millis);

/// Runs one agent until it ends. Hears of an interruption through the channel.
pub type Agent =
    Arc<dyn Fn(Birth, watch::Receiver<Option<Notice>>) -> BoxFuture<'static, ()> + Send + Sync>;

struct Running {
    task: JoinHandle<()>,
    notice: watch::Sender<Option<Notice>>,
}

/// Hosts agents as tasks.
#[derive(Clone)]
pub struct Tasks {
    agent: Agent,
    /// Every instance that ever was; none where it was ended.
    all: Arc<Mutex<BTreeMap<InstanceId, Option<Running>>>>,
}

impl Tasks {
    /// Agents are what this function runs.
    #[must_use]
    pub fn new(agent: Agent) -> Tasks {
        Tasks { agent, all: Arc::default() }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Option<Running>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Host for Tasks {
    async fn knows(&self, instance: &InstanceId) -> Result<bool, String> {
        Ok(self.all().contains_key(instance))
    }

    async fn bear(&self, birth: &Birth) -> Result<(), BearError> {
        let mut all = self.all();
        if all.contains_key(&birth.instance) {
            return Ok(());
        }
        let (notice, noticed) = watch::channel(None);
        let (agent, birth) = (self.agent.clone(), birth.clone());
        let instance = birth.instance.clone();
        let task = tokio::spawn(async move {
            if birth.stillborn {
                return std::future::pending().await;
            }
            tokio::time::sleep(birth.boot_delay.duration()).await;
            agent(birth, noticed).await;
        });
        all.insert(instance, Some(Running { task, notice }));
        Ok(())
    }

    async fn end(&self, instance: &InstanceId) -> Result<bool, String> {
        let running = self.all().get_mut(instance).and_then(Option::take);
        if let Some(running) = running {
            running.task.abort();
            let _ = running.task.await;
        }
        Ok(true)
    }

    async fn vanish(&self, instance: &InstanceId) {
        let _ = self.end(instance).await;
    }

    async fn notify(&self, instance: &InstanceId, left: Millis) {
        if let Some(Some(running)) = self.all().get(instance) {
            running.notice.send_replace(Some((Interruption::Spot, left)));
        }
    }

    async fn list(&self) -> Result<BTreeMap<InstanceId, bool>, String> {
        let there =
            |running: &Option<Running>| running.as_ref().is_some_and(|r| !r.task.is_finished());
        Ok(self.all().iter().map(|(id, running)| (id.clone(), there(running))).collect())
    }
}
