//! The end of an instance: asked for until EC2 shows that it has come.

use crate::error::ApiError;
use crate::look::Found;
use crate::{Ec2Cloud, lock};
use controlplane::cloud::TerminateAnswer;
use controlplane_core::Moment;
use ec2_core::absent::Absent;
use ec2_core::seen::Phase;
use schema::id::InstanceId;
use schema::unit::Millis;
use std::collections::BTreeMap;

/// How long after EC2 was asked to end an instance it is asked again, if it does not show that it does.
const AGAIN: Millis = Millis::from_secs(5);

/// Instances whose end is under way.
#[derive(Default)]
pub(crate) struct Ends {
    asked: BTreeMap<InstanceId, Moment>,
    absent: Absent<InstanceId>,
}

/// What a call comes to that told nothing.
fn unanswered(error: &ApiError) -> TerminateAnswer {
    let message = error.to_string();
    match error {
        ApiError::NotYet(_) => TerminateAnswer::NotYet(message),
        ApiError::Failed(failed) if failed.is_throttle() => TerminateAnswer::NotYet(message),
        ApiError::Failed(_) => TerminateAnswer::Unknown(message),
    }
}

impl Ec2Cloud {
    /// What has become of an instance that is to end.
    pub(crate) async fn end(&self, instance: &InstanceId) -> TerminateAnswer {
        let found = match self.find(instance).await {
            Ok(found) => found,
            Err(error) => return unanswered(&error),
        };
        match found {
            Found::Ours(seen) => {
                lock(&self.ends).absent.forget(instance);
                match seen.phase {
                    Phase::Gone => self.gone(instance),
                    Phase::Going => TerminateAnswer::Going,
                    Phase::Pending | Phase::Running | Phase::Stopped | Phase::Other => {
                        self.ask_to_end(instance).await
                    }
                }
            }
            Found::Stranger => {
                lock(&self.ends).absent.forget(instance);
                let cluster = &self.settings.cluster;
                TerminateAnswer::Unknown(format!("{instance} has no tag of cluster {cluster}"))
            }
            Found::Nowhere => {
                let long = lock(&self.ends).absent.missed(self.api.now(), instance);
                if long { self.gone(instance) } else { self.ask_to_end(instance).await }
            }
        }
    }

    fn gone(&self, instance: &InstanceId) -> TerminateAnswer {
        let mut ends = lock(&self.ends);
        ends.asked.remove(instance);
        ends.absent.forget(instance);
        TerminateAnswer::Gone
    }

    async fn ask_to_end(&self, instance: &InstanceId) -> TerminateAnswer {
        let asked = lock(&self.ends).asked.get(instance).copied();
        if asked.is_some_and(|at| self.api.now().since(at) < AGAIN) {
            return TerminateAnswer::Going;
        }
        let answer = self.api.terminate(instance).await;
        // One that EC2 does not know may be one that it does not know yet.
        let heard = match &answer {
            Ok(()) => true,
            Err(ApiError::Failed(failed)) => failed.is_of_an_instance(),
            Err(ApiError::NotYet(_)) => false,
        };
        if heard {
            lock(&self.ends).asked.insert(instance.clone(), self.api.now());
        }
        match answer {
            Ok(()) => TerminateAnswer::Going,
            Err(error) => unanswered(&error),
        }
    }
}
