//! The images that settings mean, looked up once.

use crate::api::Api;
use crate::error::ApiError;
use crate::wire::filter;
use ec2_core::Config;
use ec2_core::config::{Arch, Image, ImageRule, choose};
use std::collections::BTreeMap;

/// Why an image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is none.
    #[error("EC2 has no image for {arch} like this: {rule:?}")]
    None {
        /// The architecture.
        arch: &'static str,
        /// What was looked for.
        rule: ImageRule,
    },
    /// EC2 could not be asked.
    #[error("cannot look up an image: {0}")]
    Look(String),
}

/// The image for each architecture.
pub(crate) async fn settle(
    api: &Api,
    config: &Config,
) -> Result<BTreeMap<Arch, Image>, ImageError> {
    let mut images = BTreeMap::new();
    for (arch, rule) in &config.images {
        let image = look_up(api, *arch, rule).await;
        let image = image.map_err(|error| ImageError::Look(error.to_string()))?;
        let none = || ImageError::None { arch: arch.name(), rule: rule.clone() };
        images.insert(*arch, image.ok_or_else(none)?);
    }
    Ok(images)
}

/// The image that a rule means now.
pub(crate) async fn look_up(
    api: &Api,
    arch: Arch,
    rule: &ImageRule,
) -> Result<Option<Image>, ApiError> {
    let found = match rule {
        ImageRule::Id(id) => api.image(id).await?,
        ImageRule::Newest { owner, name } => {
            let filters = [
                filter("name", name),
                filter("architecture", arch.name()),
                filter("state", "available"),
            ];
            api.images(owner, &filters).await?
        }
    };
    Ok(choose(rule, arch, &found).cloned())
}
