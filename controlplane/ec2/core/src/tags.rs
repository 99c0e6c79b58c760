//! Tags: written once, in the call that makes an instance, and read back as hostile input.

use crate::Intent;
use schema::id::{ClusterId, LaunchId};
use schema::unit::Epoch;
use std::collections::BTreeMap;

/// Names the cluster.
pub const CLUSTER: &str = "fleetlog:cluster";
/// Names the launch.
pub const LAUNCH: &str = "fleetlog:launch";
/// Names the attempt.
pub const ATTEMPT: &str = "fleetlog:attempt";
/// Names the term of the intent.
pub const EPOCH: &str = "fleetlog:epoch";
/// What the console of EC2 shows.
pub const NAME: &str = "Name";

/// Most tags on one thing, by EC2.
const MOST: usize = 50;
/// Longest key, in characters.
const LONGEST_KEY: usize = 128;
/// Longest value, in characters.
const LONGEST_VALUE: usize = 256;
/// How many of them are ours.
const OURS: usize = 5;

/// Whether these labels can be tags beside ours.
///
/// # Errors
/// Says which one cannot.
pub fn check(labels: &BTreeMap<String, String>) -> Result<(), String> {
    let extra = labels.keys().filter(|key| *key != NAME).count();
    if extra > MOST - OURS {
        return Err(format!("{extra} labels; EC2 takes {MOST} tags, and {OURS} are fleetlog's"));
    }
    for (key, value) in labels {
        let (key_length, value_length) = (key.chars().count(), value.chars().count());
        let lower = key.to_lowercase();
        let wrong = if key.is_empty() || key_length > LONGEST_KEY {
            format!("its key has {key_length} characters; 1 to {LONGEST_KEY} are allowed")
        } else if value_length > LONGEST_VALUE {
            format!("its value has {value_length} characters; {LONGEST_VALUE} are allowed")
        } else if lower.starts_with("aws:") || lower.starts_with("fleetlog:") {
            "keys that begin with aws: or fleetlog: belong to others".into()
        } else if let Some(c) = key.chars().chain(value.chars()).find(|c| !fair(*c)) {
            format!("{c:?} is not allowed in a tag")
        } else {
            continue;
        };
        return Err(format!("label {key:?}: {wrong}"));
    }
    Ok(())
}

/// What EC2 allows in a tag.
fn fair(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "+-=._:/@".contains(c)
}

/// All tags of what is made for an intent: a function of its record and of the labels alone.
#[must_use]
pub fn tags(intent: &Intent, labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let ours = [
        (CLUSTER, intent.cluster().to_string()),
        (LAUNCH, intent.launch().to_string()),
        (ATTEMPT, intent.attempt().to_string()),
        (EPOCH, intent.epoch().to_string()),
    ];
    let mut tags = BTreeMap::from([(NAME.to_owned(), format!("fleetlog {}", intent.cluster()))]);
    tags.extend(labels.clone());
    tags.extend(ours.map(|(key, value)| (key.to_owned(), value)));
    tags
}

/// What the tags of an instance say of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// Made for an intent of this cluster.
    Ours {
        /// The launch.
        launch: LaunchId,
        /// Its attempt.
        attempt: u32,
        /// The term of the intent, where it can be read.
        epoch: Option<Epoch>,
    },
    /// It names this cluster, but no intent: nobody knows what for it was made.
    Unnamed,
    /// It is another's.
    Stranger,
}

/// Reads tags that anyone in the account may have written.
#[must_use]
pub fn mark<'a>(cluster: &ClusterId, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Mark {
    let (mut named, mut launch, mut attempt, mut epoch) = (false, None, None, None);
    for (key, value) in tags {
        match key {
            CLUSTER => named = value == cluster.as_str(),
            LAUNCH => launch = LaunchId::new(value).ok(),
            ATTEMPT => attempt = number(value).and_then(|n| u32::try_from(n).ok()),
            EPOCH => epoch = number(value).map(Epoch),
            _ => {}
        }
    }
    match (named, launch, attempt) {
        (false, ..) => Mark::Stranger,
        (true, Some(launch), Some(attempt)) if attempt > 0 => Mark::Ours { launch, attempt, epoch },
        (true, ..) => Mark::Unnamed,
    }
}

/// A number as this project writes it: no sign, no blanks, no zeros before it.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
