//! What a request takes from the settings, as it is written on the log: the settings themselves, and the
//! images that they meant when they were settled on. Whoever repeats an order goes by what is written.

use crate::config::{Arch, Config, Image};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings, and the images that they mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    /// The settings.
    pub config: Config,
    /// The image for each architecture.
    pub images: BTreeMap<Arch, Image>,
}

impl Frozen {
    /// Of what settings say, what a request takes: what is only how the leader works is left as usual, so that
    /// nothing that runs is taken for launched by others.
    #[must_use]
    pub fn of(config: &Config, images: BTreeMap<Arch, Image>) -> Frozen {
        let usual = Config::usual_list();
        let config = Config { list_every: usual, price_list: None, ..config.clone() };
        Frozen { config, images }
    }

    /// The same settings give the same text.
    ///
    /// # Errors
    /// They cannot be written down.
    pub fn text(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| error.to_string())
    }

    /// What such a text says.
    ///
    /// # Errors
    /// It says nothing that this build understands, or settings that are wrong.
    pub fn read(text: &str) -> Result<Frozen, String> {
        let frozen: Frozen = serde_json::from_str(text).map_err(|error| error.to_string())?;
        frozen.config.check()?;
        Ok(frozen)
    }
}
