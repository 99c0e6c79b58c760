//! Idle instances of the wrong type, where somebody waits at a cap or at a quota for another.

use crate::check;
use crate::world::{World, cores, id, large, offering, small};
use schema::event::{DriverBudgetSet, InstanceHeld, InstanceKilled};
use schema::policy::Offering;
use schema::unit::{Micros, Millis};
use schema::why::{RefusalClass, RefusalScope};

const REST: Millis = Millis(600_000);

/// In a zone of its own.
fn elsewhere(offering: Offering) -> Offering {
    Offering { zone: "other".into(), ..offering }
}

/// The cloud has no quota left for anything of its group.
fn at_quota(w: &mut World) {
    w.launch("i-9", offering("m5.large", cores(8), 360_000), &[]);
    w.refuse_as("i-9", RefusalClass::Quota, RefusalScope::QuotaGroup, REST);
}

#[test]
fn at_a_cap_idle_ones_of_the_wrong_type_go() {
    check(&[
        (
            "as many instances as allowed",
            |w| {
                w.policy(|p| p.max_instances = 1);
                w.up("i-1", cores(2));
                w.ask("a-1", cores(4));
            },
            &["end i-1: room for a-1", "a-1 waits: at most 1 instances"],
        ),
        (
            "though the policy keeps a least number: another will take its place",
            |w| {
                w.policy(|p| (p.max_instances, p.min_instances) = (1, 1));
                w.up("i-1", cores(2));
                w.ask("a-1", cores(4));
            },
            &["end i-1: room for a-1", "a-1 waits: at most 1 instances"],
        ),
        (
            "one for each that waits, the dearest first",
            |w| {
                w.policy(|p| p.max_instances = 3);
                w.up_as("i-1", offering("priced", cores(2), 10));
                w.up_as("i-2", offering("priced", cores(2), 30));
                w.up_as("i-3", offering("priced", cores(2), 20));
                w.ask("a-1", cores(8));
                w.ask("a-2", cores(8));
            },
            &[
                "end i-2: room for a-1",
                "end i-3: room for a-2",
                "a-1 waits: at most 3 instances",
                "a-2 waits: at most 3 instances",
            ],
        ),
        (
            "not one that is in use, or held",
            |w| {
                w.policy(|p| p.max_instances = 2);
                w.up("i-1", cores(2));
                w.give("a-9", "i-1", cores(1));
                w.up("i-2", cores(2));
                w.say(InstanceHeld { instance: id("i-2") });
                w.ask("a-1", cores(4));
            },
            &["a-1 waits: at most 2 instances"],
        ),
        (
            "not one that is of use to another that waits",
            |w| {
                w.policy(|p| p.max_instances = 1);
                w.up("i-1", cores(2));
                w.ask("a-1", cores(4));
                w.ask("a-2", cores(2));
            },
            &["a-2 on i-1: best of 1", "a-1 waits: at most 1 instances"],
        ),
        (
            "none where all of them are not enough",
            |w| {
                w.up("i-1", cores(2));
                w.up("i-2", cores(2));
                w.give("a-9", "i-2", cores(2));
                w.up("i-3", cores(2));
                w.give("a-8", "i-3", cores(2));
                w.policy(|p| p.max_instances = 2);
                w.ask("a-1", cores(4));
            },
            &["a-1 waits: at most 2 instances"],
        ),
        (
            "none where another is going already",
            |w| {
                w.policy(|p| p.max_instances = 2);
                w.up("i-1", cores(2));
                w.up("i-2", cores(2));
                w.say(InstanceKilled { instance: id("i-1") });
                w.ask("a-1", cores(4));
            },
            &["end i-1: killed", "a-1 waits: at most 2 instances"],
        ),
    ]);
}

#[test]
fn at_a_budget_as_many_go_as_the_cheapest_launch_costs() {
    check(&[
        (
            "one is enough",
            |w| {
                w.policy(|p| p.max_hourly_cost = Micros(400_000));
                w.up("i-1", cores(2));
                w.ask("a-1", cores(8));
            },
            &["end i-1: room for a-1", "a-1 waits: budget, 360000 on 100000 of 400000"],
        ),
        (
            "all are needed",
            |w| {
                w.policy(|p| p.max_hourly_cost = Micros(400_000));
                w.up("i-1", cores(2));
                w.up("i-2", cores(2));
                w.up("i-3", cores(2));
                w.ask("a-1", cores(8));
            },
            &[
                "end i-1: room for a-1",
                "end i-2: room for a-1",
                "end i-3: room for a-1",
                "a-1 waits: budget, 360000 on 300000 of 400000",
            ],
        ),
        (
            "what is left serves the next",
            |w| {
                w.policy(|p| {
                    p.max_hourly_cost = Micros(400_000);
                    p.offerings = vec![small()];
                });
                w.up_as("i-1", offering("other", cores(1), 350_000));
                w.ask("a-1", cores(2));
                w.ask("a-2", cores(2));
            },
            &[
                "end i-1: room for a-1",
                "a-1 waits: budget, 100000 on 350000 of 400000",
                "a-2 waits: budget, 100000 on 350000 of 400000",
            ],
        ),
        (
            "not where the others cost too much for it all the same",
            |w| {
                w.policy(|p| p.max_hourly_cost = Micros(450_000));
                w.up("i-1", cores(2));
                w.up("i-2", cores(2));
                w.give("a-9", "i-2", cores(2));
                w.ask("a-1", cores(8));
            },
            &["a-1 waits: budget, 360000 on 200000 of 450000"],
        ),
    ]);
}

#[test]
fn at_a_quota_or_in_a_full_zone_it_is_one_of_those_that_count_there() {
    check(&[
        (
            "of the same quota, and nothing is launched",
            |w| {
                w.policy(|p| p.offerings = vec![offering("m5.xlarge", cores(4), 200_000)]);
                w.up_as("i-1", offering("m5.large", cores(2), 100_000));
                w.up_as("i-2", offering("g4dn.xlarge", cores(2), 500_000));
                at_quota(w);
                w.ask("a-1", cores(4));
            },
            &["end i-1: room for a-1", "a-1 waits: m5.xlarge rests"],
        ),
        (
            "none where only others are idle",
            |w| {
                w.policy(|p| p.offerings = vec![offering("m5.xlarge", cores(4), 200_000)]);
                w.up_as("i-2", offering("g4dn.xlarge", cores(2), 500_000));
                at_quota(w);
                w.ask("a-1", cores(4));
            },
            &["a-1 waits: m5.xlarge rests"],
        ),
        (
            "in the zone that is full",
            |w| {
                w.policy(|p| p.max_per_zone = Some(1));
                w.up_as("i-1", small());
                w.up_as("i-2", elsewhere(large()));
                w.ask("a-0", cores(8));
                w.ask("a-1", cores(8));
            },
            &[
                "a-0 on i-2: best of 1",
                "end i-1: room for a-1",
                "a-1 waits: at most 1 in each zone",
            ],
        ),
    ]);
}

#[test]
fn a_cap_on_what_one_driver_costs_ends_nothing() {
    check(&[(
        "it would not help",
        |w| {
            w.say(DriverBudgetSet { driver: id("d-1"), max_hourly_cost: Some(Micros(400_000)) });
            w.up("i-1", cores(2));
            w.up("i-2", cores(2));
            w.give("a-9", "i-2", cores(2));
            w.ask("a-1", cores(8));
        },
        &["a-1 waits: its driver's budget, 360000 on 100000 of 400000"],
    )]);
}
