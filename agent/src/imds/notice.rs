//! What EC2 announces to an instance: that it will be taken away, or may be before long.
//!
//! A notice that there is none of is not found. One is given two minutes before a spot instance ends; the
//! recommendation to rebalance comes earlier, if at all. Both are best effort, so that one that cannot be
//! asked for is asked for again and nothing else.

use super::{Imds, ImdsError, Said};
use crate::agent::Notice;
use jiff::Timestamp;
use schema::event::Interruption;
use schema::unit::Millis;
use serde::Deserialize;
use smol_str::SmolStr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often one is looked for: as AWS advises, every five seconds.
pub const EVERY: Duration = Duration::from_secs(5);

const ENDS: &str = "spot/instance-action";
const AT_RISK: &str = "events/recommendations/rebalance";

/// That the instance will be stopped, hibernated or terminated.
#[derive(Deserialize)]
struct Action {
    time: SmolStr,
}

/// Looks for notices this often, until one says that the instance ends or nobody listens any more. Each
/// kind is told once.
#[must_use]
pub fn watch(mut metadata: Imds, every: Duration) -> watch::Receiver<Option<Notice>> {
    let (tell, told) = watch::channel(None::<Notice>);
    tokio::spawn(async move {
        let mut looks = tokio::time::interval(every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deaf = false;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = tell.closed() => return,
            }
            let looked = metadata.notice().await;
            complain(&mut deaf, looked.as_ref().err());
            let Ok(Some(notice)) = looked else { continue };
            let known = tell.borrow().map(|(what, _)| what);
            if known != Some(notice.0) {
                tell.send_replace(Some(notice));
            }
            if notice.0 == Interruption::Spot {
                return tell.closed().await;
            }
        }
    });
    told
}

/// Says once that notices cannot be had, and once that they can again.
fn complain(deaf: &mut bool, error: Option<&ImdsError>) {
    match (error, *deaf) {
        (Some(error), false) => tracing::warn!(%error, "interruptions may come unannounced"),
        (Some(error), true) => tracing::debug!(%error, "interruptions may still come unannounced"),
        (None, true) => tracing::info!("interruptions are announced again"),
        (None, false) => {}
    }
    *deaf = error.is_some();
}

impl Imds {
    /// The worst that is announced now.
    async fn notice(&mut self) -> Result<Option<Notice>, ImdsError> {
        if let Some(said) = self.get(ENDS).await? {
            return Ok(Some((Interruption::Spot, left(&said)?)));
        }
        let at_risk = self.get(AT_RISK).await?;
        Ok(at_risk.map(|_| (Interruption::Rebalance, Millis(0))))
    }
}

/// How long there is, by the clock of who says so: this machine's may be wrong. Only where it does not say
/// what time it is, this machine's will have to do.
fn left(said: &Said) -> Result<Millis, ImdsError> {
    let told: Option<Action> = serde_json::from_str(&said.text).ok();
    let time: Option<Timestamp> = told.and_then(|action| action.time.parse().ok());
    let time = time.ok_or_else(|| ImdsError::Notice(said.text.clone()))?;
    let now = said.now.unwrap_or_else(Timestamp::now);
    let left = time.as_millisecond().saturating_sub(now.as_millisecond());
    Ok(Millis(u64::try_from(left).unwrap_or(0)))
}
