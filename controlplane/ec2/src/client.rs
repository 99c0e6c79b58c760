//! The AWS SDK as it is used here: one HTTP/1.1 or 2 client with ring, no retries of its own, and limits to
//! how long anything may take.

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::config::{Builder, SharedHttpClient};
pub use aws_sdk_pricing::Client as PriceListClient;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use ec2_core::config::PriceList;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call may take: EC2 itself gives up on a launch after less.
pub(crate) const CALL: Duration = Duration::from_secs(60);

/// A region, with the credentials of this process: from its environment, a profile or the instance that it runs
/// on. `AWS_ENDPOINT_URL_EC2` and `AWS_ENDPOINT_URL_IAM` name other endpoints.
pub async fn configuration(region: &str) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http());
    loader.region(Region::new(region.to_owned())).load().await
}

/// A client for a region, with the credentials of this process.
pub async fn connect(region: &str) -> Client {
    of(&configuration(region).await)
}

/// A client of these settings.
#[must_use]
pub fn of(config: &SdkConfig) -> Client {
    // The leader repeats what has no answer. Two that repeat would be one too many to keep the pace.
    let config = Builder::from(config).retry_config(RetryConfig::disabled());
    Client::from_conf(config.timeout_config(timeouts()).build())
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(CALL).build()
}

/// A client for the price list, with the same credentials. `AWS_ENDPOINT_URL_PRICING` names another endpoint
/// where the settings do not.
pub async fn connect_price_list(list: &PriceList) -> PriceListClient {
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http());
    let config = loader.region(Region::new(list.region.to_string())).load().await;
    price_list(&config, list)
}

/// A client for the price list, of these settings.
#[must_use]
pub fn price_list(config: &SdkConfig, list: &PriceList) -> PriceListClient {
    let builder = aws_sdk_pricing::config::Builder::from(config);
    let builder = builder.region(Region::new(list.region.to_string()));
    let builder = builder.retry_config(RetryConfig::disabled()).timeout_config(timeouts());
    let config = match &list.endpoint {
        Some(endpoint) => builder.endpoint_url(endpoint.as_str()),
        None => builder,
    };
    PriceListClient::from_conf(config.build())
}

/// The same for what no SDK sends.
pub(crate) fn connector() -> Connector {
    Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
}

/// HTTP with TLS by ring, and the system's certificates.
#[must_use]
pub fn http() -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
