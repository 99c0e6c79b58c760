//! The address of a log on JetStream: servers with commas between them, and behind `?` what goes for all
//! of them: `tls://a:4222,tls://b:4222?replicas=3&ca=/etc/ssl/own.pem`.

use super::super::OpenError;
use super::broken;
use super::stream::Shape;
use std::path::PathBuf;

const REST: &str = "behind the servers may stand ?replicas=1, 3 or 5, and ?ca=FILE by its whole path; \
                    & is between them, and each stands once";

/// What a URL names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) servers: Vec<String>,
    /// Who signs the servers' certificates, if nobody whom this machine trusts anyway.
    pub(super) ca: Option<PathBuf>,
    pub(super) shape: Shape,
}

pub(super) fn parse(url: &str) -> Result<Address, OpenError> {
    let (servers, rest) = url.split_once('?').map_or((url, None), |(a, b)| (a, Some(b)));
    let servers = servers.split(',').map(str::to_owned).collect();
    let mut address = Address { servers, ca: None, shape: Shape { replicas: None } };
    for setting in rest.into_iter().flat_map(|rest| rest.split('&')) {
        set(&mut address, setting).ok_or_else(|| broken(url, REST))?;
    }
    Ok(address)
}

/// `None` if it is none of those that there are, or stands twice.
fn set(address: &mut Address, setting: &str) -> Option<()> {
    match setting.split_once('=')? {
        ("replicas", text) if address.shape.replicas.is_none() => {
            let replicas = text.parse().ok().filter(|count| matches!(count, 1 | 3 | 5))?;
            address.shape.replicas = Some(replicas);
        }
        // A URL is noted and handed on: to a process in another directory it means the same.
        ("ca", path) if path.starts_with('/') && address.ca.is_none() => {
            address.ca = Some(path.into());
        }
        _ => return None,
    }
    Some(())
}

/// The URL of the same log, whose servers' certificates are signed by who is in this file (PEM, its whole
/// path), whatever the machine trusts.
#[must_use]
pub fn trusting(url: &str, ca: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}ca={ca}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ca(url: &str) -> Option<PathBuf> {
        parse(url).expect("an address").ca
    }

    #[test]
    fn settings_stand_behind_the_servers_in_any_order() {
        for url in
            ["tls://a:1,tls://b:2?replicas=3&ca=/x.pem", "tls://a:1,tls://b:2?ca=/x.pem&replicas=3"]
        {
            let address = parse(url).expect("an address");
            assert_eq!(address.servers, ["tls://a:1", "tls://b:2"]);
            assert_eq!(address.ca, Some("/x.pem".into()));
            assert_eq!(address.shape.replicas, Some(3));
        }
        assert_eq!(ca("tls://a:1"), None);
    }

    #[test]
    fn who_is_trusted_is_added_to_any_address() {
        assert_eq!(ca(&trusting("tls://a:1", "/x.pem")), Some("/x.pem".into()));
        assert_eq!(ca(&trusting("tls://a:1?replicas=3", "/x.pem")), Some("/x.pem".into()));
        parse(&trusting("tls://a:1?ca=/y.pem", "/x.pem")).expect_err("twice");
    }

    #[test]
    fn what_means_nothing_or_two_things_is_refused() {
        for rest in ["", "x=y", "replicas=2", "replicas=3&replicas=3", "ca=x.pem", "ca=", "ca"] {
            let error = parse(&format!("tls://a:1?{rest}")).expect_err(rest);
            assert!(error.to_string().contains("behind the servers may stand"), "{error}");
        }
    }
}
