//! Where a controller's instances come from: this machine, or EC2 in a build that has it.

use crate::output::Usage;
use clap::Args;
use controlplane::cloud::Cloud;
use controlplane::cloud::local::faults::Faults;
use controlplane::cloud::local::{Host, LocalCloud, offerings};
use schema::id::ClusterId;
use schema::policy::Offering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which cloud. None named is this machine.
#[derive(Debug, Args)]
pub(crate) struct CloudArgs {
    /// Where instances on this machine keep their files
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Launch instances on EC2, by the settings in this JSON file
    #[cfg(feature = "ec2")]
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "dir")]
    ec2: Option<PathBuf>,
    /// The cluster's secret, which instances' credentials are made with: 64 hexadecimal digits in a file
    #[cfg(feature = "ec2")]
    #[arg(long, value_name = "FILE", requires = "ec2")]
    key: Option<PathBuf>,
}

/// A cloud, and what a new log's policy names of it.
pub(crate) struct Chosen {
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) offerings: Vec<Offering>,
}

impl CloudArgs {
    /// The cloud that was named; else one of agents that `host` brings up under a directory.
    #[cfg(feature = "ec2")]
    pub(crate) async fn open<H: Host>(
        &self,
        cluster: &ClusterId,
        host: impl FnOnce(&Path) -> H,
    ) -> anyhow::Result<Chosen> {
        match (&self.ec2, &self.key) {
            (Some(settings), Some(key)) => ec2_cloud(cluster, settings, key).await,
            _ => self.here(host),
        }
    }

    /// A cloud of agents that `host` brings up under a directory: this build has no other.
    #[cfg(not(feature = "ec2"))]
    pub(crate) fn open<H: Host>(
        &self,
        _: &ClusterId,
        host: impl FnOnce(&Path) -> H,
    ) -> std::future::Ready<anyhow::Result<Chosen>> {
        std::future::ready(self.here(host))
    }

    fn here<H: Host>(&self, host: impl FnOnce(&Path) -> H) -> anyhow::Result<Chosen> {
        let nowhere = || Usage("where do instances keep their files? give --dir".to_owned());
        Ok(local(host(self.dir.as_deref().ok_or_else(nowhere)?)))
    }
}

fn local(host: impl Host) -> Chosen {
    let cloud = Arc::new(LocalCloud::new(host, Faults::default()));
    Chosen { cloud, offerings: offerings() }
}

/// EC2. What it sells is seen, not named: a new log's policy names nothing.
#[cfg(feature = "ec2")]
async fn ec2_cloud(cluster: &ClusterId, settings: &Path, key: &Path) -> anyhow::Result<Chosen> {
    let config = read_settings(settings)?;
    let key = secret(read(key)?.trim())
        .ok_or_else(|| Usage(format!("{}: not 64 hexadecimal digits", key.display())))?;
    let client = ec2::client::connect(&config.region).await;
    let list = price_list(&config).await;
    let settings = ec2::Settings { cluster: cluster.clone(), key, config };
    let cloud = ec2::Ec2Cloud::open(client, settings).await?.with_price_list(list);
    Ok(Chosen { cloud: Arc::new(cloud), offerings: Vec::new() })
}

/// The price list, if these settings name one.
#[cfg(feature = "ec2")]
pub(super) async fn price_list(config: &ec2_core::Config) -> Option<ec2::client::PriceListClient> {
    match &config.price_list {
        Some(list) => Some(ec2::client::connect_price_list(list).await),
        None => None,
    }
}

/// The settings in a file, which a launch can be made by.
#[cfg(feature = "ec2")]
pub(super) fn read_settings(path: &Path) -> anyhow::Result<ec2_core::Config> {
    let wrong = |error: String| Usage(format!("{}: {error}", path.display()));
    let config: ec2_core::Config =
        serde_json::from_str(&read(path)?).map_err(|error| wrong(error.to_string()))?;
    config.check().map_err(wrong)?;
    Ok(config)
}

#[cfg(feature = "ec2")]
fn read(path: &Path) -> anyhow::Result<String> {
    use anyhow::Context as _;
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(feature = "ec2")]
fn secret(text: &str) -> Option<ec2_core::credential::ClusterKey> {
    let digits = text.bytes().map(|byte| u8::try_from(char::from(byte).to_digit(16)?).ok());
    let digits: Vec<u8> = digits.collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let whole = digits.len() == 64;
    whole.then(|| bytes.try_into().ok().map(ec2_core::credential::ClusterKey::new)).flatten()
}

#[cfg(all(test, feature = "ec2"))]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_64_digits() {
        assert!(secret(&"0aF9".repeat(16)).is_some());
        for wrong in ["", "0a", &"0g".repeat(32), &"0a".repeat(33), &"0a".repeat(31)] {
            assert!(secret(wrong).is_none(), "{wrong}");
        }
    }
}
