//! Ids, amounts, policies and requirements, as people write them.

use schema::id::{AllocId, check};
use schema::policy::Policy;
use schema::requirements::{MAX_WIDTH, Requirements};
use schema::resources::{Resources, parse_bytes, parse_cpu, show_bytes, show_cpu};
use schema::unit::{Micros, Millis};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Each line is an id, which prints as it was, or there is a reason why not; ids are in the order of
/// their texts.
pub fn id(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut ids: Vec<AllocId> = Vec::new();
    for line in text.split('\n').take(40) {
        let plain = (1..=64).contains(&line.len())
            && line.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert_eq!(check(line).is_ok(), plain, "{line:?}");
        match line.parse::<AllocId>() {
            Ok(id) => {
                assert_eq!((id.as_str(), id.to_string().as_str()), (line, line));
                ids.push(id);
            }
            Err(error) => assert!(!plain && !error.to_string().is_empty()),
        }
        let encoded = rmp_serde::to_vec(line).expect("a text");
        assert_eq!(rmp_serde::from_slice::<AllocId>(&encoded).is_ok(), plain, "{line:?}");
    }
    for one in &ids {
        assert!(AllocId::lowest() < *one);
        for other in &ids {
            assert_eq!(one.cmp(other), one.as_str().cmp(other.as_str()), "{one} {other}");
        }
    }
}

/// Each line is an amount, which is read as it is shown, or the reason why not names it.
pub fn amount(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.split('\n').take(40) {
        match parse_cpu(line) {
            Ok(amount) => assert_eq!(parse_cpu(&show_cpu(amount)), Ok(amount), "{line:?}"),
            Err(reason) => assert!(reason.contains(&format!("{line:?}")), "{reason}"),
        }
        match parse_bytes(line) {
            Ok(amount) => about(amount),
            Err(reason) => assert!(reason.contains(&format!("{line:?}")), "{reason}"),
        }
        match Micros::parse(line) {
            Ok(money) => assert_eq!(Micros::parse(&money.dollars()), Ok(money), "{line:?}"),
            Err(reason) => assert!(reason.contains(&format!("{line:?}")), "{reason}"),
        }
        match Millis::parse(line) {
            Ok(length) => assert_eq!(Millis::parse(&format!("{length}ms")), Ok(length), "{line:?}"),
            Err(reason) => assert!(reason.contains(&format!("{line:?}")), "{reason}"),
        }
    }
}

/// What is shown of an amount of bytes is rounded to a tenth of its unit.
fn about(amount: u64) {
    let shown = show_bytes(amount);
    // The largest amounts are rounded up to one that there is not.
    let Ok(read) = parse_bytes(&shown) else { return assert!(amount > u64::MAX - (1 << 40)) };
    assert!(read.abs_diff(amount) <= amount / 20, "{amount} is shown as {shown}");
}

/// A policy in JSON is read as it is written, or there is a reason why not.
pub fn policy(bytes: &[u8]) {
    let Some(policy) = json::<Policy>(bytes) else { return };
    if let Err(reason) = policy.check() {
        return assert!(!reason.is_empty());
    }
    assert!(policy.min_instances <= policy.max_instances && policy.max_pending > 0);
    for asked in [None, Some(policy.lease), Some(policy.patience)] {
        let lease = policy.lease_for(asked);
        assert!(lease.0 > 0 && lease <= policy.max_lease);
    }
}

/// Requirements in JSON are read as they are written, or there is a reason why not; amounts add up.
pub fn requirements(bytes: &[u8]) {
    let Some(needs) = json::<Requirements>(bytes) else { return };
    sums(&needs.min, &needs.max);
    if let Err(reason) = needs.check() {
        return assert!(!reason.is_empty());
    }
    assert!(needs.max.holds(&needs.min) && needs.floor().holds(&needs.min));
    assert!((1..=MAX_WIDTH).contains(&needs.width) && !needs.min.is_empty());
}

fn sums(one: &Resources, other: &Resources) {
    assert_eq!(one.holds(other), one.shortage(other).is_none());
    let (sum, rest) = (one.plus(other), one.minus(other));
    assert_eq!(sum, other.plus(one));
    assert!(sum.holds(one) && sum.holds(other) && one.holds(&rest));
    assert!(one.at_least(other).holds(other) && one.holds(&one.at_most(other)));
    assert!(one.minus(one).is_empty());
    assert!(!one.to_string().is_empty());
    if one.holds(other) {
        assert!(rest.plus(other).holds(one) && one.holds(&rest.plus(other)));
    }
}

/// A value out of JSON, which is the same after it has been JSON and MessagePack again.
fn json<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let text = serde_json::to_vec(&value).expect("JSON");
    assert_eq!(serde_json::from_slice::<T>(&text).ok().as_ref(), Some(&value));
    let packed = rmp_serde::to_vec_named(&value).expect("MessagePack");
    assert_eq!(rmp_serde::from_slice::<T>(&packed).ok().as_ref(), Some(&value));
    Some(value)
}
