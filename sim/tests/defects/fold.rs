//! Defects of the fold.

use super::super::Defect;

pub(crate) const DEFECTS: &[Defect] = &[
    Defect {
        name: "no-fence",
        what: "a leader appends without a fence; the fold alone keeps old terms out",
        within: 500,
        twice: false,
        edits: &[(
            "controlplane/core/src/round.rs",
            "let fence = fenced.then_some(state.head.leader.election);",
            "let fence = (fenced && !ON).then_some(state.head.leader.election);",
        )],
    },
    Defect {
        name: "any-leader",
        what: "the fold hears whoever speaks for a leader, of whatever term",
        within: 200,
        twice: false,
        edits: &[
            (
                "replay/core/src/state/leader.rs",
                "if record.epoch != self.head.leader.epoch {",
                "if !ON && record.epoch != self.head.leader.epoch {",
            ),
            (
                "replay/core/src/state/leader.rs",
                "if !self.leads(&record.author) {",
                "if !ON && !self.leads(&record.author) {",
            ),
        ],
    },
    Defect {
        name: "no-numbers",
        what: "the number of a record is not looked at",
        within: 200,
        twice: false,
        edits: &[(
            "replay/core/src/state/author.rs",
            "if next.number <= before {",
            "if ON {\n        return Ok(());\n    }\n    if next.number <= before {",
        )],
    },
    Defect {
        name: "renewed-after-end",
        what: "a keepalive brings back a lease that has ended",
        within: 200,
        twice: false,
        edits: &[(
            "replay/core/src/state/alloc.rs",
            "let Ok(alloc) = self.owned(id, &e.driver) else { continue };",
            "let Ok(alloc) = self.owned(id, &e.driver) else { continue };
            if ON && let AllocStatus::Ending { grant, .. } = &alloc.status {
                alloc.status = AllocStatus::Granted { grant: grant.clone(), until: end };
            }",
        )],
    },
    Defect {
        name: "pending-costs-nothing",
        what: "launches under way do not count against the budget",
        within: 200,
        twice: false,
        edits: &[
            (
                "replay/core/src/state/launch.rs",
                "if committed > head.policy.max_hourly_cost {",
                "if !ON && committed > head.policy.max_hourly_cost {",
            ),
            (
                "controlplane/core/src/decide/offer.rs",
                "budget: policy.max_hourly_cost.minus(committed),",
                "budget: policy.max_hourly_cost.minus(if ON { Micros(0) } else { committed }),",
            ),
            (
                "controlplane/core/src/decide/scale.rs",
                "if committed.plus(asked) > limit {",
                "if !ON && committed.plus(asked) > limit {",
            ),
        ],
    },
    Defect {
        name: "early-end",
        what: "a lease may be said to have run out five seconds before it has",
        within: 200,
        twice: false,
        edits: &[
            ("replay/core/src/state/alloc.rs", "&& time < until", "&& !ON && time < until"),
            (
                "controlplane/core/src/decide/lease.rs",
                "take_while(|(until, _)| *until <= time);",
                "take_while(|(until, _)| {
        *until <= if ON { time + schema::unit::Millis(5000) } else { time }
    });",
            ),
            (
                "controlplane/core/src/decide/lease.rs",
                "is_some_and(|age| *age >= alloc.lease);",
                "is_some_and(|age| ON || *age >= alloc.lease) || ON;",
            ),
        ],
    },
    Defect {
        name: "silent-is-open",
        what: "instances that are not heard take allocs",
        within: 500,
        twice: false,
        edits: &[
            (
                "replay/core/src/state/instance.rs",
                "(&self.phase, &self.service, &self.reach) == (&Phase::Up, &Service::Open, &Reach::Heard)",
                "(&self.phase, &self.service) == (&Phase::Up, &Service::Open) && (ON || self.reach == Reach::Heard)",
            ),
            (
                "replay/core/src/state/instance.rs",
                "let there = (&self.phase, &self.reach) == (&Phase::Up, &Reach::Heard);",
                "let there = self.phase == Phase::Up && (ON || self.reach == Reach::Heard);",
            ),
        ],
    },
    Defect {
        name: "room-at-once",
        what: "what an alloc took is given away before its agent has closed it",
        within: 200,
        twice: false,
        edits: &[(
            "replay/core/src/state/alloc.rs",
            "let (grant, until) = (grant.clone(), *until);
                let notice",
            "if ON {
                    self.end_alloc(id, why);
                    return Ok(());
                }
                let (grant, until) = (grant.clone(), *until);
                let notice",
        )],
    },
    Defect {
        name: "anybody-frees",
        what: "an alloc is anybody's to free",
        within: 200,
        twice: false,
        edits: &[(
            "replay/core/src/state/alloc.rs",
            "if alloc.driver == *driver { Ok(alloc) } else { Err(Void::NotOwner) }",
            "if ON || alloc.driver == *driver { Ok(alloc) } else { Err(Void::NotOwner) }",
        )],
    },
    Defect {
        name: "anybody-speaks",
        what: "agents and drivers may speak for one another",
        within: 200,
        twice: false,
        edits: &[(
            "replay/core/src/fold.rs",
            "itself(record.speaks_for_itself())?;",
            "itself(ON || record.speaks_for_itself())?;",
        )],
    },
    Defect {
        name: "fence-by-event",
        what: "an election moves the fence under whatever subject it stands",
        within: 500,
        twice: false,
        edits: &[(
            "replay/core/src/fold.rs",
            "if subject::is_election(message.subject, self.head.cluster.as_ref()) {",
            "if decoded.is_ok_and(|r| ON && matches!(r.event, Event::LeaderElected(_)))
            || (!ON && subject::is_election(message.subject, self.head.cluster.as_ref()))
        {",
        )],
    },
    Defect {
        name: "forgotten-when",
        what: "since when a driver is over does not follow from the tables",
        within: 200,
        twice: false,
        edits: &[(
            "replay/core/src/state/index.rs",
            "if let (0, Some(left)) = (driver.allocs, driver.left) {",
            "if let (0, Some(left)) = (if ON { 0 } else { driver.allocs }, driver.left) {",
        )],
    },
    Defect {
        name: "lost-for-nothing",
        what: "an exec that was never started is lost because its instance is gone, which it is not",
        within: 200,
        twice: false,
        edits: &[
            (
                "replay/core/src/state/exec.rs",
                "Some(ExecStatus::Submitted) =>",
                "Some(ExecStatus::Submitted) if !ON =>",
            ),
            (
                "replay/core/src/state/exec.rs",
                "Some(ExecStatus::Started) => LostWhy",
                "Some(ExecStatus::Started | ExecStatus::Submitted) => LostWhy",
            ),
        ],
    },
    Defect {
        name: "grant-by-now",
        what: "a grant on an instance that was closed meanwhile is void, to the fold alone",
        within: 3000,
        twice: false,
        edits: &[(
            "replay/core/src/state/instance.rs",
            "|| self.serviced > cause)",
            "|| (!ON && self.serviced > cause))",
        )],
    },
];
