//! How soon the next call may be made.

use controlplane_core::Moment;
use ec2_core::bucket::{Bucket, Buckets, Call, Limit, throttle};
use schema::unit::Millis;

/// EC2's published sizes: tokens, and thousandths of a token a second.
#[test]
fn buckets_have_the_published_sizes() {
    let cases = [
        (Limit::READING, 100, 20_000),
        (Limit::READING_ALL, 50, 10_000),
        (Limit::CHANGING, 50, 5_000),
        (Limit::RUN, 5, 2_000),
        (Limit::START, 5, 2_000),
        (Limit::TERMINATE, 100, 5_000),
        (Limit::TAG, 100, 10_000),
        (Limit::SPOT, 50, 5_000),
        (Limit::TEMPLATE, 100, 5_000),
        (Limit::BLOCKS, 10, 150),
        (Limit::RUN_INSTANCES, 1000, 2_000),
        (Limit::TERMINATE_INSTANCES, 1000, 20_000),
        (Limit::START_INSTANCES, 1000, 2_000),
        (Limit::STOP_INSTANCES, 1000, 20_000),
    ];
    for (limit, capacity, refill) in cases {
        assert_eq!((limit.capacity, limit.refill), (capacity, refill));
        let mut bucket = Bucket::new(limit, Moment(0));
        assert_eq!(bucket.wait(Moment(0), capacity), Millis(0));
        bucket.empty(Moment(0));
        let token = bucket.wait(Moment(0), 1);
        assert_eq!(token, Millis(1_000_000_u64.div_ceil(u64::from(refill))));
        assert_eq!(bucket.wait(Moment(token.0), 1), Millis(0), "no sooner and no later");
    }
}

#[test]
fn five_launches_go_at_once_and_then_two_a_second() {
    let mut buckets = Buckets::new(Moment(1000));
    for _ in 0..5 {
        assert_eq!(buckets.take(Moment(1000), Call::Run(1)), Ok(()));
    }
    assert_eq!(buckets.take(Moment(1000), Call::Run(1)), Err(Millis(500)));
    assert_eq!(buckets.take(Moment(1499), Call::Run(1)), Err(Millis(1)));
    assert_eq!(buckets.take(Moment(1500), Call::Run(1)), Ok(()));
    assert_eq!(buckets.take(Moment(1500), Call::Run(1)), Err(Millis(500)));
    assert_eq!(
        buckets.take(Moment(1500), Call::Describe),
        Ok(()),
        "launches do not delay the list"
    );
    assert_eq!(buckets.take(Moment(1500), Call::Terminate(10)), Ok(()));
}

#[test]
fn instances_are_counted_as_well_as_calls() {
    let mut buckets = Buckets::new(Moment(0));
    assert_eq!(buckets.take(Moment(0), Call::Run(999)), Ok(()));
    // Nothing is taken of either bucket by a call that has to wait.
    for _ in 0..9 {
        assert_eq!(buckets.take(Moment(0), Call::Run(3)), Err(Millis(1000)));
    }
    assert_eq!(buckets.take(Moment(0), Call::Run(1)), Ok(()));
    assert_eq!(buckets.take(Moment(1000), Call::Run(2)), Ok(()));
    // More than a bucket holds is asked for when it is full.
    assert_eq!(buckets.take(Moment(1000), Call::Terminate(5000)), Ok(()));
    assert_eq!(buckets.take(Moment(1000), Call::Terminate(20)), Err(Millis(1000)));
}

#[test]
fn a_throttled_call_empties_its_bucket_alone() {
    let mut buckets = Buckets::new(Moment(0));
    buckets.throttled(Moment(100), Call::Describe);
    assert_eq!(buckets.take(Moment(100), Call::Describe), Err(Millis(50)));
    assert_eq!(buckets.take(Moment(100), Call::Change), Ok(()));
    assert_eq!(
        buckets.take(Moment(50), Call::Describe),
        Err(Millis(50)),
        "a clock never runs back"
    );
    assert_eq!(buckets.take(Moment(150), Call::Describe), Ok(()));
    assert_eq!(buckets.take(Moment(u64::MAX), Call::Describe), Ok(()));
}

#[test]
fn rests_after_throttling_grow_to_a_minute() {
    let mut rest = Millis(0);
    let mut rests = Vec::new();
    for _ in 0..9 {
        rest = throttle(rest);
        rests.push(rest.0);
    }
    assert_eq!(rests, [1000, 2500, 4750, 8125, 13_187, 20_780, 32_170, 49_255, 60_000]);
    assert_eq!(throttle(Millis(u64::MAX)), Millis(60_000));
}
