//! The contract on agents as tasks.

use crate::contract::contract;
use crate::world::World;
use controlplane::cloud::local::faults::Faults;
use controlplane::cloud::local::task::{Notice, Tasks};
use controlplane::cloud::local::{Birth, LocalCloud};
use schema::id::InstanceId;
use schema::unit::Millis;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

#[derive(Default)]
struct Seen {
    starts: usize,
    heard: Option<Millis>,
}

struct TaskWorld {
    tasks: Tasks,
    seen: Arc<Mutex<BTreeMap<InstanceId, Seen>>>,
}

impl Default for TaskWorld {
    fn default() -> TaskWorld {
        let seen = Arc::<Mutex<BTreeMap<InstanceId, Seen>>>::default();
        let record = seen.clone();
        let agent = move |birth: Birth, mut notice: watch::Receiver<Option<Notice>>| {
            let record = record.clone();
            let run = async move {
                record.lock().unwrap().entry(birth.instance.clone()).or_default().starts += 1;
                while notice.changed().await.is_ok() {
                    let heard = notice.borrow().map(|(_, left)| left);
                    record.lock().unwrap().entry(birth.instance.clone()).or_default().heard = heard;
                }
            };
            Box::pin(run) as futures::future::BoxFuture<'static, ()>
        };
        TaskWorld { tasks: Tasks::new(Arc::new(agent)), seen }
    }
}

impl World for TaskWorld {
    type Host = Tasks;

    fn open(&self, faults: &Faults) -> LocalCloud<Tasks> {
        LocalCloud::new(self.tasks.clone(), faults.clone())
    }

    fn starts(&self, instance: &InstanceId) -> usize {
        self.seen.lock().unwrap().get(instance).map_or(0, |seen| seen.starts)
    }

    fn heard(&self, instance: &InstanceId) -> Option<Millis> {
        self.seen.lock().unwrap().get(instance).and_then(|seen| seen.heard)
    }
}

contract!(TaskWorld);
