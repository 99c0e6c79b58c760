//! Token buckets, as EC2 keeps them for an account in a region: how soon the next call may be made
//! without being throttled. EC2's own count is not known here, so a throttled call empties ours.

use controlplane_core::Moment;
use schema::unit::Millis;

/// Millionths of a token.
const TOKEN: u64 = 1_000_000;

/// The size of a bucket and how it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Tokens in a full one.
    pub capacity: u32,
    /// Thousandths of a token that come in a second.
    pub refill: u32,
}

impl Limit {
    /// Calls that change nothing.
    pub const READING: Limit = Limit::of(100, 20_000);
    /// The same without filter and page size.
    pub const READING_ALL: Limit = Limit::of(50, 10_000);
    /// Calls that change something and have no bucket of their own.
    pub const CHANGING: Limit = Limit::of(50, 5_000);
    /// `RunInstances`.
    pub const RUN: Limit = Limit::of(5, 2_000);
    /// `TerminateInstances`.
    pub const TERMINATE: Limit = Limit::of(100, 5_000);
    /// `CreateTags`.
    pub const TAG: Limit = Limit::of(100, 10_000);
    /// `StartInstances`.
    pub const START: Limit = Limit::of(5, 2_000);
    /// `RequestSpotInstances` and `CancelSpotInstanceRequests`.
    pub const SPOT: Limit = Limit::of(50, 5_000);
    /// `CreateLaunchTemplateVersion`.
    pub const TEMPLATE: Limit = Limit::of(100, 5_000);
    /// `DescribeCapacityBlockOfferings`.
    pub const BLOCKS: Limit = Limit::of(10, 150);
    /// `GetProducts` of the price list, for which AWS names no limit: no more than is needed for the pages
    /// of one region within seconds.
    pub const PRICE_LIST: Limit = Limit::of(10, 5_000);
    /// Instances that `RunInstances` makes.
    pub const RUN_INSTANCES: Limit = Limit::of(1000, 2_000);
    /// Instances that `TerminateInstances` ends.
    pub const TERMINATE_INSTANCES: Limit = Limit::of(1000, 20_000);
    /// Instances that `StartInstances` starts.
    pub const START_INSTANCES: Limit = Limit::of(1000, 2_000);
    /// Instances that `StopInstances` stops.
    pub const STOP_INSTANCES: Limit = Limit::of(1000, 20_000);

    const fn of(capacity: u32, refill: u32) -> Limit {
        Limit { capacity, refill }
    }

    fn full(self) -> u64 {
        u64::from(self.capacity) * TOKEN
    }
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    limit: Limit,
    /// Millionths of a token.
    held: u64,
    at: Moment,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn new(limit: Limit, now: Moment) -> Bucket {
        Bucket { limit, held: limit.full(), at: now }
    }

    /// How long until there are so many tokens; zero if there are. More than the bucket holds are as
    /// many as it holds.
    pub fn wait(&mut self, now: Moment, tokens: u32) -> Millis {
        self.fill(now);
        let needed = u64::from(tokens.min(self.limit.capacity)) * TOKEN;
        let missing = needed.saturating_sub(self.held);
        // Thousandths a second are millionths a millisecond.
        Millis(missing.div_ceil(u64::from(self.limit.refill.max(1))))
    }

    /// Takes tokens; what is missing is owed.
    fn spend(&mut self, tokens: u32) {
        self.held = self.held.saturating_sub(u64::from(tokens) * TOKEN);
    }

    /// EC2 said that it was too much: whatever is held here is not there.
    pub fn empty(&mut self, now: Moment) {
        (self.held, self.at) = (0, self.at.max(now));
    }

    fn fill(&mut self, now: Moment) {
        let gained = now.since(self.at).0.saturating_mul(u64::from(self.limit.refill));
        self.held = self.held.saturating_add(gained).min(self.limit.full());
        self.at = self.at.max(now);
    }
}

/// A call that the leader makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `RunInstances`, for so many at most.
    Run(u32),
    /// `TerminateInstances`, for so many.
    Terminate(u32),
    /// Any of `Describe...`, with a filter or a page size.
    Describe,
    /// Any other that changes something.
    Change,
    /// `GetProducts` of the price list, which is a service of its own.
    PriceList,
}

/// The buckets of the calls that the leader makes. Each kind has its own: launches do not delay the
/// list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    run: Bucket,
    run_instances: Bucket,
    terminate: Bucket,
    terminate_instances: Bucket,
    describe: Bucket,
    change: Bucket,
    price_list: Bucket,
}

impl Buckets {
    /// Full ones.
    #[must_use]
    pub fn new(now: Moment) -> Buckets {
        let bucket = |limit| Bucket::new(limit, now);
        Buckets {
            run: bucket(Limit::RUN),
            run_instances: bucket(Limit::RUN_INSTANCES),
            terminate: bucket(Limit::TERMINATE),
            terminate_instances: bucket(Limit::TERMINATE_INSTANCES),
            describe: bucket(Limit::READING),
            change: bucket(Limit::CHANGING),
            price_list: bucket(Limit::PRICE_LIST),
        }
    }

    /// Takes what a call needs.
    ///
    /// # Errors
    /// How long to wait, if it is not there; then nothing is taken.
    pub fn take(&mut self, now: Moment, call: Call) -> Result<(), Millis> {
        let mut needed = self.needed(call);
        let wait = needed.iter_mut().map(|(bucket, tokens)| bucket.wait(now, *tokens)).max();
        match wait {
            Some(wait) if wait > Millis(0) => Err(wait),
            _ => {
                needed.iter_mut().for_each(|(bucket, tokens)| bucket.spend(*tokens));
                Ok(())
            }
        }
    }

    /// EC2 throttled this call.
    pub fn throttled(&mut self, now: Moment, call: Call) {
        self.needed(call).iter_mut().for_each(|(bucket, _)| bucket.empty(now));
    }

    fn needed(&mut self, call: Call) -> Vec<(&mut Bucket, u32)> {
        match call {
            Call::Run(count) => vec![(&mut self.run, 1), (&mut self.run_instances, count)],
            Call::Terminate(count) => {
                vec![(&mut self.terminate, 1), (&mut self.terminate_instances, count)]
            }
            Call::Describe => vec![(&mut self.describe, 1)],
            Call::Change => vec![(&mut self.change, 1)],
            Call::PriceList => vec![(&mut self.price_list, 1)],
        }
    }
}

/// How long calls of a kind rest after one was throttled, if they rested so long the time before: half as
/// long again and a second, between a second and a minute. Any other answer sets it back to nothing.
#[must_use]
pub fn throttle(before: Millis) -> Millis {
    let grown = before.0.saturating_add(before.0 / 2).saturating_add(1000);
    Millis(grown.clamp(1000, 60_000))
}
