//! EC2's throttling: token buckets for requests, one an action, and for instances.
//!
//! Sizes as in "Request throttling" of EC2's developer guide; they hold for an account and a region.

use crate::request::Request;
use std::collections::BTreeMap;

/// How many it holds, and how many thousandths come back each second.
type Size = (u64, u64);

const MILLION: u64 = 1_000_000;
const LOOKS: Size = (100, 20_000);
/// Looks at everything: neither a filter nor a page is asked for.
const LOOKS_AT_ALL: Size = (50, 10_000);
const CHANGES: Size = (50, 5_000);
const UNFILTERED: [&str; 4] = [
    "DescribeInstanceStatus",
    "DescribeInstances",
    "DescribeSpotInstanceRequests",
    "DescribeVolumes",
];
const OWN: [(&str, Size); 6] = [
    ("CreateLaunchTemplateVersion", (100, 5_000)),
    ("CreateTags", (100, 10_000)),
    ("DescribeCapacityBlockOfferings", (10, 150)),
    ("RunInstances", (5, 2_000)),
    ("StartInstances", (5, 2_000)),
    ("TerminateInstances", (100, 5_000)),
];
/// Buckets of instances, beside those of requests.
const INSTANCES: [(&str, Size); 4] = [
    ("RunInstances", (1_000, 2_000)),
    ("StartInstances", (1_000, 2_000)),
    ("StopInstances", (1_000, 20_000)),
    ("TerminateInstances", (1_000, 20_000)),
];

/// Levels, in millionths of a token, and when they were right.
#[derive(Default)]
pub(crate) struct Buckets(BTreeMap<(String, String), (u64, u64)>);

impl Buckets {
    /// Takes what a request costs; `false` if there is not as much.
    pub(crate) fn admit(&mut self, request: &Request, now_ms: u64) -> bool {
        let (name, size) = requests(request);
        if !self.take(&request.region, name, size, 1, now_ms) {
            return false;
        }
        let own = INSTANCES.iter().find(|(action, _)| *action == request.action);
        own.is_none_or(|(action, size)| {
            let name = format!("{action} instances");
            self.take(&request.region, name, *size, instances(request), now_ms)
        })
    }

    fn take(&mut self, region: &str, name: String, size: Size, count: u64, now_ms: u64) -> bool {
        let (holds, refill) = (size.0 * MILLION, size.1);
        let entry = self.0.entry((region.to_owned(), name)).or_insert((holds, now_ms));
        // A thousandth of a token each second is a millionth each millisecond.
        let back = now_ms.saturating_sub(entry.1).saturating_mul(refill);
        let level = entry.0.saturating_add(back).min(holds);
        let left = level.checked_sub(count.saturating_mul(MILLION));
        *entry = (left.unwrap_or(level), now_ms);
        left.is_some()
    }
}

/// The bucket of an action's requests.
fn requests(request: &Request) -> (String, Size) {
    let action = request.action.as_str();
    let narrow = request.get("MaxResults").is_some() || !request.filters().is_empty();
    if UNFILTERED.contains(&action) && !narrow {
        return (format!("{action} of all"), LOOKS_AT_ALL);
    }
    let own = OWN.iter().find(|(name, _)| *name == action).map(|(_, size)| *size);
    let looks = ["Describe", "Get", "List", "Search"].iter().any(|verb| action.starts_with(verb));
    let size = own.unwrap_or(if looks { LOOKS } else { CHANGES });
    (action.to_owned(), size)
}

/// How many instances a request is about.
fn instances(request: &Request) -> u64 {
    match request.get("MaxCount") {
        Some(count) => count.parse().unwrap_or(1),
        None => request.instances().len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::Buckets;
    use crate::request::Request;

    fn admitted(buckets: &mut Buckets, request: &Request, now_ms: u64) -> usize {
        (0..2_000).take_while(|_| buckets.admit(request, now_ms)).count()
    }

    #[test]
    fn buckets_are_as_large_as_ec2_says() {
        let run = Request::new("RunInstances", "r").with("MaxCount", "1");
        let one = Request::new("TerminateInstances", "r").with("InstanceId.1", "i-1");
        let all = Request::new("DescribeInstances", "r");
        let page = all.clone().with("MaxResults", "1000");
        let expected = [
            (run, 5, 2),
            (one, 100, 5),
            (all, 50, 10),
            (page, 100, 20),
            (Request::new("CreateTags", "r"), 100, 10),
            (Request::new("CreateFleet", "r"), 50, 5),
            (Request::new("DescribeSubnets", "r"), 100, 20),
        ];
        let mut buckets = Buckets::default();
        for (request, holds, refill) in expected {
            assert_eq!(admitted(&mut buckets, &request, 0), holds, "{request:?}");
            assert_eq!(admitted(&mut buckets, &request, 1_000), refill, "{request:?}");
        }
    }

    #[test]
    fn regions_do_not_share() {
        let mut buckets = Buckets::default();
        let in_region = |region| Request::new("RunInstances", region).with("MaxCount", "1");
        assert_eq!(admitted(&mut buckets, &in_region("r"), 0), 5);
        assert_eq!(admitted(&mut buckets, &in_region("s"), 0), 5);
    }

    #[test]
    fn instances_are_counted_too() {
        let mut buckets = Buckets::default();
        let run = |count: &str| Request::new("RunInstances", "r").with("MaxCount", count);
        assert!(buckets.admit(&run("999"), 0));
        assert!(!buckets.admit(&run("2"), 0));
        assert!(buckets.admit(&run("1"), 0));
        assert!(buckets.admit(&run("2"), 1_000));
    }
}
