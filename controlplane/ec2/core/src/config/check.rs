//! What is wrong with settings, in sentences.

use super::{Arch, Config, Data, Fetched};
use crate::cloudinit::CloudFile;
use crate::volume::{LARGEST, Layout, VolumeType, layout};
use crate::{tags, userdata};
use schema::resources::Resources;
use schema::unit::Millis;
use std::collections::{BTreeMap, BTreeSet};

/// An agent needs this long at least to be fetched and to join.
const SHORTEST_EXPIRY: Millis = Millis::from_secs(30);
/// A day: what has not joined by then never will.
const LONGEST_EXPIRY: Millis = Millis::from_secs(24 * 3600);
/// With up to a thousand instances, a tenth of the calls that an account has.
const SHORTEST_LIST: Millis = Millis(500);
/// An orphan is one at two looks, half a minute apart: it is to be found within two minutes.
const LONGEST_LIST: Millis = Millis::from_secs(60);
/// Most hops that EC2 takes.
const MOST_HOPS: u32 = 64;

impl Config {
    /// Whether instances can be launched with these settings.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        name("region", &self.region)?;
        self.check_network()?;
        self.check_images()?;
        self.check_volumes()?;
        let expiry = self.bootstrap_expiry;
        if expiry < SHORTEST_EXPIRY || expiry > LONGEST_EXPIRY {
            return Err(format!(
                "bootstrap_expiry must be between {SHORTEST_EXPIRY} ms and {LONGEST_EXPIRY} ms"
            ));
        }
        if !(1..=MOST_HOPS).contains(&self.metadata.hop_limit) {
            return Err(format!("metadata.hop_limit must be between 1 and {MOST_HOPS}"));
        }
        if self.list_every < SHORTEST_LIST || self.list_every > LONGEST_LIST {
            return Err(format!(
                "list_every must be between {SHORTEST_LIST} ms and {LONGEST_LIST} ms"
            ));
        }
        if let Some(list) = &self.price_list {
            name("price_list.region", &list.region)?;
            let at = list.endpoint.as_deref().unwrap_or("https://aws");
            url("price_list.endpoint", at, &["https://", "http://"])?;
        }
        tags::check(&self.labels)?;
        let unreadable = |key: &&String| key.contains([' ', '/']);
        if let (true, Some(key)) = (self.metadata.tags, self.labels.keys().find(unreadable)) {
            return Err(format!("label {key:?}: metadata.tags allows neither blanks nor /"));
        }
        url("log.url", &self.log.url, &["nats://", "tls://"])?;
        if self.log.ca.as_ref().is_some_and(|ca| !ca.contains("-----BEGIN CERTIFICATE-----")) {
            return Err("log.ca holds no certificate in PEM".into());
        }
        if self.log.ca.is_some() && ["?ca=", "&ca="].iter().any(|ca| self.log.url.contains(ca)) {
            return Err("log.url names a ca, and log.ca is another; leave out one".into());
        }
        self.check_own()?;
        userdata::check_size(self)
    }

    fn check_network(&self) -> Result<(), String> {
        let mut zones = BTreeSet::new();
        for subnet in &self.subnets {
            name("zone", &subnet.zone)?;
            resource("subnet", "subnet-", &subnet.subnet)?;
            if !zones.insert(&subnet.zone) {
                return Err(format!("zone {} has two subnets; name one", subnet.zone));
            }
        }
        if zones.is_empty() {
            return Err("subnets names no subnet".into());
        }
        if self.security_groups.is_empty() {
            return Err("security_groups names no group".into());
        }
        self.security_groups.iter().try_for_each(|group| resource("security group", "sg-", group))
    }

    fn check_images(&self) -> Result<(), String> {
        if self.images.is_empty() {
            return Err("images names no image".into());
        }
        for (arch, rule) in &self.images {
            match rule {
                super::ImageRule::Id(id) => resource("image", "ami-", id)?,
                super::ImageRule::Newest { owner, name: pattern } => {
                    name("the owner of an image", owner)?;
                    if pattern.is_empty() || pattern.chars().all(|c| c == '*') {
                        return Err(format!("the image for {} may have any name", arch.name()));
                    }
                }
            }
            if !self.agent.contains_key(arch) {
                return Err(format!("there is an image for {}, but no agent", arch.name()));
            }
        }
        fetched("agent", &self.agent)?;
        fetched("node_exporter", &self.node_exporter)
    }

    fn check_volumes(&self) -> Result<(), String> {
        let root = &self.root;
        match root.kind {
            VolumeType::St1 => return Err("EC2 starts no instance from a root of type st1".into()),
            VolumeType::Io1 | VolumeType::Io2 => {
                return Err("a root of provisioned operations is not supported; use gp3".into());
            }
            VolumeType::Gp2 | VolumeType::Gp3 => {}
        }
        if root.size < root.kind.least() || root.size > LARGEST {
            let (kind, least) = (root.kind.name(), root.kind.least());
            return Err(format!("root.size must be between {least} and {LARGEST} GiB for {kind}"));
        }
        self.data.as_ref().map_or(Ok(()), |data| data.check_for(&Resources::default()).map(|_| ()))
    }

    /// What the owner adds must not touch what is ours, and must be read by the image.
    fn check_own(&self) -> Result<(), String> {
        for key in &self.ssh_keys {
            if key.split_whitespace().count() < 2 || key.contains('\n') {
                return Err(format!(
                    "{key:?} is no public key; it has a type and a key on one line"
                ));
            }
        }
        self.files.iter().try_for_each(file)?;
        for unit in &self.units {
            let fair = |c: char| c.is_ascii_alphanumeric() || "@-_.".contains(c);
            if !unit.name.contains('.') || !unit.name.chars().all(fair) {
                return Err(format!("{:?} is no name of a unit", unit.name));
            }
            self.flavour.check_unit(unit)?;
        }
        userdata::owners(self).map(|_| ())
    }
}

impl Data {
    /// The layout for an instance, if EC2 has such volumes.
    ///
    /// # Errors
    /// Says what it has not.
    pub fn check_for(&self, resources: &Resources) -> Result<Layout, String> {
        let made = layout(self.kind, self.size_for(resources), self.slicing);
        let kind = self.kind.name();
        if made.each > LARGEST {
            let Layout { slices, each } = made;
            return Err(format!("{slices} data slices of {each} GiB: {LARGEST} GiB is the most"));
        }
        let (least, most, a_gib) = match self.kind {
            VolumeType::Gp3 => (3000, 16_000, 500),
            VolumeType::Io1 => (100, 64_000, 50),
            VolumeType::Io2 => (100, 64_000, 500),
            VolumeType::Gp2 | VolumeType::St1 => (0, 0, 0),
        };
        match self.iops {
            Some(_) if most == 0 => return Err(format!("{kind} takes no data.iops")),
            Some(iops) if !(least..=most).contains(&iops) => {
                return Err(format!("data.iops must be between {least} and {most} for {kind}"));
            }
            // gp3 has its first 3000 at any size.
            Some(iops) if iops > made.each.saturating_mul(a_gib).max(least) => {
                let each = made.each;
                return Err(format!("data.iops of {iops} needs slices larger than {each} GiB"));
            }
            None if matches!(self.kind, VolumeType::Io1 | VolumeType::Io2) => {
                return Err(format!("{kind} needs data.iops"));
            }
            Some(_) | None => {}
        }
        match (self.kind, self.throughput) {
            (_, None) => Ok(made),
            (VolumeType::Gp3, Some(mib)) if !(125..=1000).contains(&mib) => {
                Err("data.throughput must be between 125 and 1000 MiB/s".into())
            }
            (VolumeType::Gp3, Some(mib)) if mib.saturating_mul(4) > self.iops.unwrap_or(3000) => {
                Err(format!("data.throughput of {mib} MiB/s needs data.iops of {}", mib * 4))
            }
            (VolumeType::Gp3, Some(_)) => Ok(made),
            (_, Some(_)) => Err(format!("{kind} takes no data.throughput")),
        }
    }
}

fn file(file: &CloudFile) -> Result<(), String> {
    let CloudFile { path, permissions, .. } = file;
    if !path.starts_with('/') || path.chars().any(char::is_control) {
        return Err(format!("{path:?} is no absolute path"));
    }
    let octal = permissions.len() == 4 && permissions.bytes().all(|b| matches!(b, b'0'..=b'7'));
    if octal { Ok(()) } else { Err(format!("{path}: {permissions:?} are no four octal digits")) }
}

fn fetched(what: &str, all: &BTreeMap<Arch, Fetched>) -> Result<(), String> {
    for Fetched { url: at, sha256 } in all.values() {
        url(&format!("{what}.url"), at, &["https://", "http://"])?;
        let hex = sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if sha256.len() != 64 || !hex {
            return Err(format!("{what}.sha256 {sha256:?} is not 64 lower-case hex digits"));
        }
    }
    Ok(())
}

/// A URL stands between quotes in a script: nothing in it may end them.
fn url(what: &str, text: &str, schemes: &[&str]) -> Result<(), String> {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let fair = |c: char| c.is_ascii_graphic() && !"'\"\\`".contains(c);
    match rest {
        None => Err(format!("{what} {text:?} does not begin with {}", schemes.join(" or "))),
        Some("") => Err(format!("{what} {text:?} names no place")),
        Some(_) if !text.chars().all(fair) => {
            Err(format!("{what} {text:?} holds a character that a URL does not"))
        }
        Some(_) => Ok(()),
    }
}

fn name(what: &str, text: &str) -> Result<(), String> {
    let fair = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    match !text.is_empty() && text.len() <= 64 && text.bytes().all(fair) {
        true => Ok(()),
        false => Err(format!("{what} {text:?} is not letters, digits and -")),
    }
}

/// An id as EC2 gives them: a prefix and hex digits.
fn resource(what: &str, prefix: &str, id: &str) -> Result<(), String> {
    let hex = |rest: &str| {
        !rest.is_empty() && rest.len() <= 32 && rest.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    match id.strip_prefix(prefix).is_some_and(hex) {
        true => Ok(()),
        false => Err(format!("{what} {id:?} does not look like {prefix}0123456789abcdef0")),
    }
}
