//! When a driver keeps what it holds, which life it begins, and when it gives up.

use super::{Driver, LEAST_PAUSE, MOST, newer_than, pause};
use crate::view::{AllocView, ExecEnd};
use replay_core::author::Writer;
use schema::event::{
    AllocExpired, AllocFreed, AllocGranted, AllocRequested, AllocRevoked, DriverJoined, Event,
    ExecConfig, ExecSubmitted,
};
use schema::id::{AllocId, AuthorId, DriverId, ExecId, InstanceId};
use schema::requirements::{Constraint, Requirements};
use schema::resources::Resources;
use schema::unit::{LogTime, Millis, Seq};
use schema::why::{GrantWhy, RevokedWhy};
use std::collections::BTreeMap;
use std::str::FromStr;
use uuid::Uuid;

const LEASE: Millis = Millis(3000);
const GRACE: Millis = Millis(700);

fn id<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

fn author(name: &str, life: Uuid) -> Writer {
    Writer::new(id("test"), id::<AuthorId>(name), life, 0, Vec::new())
}

/// A driver that has joined, and the log as far as it names it.
struct World {
    driver: Driver,
    own: Writer,
    ctl: Writer,
    seq: u64,
}

impl World {
    fn new() -> World {
        let mut driver = Driver::new(Millis(0), id("test"), id("d-1"), LEASE);
        let life = driver.join(Uuid::from_u128(1 << 100));
        let (own, ctl) = (author("d-1", life), author("r-1", Uuid::from_u128(1)));
        let mut world = World { driver, own, ctl, seq: 0 };
        world.says(DriverJoined { driver: id("d-1"), version: "0".into() });
        world
    }

    fn says(&mut self, event: impl Into<Event>) {
        let (_, line) = self.own.write(event.into(), Seq(0)).expect("short enough");
        self.seq += 1;
        self.driver.fold(Seq(self.seq), LogTime(0), &line.subject, &line.payload);
    }

    fn give(&mut self, alloc: &str, lease: Millis) {
        let (alloc, driver) = (id::<AllocId>(alloc), id("d-1"));
        self.says(AllocRequested {
            alloc: alloc.clone(),
            driver,
            requirements: Requirements::exactly(Resources::default()),
            constraint: Constraint::default(),
            priority: 0,
            labels: BTreeMap::new(),
            lease: Some(LEASE),
        });
        let granted = AllocGranted {
            alloc,
            driver: id("d-1"),
            instance: id("i-1"),
            resources: Resources::default(),
            lease,
            grace: GRACE,
            address: String::new(),
            why: GrantWhy::Named,
        };
        let (_, line) = self.ctl.write(granted.into(), Seq(0)).expect("short enough");
        self.seq += 1;
        self.driver.fold(Seq(self.seq), LogTime(0), &line.subject, &line.payload);
    }

    /// The leader says something at this log time.
    fn hears(&mut self, time: LogTime, event: impl Into<Event>) {
        let (_, line) = self.ctl.write(event.into(), Seq(0)).expect("short enough");
        self.seq += 1;
        self.driver.fold(Seq(self.seq), time, &line.subject, &line.payload);
    }

    /// How many allocs each record keeps that is written now.
    fn keeps(&mut self, now: u64) -> Vec<usize> {
        self.driver.keep(Millis(now)).iter().map(|kept| kept.allocs.len()).collect()
    }
}

#[test]
fn a_keepalive_is_due_after_a_third_of_the_shortest_lease() {
    let minutes = |count: u64| Millis::from_secs(60 * count);
    assert_eq!(pause(minutes(2), None), Millis::from_secs(40));
    assert_eq!(pause(minutes(30), Some(minutes(5))), Millis::from_secs(100));
    assert_eq!(pause(minutes(2), Some(minutes(5))), Millis::from_secs(40));
    assert_eq!(pause(Millis(0), None), LEAST_PAUSE);
}

#[test]
fn what_an_earlier_life_holds_is_kept_at_once() {
    let mut world = World::new();
    world.give("a-1", LEASE);
    assert_eq!(world.driver.due(), Some(Millis(0)));
    assert_eq!(world.keeps(0), [1]);
}

#[test]
fn one_keepalive_is_under_way_at_a_time() {
    let mut world = World::new();
    world.give("a-1", LEASE);
    assert_eq!(world.keeps(0), [1]);
    assert_eq!(world.driver.due(), None);
    assert!(world.keeps(60_000).is_empty());
    world.driver.kept(Millis(60_000));
    assert_eq!(world.driver.due(), Some(Millis(61_000)));
    assert!(world.keeps(60_999).is_empty());
    assert_eq!(world.keeps(61_000), [1]);
}

#[test]
fn a_grant_for_less_than_was_asked_for_is_kept_sooner() {
    let mut world = World::new();
    assert!(world.keeps(0).is_empty(), "nothing is held");
    assert_eq!(world.driver.due(), Some(Millis(1000)));
    world.give("a-1", Millis(300));
    assert_eq!(world.driver.due(), Some(Millis(100)));
    assert_eq!(world.keeps(100), [1]);
}

#[test]
fn one_record_keeps_no_more_than_fits() {
    let mut world = World::new();
    for number in 0..=MOST {
        world.give(&format!("a-{number}"), LEASE);
    }
    assert_eq!(world.keeps(0), [MOST, 1]);
}

#[test]
fn a_life_is_newer_than_the_last_whatever_the_clock_says() {
    let fresh = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    let other = Uuid::from_u128(fresh.as_u128() + 1);
    assert_eq!(newer_than(None, fresh), fresh);
    let ahead = Uuid::from_u128(fresh.as_u128() + (1 << 100));
    let next = newer_than(Some(ahead), fresh);
    assert!(next > ahead);
    assert_eq!(next.get_version_num(), 7);
    assert_ne!(next, newer_than(Some(ahead), other));
    assert!(newer_than(Some(fresh), fresh) > fresh);
}

#[test]
fn a_newer_life_takes_over() {
    let mut world = World::new();
    assert!(world.driver.joined() && !world.driver.taken_over());
    let mut newer = author("d-1", Uuid::from_u128(1 << 101));
    let joined = DriverJoined { driver: id("d-1"), version: "0".into() };
    let (_, line) = newer.write(joined.into(), Seq(0)).expect("short enough");
    world.driver.fold(Seq(9), LogTime(0), &line.subject, &line.payload);
    assert!(!world.driver.joined() && world.driver.taken_over());
}

#[test]
fn what_nobody_can_report_any_more_is_given_up() {
    let mut world = World::new();
    world.give("a-1", LEASE);
    let (alloc, driver, instance) = (id::<AllocId>("a-1"), id("d-1"), id("i-1"));
    let (exec, config) = (id::<ExecId>("x-1"), ExecConfig::default());
    world.says(ExecSubmitted {
        exec: exec.clone(),
        alloc: alloc.clone(),
        driver,
        instance,
        config,
    });
    world.says(AllocFreed { alloc: alloc.clone(), driver: id("d-1"), instance: id("i-1") });
    assert!(matches!(world.driver.view().allocs[&alloc], AllocView::Over(_)));
    // Its agent may be cut off, and goes by what was granted.
    let awaited = world.driver.view().awaited[&alloc];
    assert_eq!(awaited, Millis(LEASE.0 + GRACE.0));
    assert_eq!(world.driver.expire(Millis(500)), []);
    assert_eq!(world.driver.expire(Millis(499 + awaited.0)), []);
    assert_eq!(world.driver.expire(Millis(500 + awaited.0)).len(), 1);
    let end = &world.driver.view().execs[&exec].end;
    assert!(matches!(end, Some(ExecEnd::Lost(_))), "{end:?}");
}

/// A leader that stood still between its decision and the log: until that landed the agent was in reach.
#[test]
fn an_end_that_lands_late_is_waited_for_from_then_on() {
    let late = LogTime(0) + Millis::from_secs(600);
    let (soon, far) = (LogTime(0) + Millis(1), late + Millis::from_secs(3600));
    for (execs_until, awaited) in
        [(soon, Millis(LEASE.0 + GRACE.0)), (far, Millis::from_secs(3600))]
    {
        for end in ends(execs_until) {
            let mut world = World::new();
            world.give("a-1", LEASE);
            let (alloc, driver) = (id::<AllocId>("a-1"), id("d-1"));
            let (exec, config) = (id("x-1"), ExecConfig::default());
            let submitted =
                ExecSubmitted { exec, alloc: alloc.clone(), driver, instance: id("i-1"), config };
            world.says(submitted);
            let kind = end.kind();
            world.hears(late, end);
            assert_eq!(world.driver.view().awaited.get(&alloc), Some(&awaited), "{kind}");
        }
    }
}

fn ends(execs_until: LogTime) -> [Event; 2] {
    let (alloc, driver, instance) = (id::<AllocId>("a-1"), id::<DriverId>("d-1"), id("i-1"));
    let expired = AllocExpired {
        alloc: alloc.clone(),
        driver: driver.clone(),
        instance: InstanceId::clone(&instance),
        execs_until,
    };
    let why = RevokedWhy::AllocKilled;
    let revoked = AllocRevoked { alloc, driver, instance, execs_until, why };
    [expired.into(), revoked.into()]
}
