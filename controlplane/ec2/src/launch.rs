//! Launches, and what is done where nobody knows what came of one.

use crate::error::{ApiError, Failed};
use crate::wire::filter;
use crate::{Ec2Cloud, lock};
use controlplane::cloud::{Doubt, LaunchAnswer, LaunchOrder};
use ec2_core::absent::Absent;
use ec2_core::config::Arch;
use ec2_core::credential::credential;
use ec2_core::refusal::{Action, Class, doubt, judge};
use ec2_core::request::Token;
use ec2_core::seen::sight;
use ec2_core::tags::{self, Mark};
use ec2_core::{Frozen, Intent, RunRequest};
use schema::id::InstanceId;
use schema::unit::Millis;
use schema::why::{DoubtClass, RefusalClass, RefusalScope};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How long an attempt that can never be made rests.
const NEVER: Millis = Millis::from_secs(600);

/// Tokens under which something may have been made that no answer named.
#[derive(Default)]
pub(crate) struct Doubts {
    /// Sent without an answer.
    unknown: BTreeSet<Token>,
    /// Known to EC2 with other parameters: not to be sent again.
    mismatched: BTreeSet<Token>,
    /// Under which nothing was found.
    absent: Absent<Token>,
}

impl Doubts {
    /// Also what was intended in another term: a leader of that time may have sent it, and died.
    fn contain(&self, order: &LaunchOrder, token: &Token) -> bool {
        order.epoch != order.intended
            || self.unknown.contains(token)
            || self.mismatched.contains(token)
    }

    /// What came of it is known. One that does not match stays unsent.
    fn settle(&mut self, token: &Token) {
        self.unknown.remove(token);
        self.absent.forget(token);
    }
}

impl Ec2Cloud {
    /// What comes of an order.
    pub(crate) async fn run(&self, order: &LaunchOrder) -> LaunchAnswer {
        let request = match self.request(order) {
            Ok(request) => request,
            Err(message) => return never(message),
        };
        if lock(&self.doubts).mismatched.contains(&request.token) {
            return self.reconcile(order, &request, mismatch()).await;
        }
        match self.api.run(&request).await {
            Ok(ids) => self.accepted(&request, &ids),
            Err(error @ ApiError::NotYet(_)) => LaunchAnswer::NotYet(error.to_string()),
            Err(ApiError::Failed(failed)) => self.failed(order, &request, &failed).await,
        }
    }

    fn request(&self, order: &LaunchOrder) -> Result<RunRequest, String> {
        let intent = Intent::of(order);
        if order.cluster != self.settings.cluster {
            return Err(format!("{} is another cluster's order", order.launch));
        }
        let frozen = self.frozen(order)?;
        let config = &frozen.config;
        let arch = Arch::of(&order.offering);
        let image = frozen.images.get(&arch);
        let image =
            image.ok_or_else(|| format!("the settings name no image for {}", arch.name()))?;
        let credential = credential(&self.settings.key, &intent, config.bootstrap_expiry);
        RunRequest::new(config, &intent, image, &credential).map_err(|error| error.to_string())
    }

    /// The settings by which this order was decided.
    fn frozen(&self, order: &LaunchOrder) -> Result<Arc<Frozen>, String> {
        let (own, text) = &self.own;
        let Some(asked) = &order.settings else { return Ok(own.clone()) };
        if **asked == **text {
            return Ok(own.clone());
        }
        let mut other = lock(&self.other);
        if let Some((_, frozen)) = other.as_ref().filter(|(known, _)| known == asked) {
            return Ok(frozen.clone());
        }
        let read = Frozen::read(asked);
        let read =
            read.map_err(|error| format!("settings that {} is by: {error}", order.launch))?;
        let frozen = Arc::new(read);
        *other = Some((asked.clone(), frozen.clone()));
        Ok(frozen)
    }

    fn accepted(&self, request: &RunRequest, ids: &[String]) -> LaunchAnswer {
        let ids: Result<Vec<InstanceId>, _> = ids.iter().map(InstanceId::new).collect();
        match ids {
            Ok(ids) if !ids.is_empty() => {
                lock(&self.doubts).settle(&request.token);
                LaunchAnswer::Accepted(ids)
            }
            Ok(_) => self.unknown(request, failed("EC2 named no instance".to_owned())),
            Err(error) => self.unknown(request, failed(format!("EC2 named an instance: {error}"))),
        }
    }

    fn unknown(&self, request: &RunRequest, doubt: Doubt) -> LaunchAnswer {
        lock(&self.doubts).unknown.insert(request.token.clone());
        LaunchAnswer::Unknown(doubt)
    }

    async fn failed(
        &self,
        order: &LaunchOrder,
        request: &RunRequest,
        failed: &Failed,
    ) -> LaunchAnswer {
        let failure = failed.failure();
        let verdict = judge(&failure);
        let answer = verdict.answer(&failure);
        match (&verdict.action, verdict.class) {
            (Action::SameToken, Class::Throttle) => answer,
            (Action::SameToken, _) => {
                let (class, message) = (doubt(&failure), failure.to_string());
                self.unknown(request, Doubt { class, message })
            }
            (Action::NewAttempt { .. }, _) => {
                lock(&self.doubts).settle(&request.token);
                answer
            }
            (Action::Stop { .. }, _) => self.reconcile(order, request, answer).await,
            (Action::Reconcile, _) => {
                tracing::warn!(launch = %order.launch, attempt = order.attempt, code = failure.code,
                    "other settings or another build launched this: looking for its instances");
                lock(&self.doubts).mismatched.insert(request.token.clone());
                self.reconcile(order, request, mismatch()).await
            }
        }
    }

    /// The instances that were made under this token; if there are none, the refusal, once that is certain.
    async fn reconcile(
        &self,
        order: &LaunchOrder,
        request: &RunRequest,
        refusal: LaunchAnswer,
    ) -> LaunchAnswer {
        match self.made(order, &request.token).await {
            Ok(found) if !found.is_empty() => {
                lock(&self.doubts).settle(&request.token);
                LaunchAnswer::Accepted(found)
            }
            Ok(_) => self.nothing(order, &request.token, refusal),
            Err(error) => {
                let class = match &error {
                    ApiError::NotYet(_) => DoubtClass::Unseen,
                    ApiError::Failed(failed) => doubt(&failed.failure()),
                };
                let message = format!("cannot look for a launch: {error}");
                LaunchAnswer::Unknown(Doubt { class, message })
            }
        }
    }

    fn nothing(&self, order: &LaunchOrder, token: &Token, refusal: LaunchAnswer) -> LaunchAnswer {
        let mut doubts = lock(&self.doubts);
        if doubts.contain(order, token) && !doubts.absent.missed(self.api.now(), token) {
            let message = "something may have been made, and EC2 does not show it yet".to_owned();
            return LaunchAnswer::Unknown(Doubt { class: DoubtClass::Unseen, message });
        }
        doubts.settle(token);
        refusal
    }

    /// What EC2 shows under a token, of this very attempt.
    async fn made(&self, order: &LaunchOrder, token: &Token) -> Result<Vec<InstanceId>, ApiError> {
        let cluster = &self.settings.cluster;
        let of_cluster = filter(&format!("tag:{}", tags::CLUSTER), cluster.as_str());
        let rows =
            self.api.instances(&[filter("client-token", token.as_str()), of_cluster]).await?;
        let seen = rows.iter().filter_map(|row| sight(cluster, row));
        let ours = seen.filter(|seen| match &seen.mark {
            Mark::Ours { launch, attempt, .. } => {
                *launch == order.launch && *attempt == order.attempt
            }
            Mark::Unnamed | Mark::Stranger => false,
        });
        let ours = ours.filter(|seen| seen.token.as_deref() == Some(token.as_str()));
        Ok(ours.map(|seen| seen.instance).collect())
    }
}

fn failed(message: String) -> Doubt {
    Doubt { class: DoubtClass::Failed, message }
}

fn never(message: String) -> LaunchAnswer {
    let (class, scope) = (RefusalClass::Configuration, RefusalScope::Offering);
    LaunchAnswer::Refused { class, message, scope, back_off: NEVER }
}

fn mismatch() -> LaunchAnswer {
    never("other settings or another build asked for this first, and nothing came of it".to_owned())
}
