//! The EC2 cloud: what the [pure part](ec2_core) asks for is sent through the AWS SDK, and what comes back
//! is given to it to judge. Nothing is decided here but when a call is made.
//!
//! ```text
//! order ──ec2_core──▶ RunRequest ──wire──▶ pace: go? ──▶ EC2 ──▶ Verdict ──▶ answer
//!                                              └── not soon: not known, the leader repeats
//! ```
//!
//! # Who repeats
//! The leader alone. The SDK sends each request once, with the token that follows from the intent; a call
//! for which there is no room soon is answered as not known, so that whoever repeats it proves anew that
//! it leads. A call may leave this process at most [`pace`]'s patience after it was asked for.
//!
//! # By which settings
//! By those that come with the order: a leader writes its own on the log before it decides anything by
//! them, images and all, and whoever leads later repeats the call as it was decided.
//!
//! # What is not certain
//! - A token that EC2 knows with other parameters is never sent again: what was made under it is looked for.
//! - A refusal that EC2 may give before it looks at the token says nothing of earlier transmissions. It
//!   counts once nothing is found under the token, for long if one of them had no answer, or if a leader
//!   of another term may have sent it.
//! - A request that reaches EC2 only after the same one was refused makes instances of an attempt that has
//!   ended. No answer names them; they carry the cluster's tags, and looks at all instances show them.
//! - An instance is gone when EC2 shows it as terminated, or has not shown it for long.

pub mod account;
mod api;
pub mod client;
mod error;
mod hardware;
mod iam;
mod image;
mod launch;
mod look;
pub mod pace;
mod prices;
mod scores;
mod terminate;
mod told;
mod types;
mod wire;
mod zone;

use api::Api;
use async_trait::async_trait;
use aws_sdk_ec2::Client;
use catalogue::{Catalogue, Fault};
use controlplane::cloud::{Cloud, CloudError, LaunchAnswer, LaunchOrder, Seen, TerminateAnswer};
use controlplane_core::prices::{Prices, SpotScore, TypesTold};
use ec2_core::credential::ClusterKey;
use ec2_core::{Config, Frozen};
pub use image::ImageError;
use replay_core::State;
use schema::event::MAX_SETTINGS;
use schema::id::{ClusterId, InstanceId};
use schema::policy::Policy;
use schema::unit::Millis;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use zone::Zone;
pub use zone::ZoneError;

/// What an EC2 cloud is made of.
pub struct Settings {
    /// The cluster: what is tagged with another's name is left alone.
    pub cluster: ClusterId,
    /// What instances' credentials are made with.
    pub key: ClusterKey,
    /// What is launched, and how.
    pub config: Config,
}

/// Why there is no cloud.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings are wrong.
    #[error("EC2 settings: {0}")]
    Settings(String),
    /// An image that the settings name cannot be had.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A zone that the settings name cannot be had.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// The catalogue of this build cannot be read.
    #[error("the catalogue that is shipped")]
    Catalogue(#[from] Fault),
}

/// EC2, for one cluster.
pub struct Ec2Cloud {
    api: Api,
    settings: Settings,
    /// What this process would launch by, and its text.
    own: (Arc<Frozen>, String),
    /// What an order was last decided by that was decided by something else.
    other: Mutex<Option<(Arc<str>, Arc<Frozen>)>>,
    zones: BTreeMap<SmolStr, Zone>,
    spot: prices::Spot,
    scores: told::Told,
    types: types::Types,
    doubts: Mutex<launch::Doubts>,
    looks: look::Looks,
    ends: Mutex<terminate::Ends>,
}

impl Ec2Cloud {
    /// Checks the settings and settles on the images and zones that they mean: for as long as this value
    /// lives.
    ///
    /// # Errors
    /// [`OpenError`]: nothing can be launched.
    pub async fn open(client: Client, settings: Settings) -> Result<Ec2Cloud, OpenError> {
        settings.config.check().map_err(OpenError::Settings)?;
        let api = Api::new(client);
        let images = image::settle(&api, &settings.config).await?;
        let zones = zone::settle(&api, &settings.config).await?;
        let frozen = Frozen::of(&settings.config, images);
        let text = frozen.text().map_err(OpenError::Settings)?;
        if text.len() > MAX_SETTINGS {
            let what = format!("{} bytes are more than fit in a record", text.len());
            return Err(OpenError::Settings(what));
        }
        Ok(Ec2Cloud {
            api,
            settings,
            own: (Arc::new(frozen), text),
            other: Mutex::default(),
            zones,
            spot: prices::Spot::default(),
            scores: told::Told::default(),
            types: types::Types::of(Catalogue::shipped()?),
            doubts: Mutex::default(),
            looks: look::Looks::default(),
            ends: Mutex::default(),
        })
    }

    /// The same, which may ask this price list: none if the settings name none.
    #[must_use]
    pub fn with_price_list(self, list: Option<aws_sdk_pricing::Client>) -> Ec2Cloud {
        Ec2Cloud { api: self.api.with_price_list(list), ..self }
    }
}

#[async_trait]
impl Cloud for Ec2Cloud {
    async fn launch(&self, order: &LaunchOrder) -> LaunchAnswer {
        self.run(order).await
    }

    async fn terminate(&self, instance: &InstanceId) -> TerminateAnswer {
        self.end(instance).await
    }

    fn prices(&self, policy: &Policy) -> Option<Prices> {
        self.sold(policy)
    }

    async fn prices_now(&self, policy: &Policy) -> Option<Prices> {
        self.see_prices(policy).await.then(|| self.sold(policy)).flatten()
    }

    async fn scores_now(&self, policy: &Policy) -> Option<Vec<SpotScore>> {
        self.see_scores(policy).await
    }

    async fn types_now(&self, policy: &Policy) -> Option<TypesTold> {
        self.see_types(policy).await
    }

    fn types_known(&self, state: &State) {
        self.know(state);
    }

    fn settings(&self) -> Option<String> {
        Some(self.own.1.clone())
    }

    fn key(&self) -> Option<ClusterKey> {
        Some(self.settings.key.clone())
    }

    async fn console(&self, instance: &InstanceId) -> Option<String> {
        match self.api.console(instance).await {
            Ok(shown) => shown,
            Err(error) => {
                tracing::info!(%instance, %error, "its console cannot be seen");
                None
            }
        }
    }

    fn list_every(&self) -> Millis {
        self.settings.config.list_every
    }

    async fn list(&self) -> Result<Vec<Seen>, CloudError> {
        match self.look_now().await {
            Ok(look) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let now = Millis::of(now).0;
                Ok(look.rows.values().filter_map(|seen| seen.seen(now)).collect())
            }
            Err(error) => {
                Err(CloudError { what: "list its instances".into(), reason: error.to_string() })
            }
        }
    }
}

/// What is guarded is whole between any two statements: a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
