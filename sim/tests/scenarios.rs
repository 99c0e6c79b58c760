//! Given work on a given fleet, with given faults: figures of the suites that came before, and what has to
//! hold of each. All that must hold of any history is checked as well: caps at each launch, nothing lost,
//! doubled or leaked, and not one instance at the end.

use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use sim::{Ailment, Case, Fault, Job, Report, Rng, Scenario};
use std::io::Write;

const SEEDS: std::ops::Range<u64> = 0..3;
const MINUTE: u64 = 60_000;

fn amount(cores: u64, gib: u64) -> Resources {
    Resources { cpu: 1000 * cores, memory: gib << 30, ..Resources::default() }
}

/// Dollars in cents.
fn cents(count: u64) -> Micros {
    Micros(count * 10_000)
}

fn offering(kind: &str, resources: Resources, price: Micros) -> Offering {
    let (kind, zone, market) = (kind.into(), "z".into(), Market::OnDemand);
    Offering { kind, zone, market, price, cap: None, resources, links: Links::default() }
}

fn sound(scenario: &Scenario, seed: u64) -> Report {
    let report = Case { scenario: Some(scenario.clone()), ..Case::of(seed) }.run();
    let (found, story) = (&report.found, report.story.join("\n"));
    assert!(found.is_empty(), "seed {seed}: {found:#?}\n{story}");
    report
}

fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What waits, what may be spent per hour, and how many launches may be under way.
const WAITERS: [(&str, usize, u64, u32); 4] = [
    ("small", 20, 10_000, 2),
    ("large", 300, 50_000, 2),
    ("expensive", 10, 200, 5),
    ("enormous", 1000, 20_000, 20),
];

/// One launch in twenty comes to nothing, and of one instance in twenty nothing is ever heard.
#[test]
fn all_who_wait_are_served_under_a_budget_though_launches_fail() {
    for (name, count, dollars, pending) in WAITERS {
        for seed in if count < 1000 { SEEDS } else { 0..1 } {
            let mut rng = Rng::new(seed);
            let job = |_| Job {
                needs: amount(rng.between(1, 16), rng.between(1, 60)),
                priority: 0,
                length: rng.between(1000, 5000),
            };
            let jobs: Vec<Job> = (0..count).map(job).collect();
            let policy = Policy {
                offerings: vec![
                    offering("c5.large", amount(2, 3), cents(9)),
                    offering("c5.4xlarge", amount(16, 30), cents(68)),
                    offering("r3.8xlarge", amount(32, 232), cents(266)),
                    offering("m5.4xlarge", amount(16, 60), cents(77)),
                ],
                max_hourly_cost: cents(dollars),
                max_pending: pending,
                max_instances: 1000,
                idle_timeout: Millis::from_secs(5),
                boot_timeout: Millis::from_secs(20),
                ..Policy::default()
            };
            let faults = vec![(Fault::Capacity, 50), (Fault::Stillborn, 50)];
            let until = 10 * MINUTE;
            let drivers = 4;
            let report =
                sound(&Scenario { faults, until, drivers, ..Scenario::of(jobs, policy) }, seed);
            let served = report.work.ends.iter().filter(|ends| **ends > 0).count();
            assert_eq!(served, count, "{name}, seed {seed}");
            let (agents, refused) = (report.agents, report.work.refused);
            say(format_args!(
                "{name}, seed {seed}: {count} served, at most {agents} instances, {refused} refused"
            ));
        }
    }
}

/// Half of a hundred instances vanish at once: what ran there is lost, and nothing else.
#[test]
fn what_ran_on_those_that_vanish_is_lost_and_nothing_else() {
    for seed in SEEDS {
        let job = Job { needs: amount(2, 1), priority: 0, length: 3 * MINUTE };
        let policy = Policy {
            offerings: vec![offering("m5.large", amount(2, 8), cents(10))],
            max_hourly_cost: cents(10_000),
            max_pending: 100,
            max_instances: 150,
            idle_timeout: Millis::from_secs(5),
            ..Policy::default()
        };
        let (halved, until) = (Some(2 * MINUTE), 3 * MINUTE);
        let of = Scenario::of(vec![job; 100], policy);
        let report = sound(&Scenario { halved, until, drivers: 10, ..of }, seed);
        let work = report.work;
        let (there, gone) = work.halved;
        assert_eq!(there, 100, "seed {seed}");
        assert!((30..=70).contains(&gone), "seed {seed}: {gone} are about half");
        assert_eq!((work.struck, work.lost), (gone, gone), "seed {seed}");
        assert_eq!(work.ends, vec![1; 100], "seed {seed}: each is run again, and once to its end");
        say(format_args!("seed {seed}: {gone} of {there} vanished, {} lost", work.lost));
    }
}

/// Two hundred jobs of all priorities on ten instances of seven types, of which some never come, some never
/// boot, some fall silent and some say that they stop; and one call in ten fails.
#[test]
fn each_job_comes_to_its_end_once_whatever_instances_suffer_from() {
    const SECOND: u64 = 1000;
    let types = [1, 2, 3, 4, 6, 8, 16];
    let boot = 15 * SECOND;
    for seed in SEEDS {
        let job = |n: u64| Job {
            needs: amount(1 + n % 8, 1 + n % 3),
            priority: i32::try_from(n % 20 + 1).expect("small"),
            length: SECOND + 37 * n % (4 * SECOND),
        };
        // Each type is the cheapest for some of them.
        let price = |n| cents(12 * n + n * n / 4);
        let kind = |n| offering(&format!("type{n}"), amount(n, 4 * n), price(n));
        let policy = Policy {
            offerings: types.map(kind).to_vec(),
            max_hourly_cost: cents(100_000),
            max_pending: 8,
            max_instances: 100,
            idle_timeout: Millis(boot),
            boot_timeout: Millis(boot),
            unreachable_after: Millis::from_secs(3),
            unreachable_grace: Millis::from_secs(2),
            lease: Millis::from_secs(10),
            grace: Millis::from_secs(5),
            ..Policy::default()
        };
        let mut ailments = vec![Ailment::None; 7];
        ailments[0] = Ailment::FallsSilent(9 * SECOND);
        ailments[1] = Ailment::Stillborn;
        ailments[2] = Ailment::Stops(20 * SECOND);
        let faults = vec![
            (Fault::LostCall, 100),
            (Fault::LostNews, 50),
            (Fault::Unending, 100),
            (Fault::Throttled, 20),
            (Fault::KillAgent, 30),
            (Fault::KillReplica, 30),
        ];
        let scenario = Scenario {
            faults,
            ailments,
            until: 20 * MINUTE,
            crashes: 100,
            quota: Some(10),
            never: Some("type6".into()),
            late: Some(("type4".into(), 2 * boot)),
            ..Scenario::of((0..200).map(job).collect(), policy)
        };
        let report = sound(&scenario, seed);
        assert_eq!(report.work.ends, vec![1; 200], "seed {seed}");
        assert!(report.agents <= 10, "seed {seed}: {} instances at a quota of 10", report.agents);
        let seen = |family, one| report.coverage.seen(family, one);
        for class in ["capacity", "quota"] {
            assert!(seen("refusal", class) > 0, "seed {seed}: no {class}");
        }
        for kind in ["boot-timed-out", "instance-unreachable", "instance-stopping"] {
            assert!(seen("event", kind) > 0, "seed {seed}: no {kind}");
        }
        say(format_args!("seed {seed}: all once, {} launches refused", report.work.refused));
    }
}
