//! What the leader would do, on a copy of the state: requests are put on it as a driver would put them on
//! the log, and rounds are decided and folded until there is nothing more to say. No answer of the
//! cloud comes in between, and log time stands still.

use super::offers::Course;
use crate::decide::{Standing, decide, standing};
use crate::prices::{Prices, news};
use crate::sight::{Sight, split_mix};
use replay_core::author::Line;
use replay_core::snapshot::FOLD_VERSION;
use replay_core::state::alloc::{AllocStatus, EndWhy};
use replay_core::state::instance::Reach;
use replay_core::state::leader::Holder;
use replay_core::{Message, Outcome, State};
use schema::SCHEMA_VERSION;
use schema::event::{
    AllocRequested, DriverJoined, Event, Genesis, LaunchRequested, LeaderElected, PolicySet,
};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, InstanceId};
use schema::policy::{Offering, Policy};
use schema::record::Record;
use schema::requirements::{Constraint, Requirements};
use schema::subject::Role;
use schema::unit::{Epoch, Seq};
use schema::why::{LaunchWhy, PendingWhy, RefusedWhy};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Most rounds: a leader has nothing more to say long before.
const ROUNDS: u64 = 10_000;

/// Why a rehearsal came to no end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The log would not take a record, as where its generation has ended.
    #[error("{kind} would have no effect now: {outcome:?}")]
    NoEffect {
        /// Kind of the record.
        kind: &'static str,
        /// What would come of it.
        outcome: Outcome,
    },
    /// A record cannot be written.
    #[error("{0}")]
    Unwritable(String),
    /// There was always more to say.
    #[error("nothing was settled after {ROUNDS} rounds")]
    Endless,
}

/// Something to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// How much.
    pub requirements: Requirements,
    /// Where.
    pub constraint: Constraint,
    /// Higher goes first.
    pub priority: i32,
}

/// One instance that would be launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// What would be bought.
    pub offering: Offering,
    /// Whom it would carry of those that asked here: indices into what was asked.
    pub carries: Vec<usize>,
    /// How many others that wait it would carry.
    pub others: usize,
    /// Why.
    pub why: LaunchWhy,
}

/// What would become of something that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It would be given at once.
    Granted(InstanceId),
    /// It would never be given.
    Refused(RefusedWhy),
    /// It would wait.
    Waits(PendingWhy),
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// In the order in which they would be asked for.
    pub launches: Vec<Planned>,
    /// Of each that was asked for.
    pub fates: Vec<Fate>,
}

impl Outlook {
    /// What comes of it all where the same was asked for each time, and how many of those that is about:
    /// as many as launches carry, if there are any; else as many as wait.
    #[must_use]
    pub fn course(&self) -> (Course<'_>, u32) {
        let own = || self.launches.iter().filter(|launch| !launch.carries.is_empty());
        let carried: usize = own().map(|launch| launch.carries.len()).sum();
        let waits = || {
            self.fates.iter().filter_map(|fate| match fate {
                Fate::Waits(why) => Some(why.clone()),
                Fate::Granted(_) | Fate::Refused(_) => None,
            })
        };
        let (course, count) = if carried > 0 {
            let chosen = own().map(|launch| &launch.offering).collect();
            let others = own().map(|launch| launch.others).sum();
            (Course::Launched { chosen, others }, carried)
        } else {
            match waits().next() {
                Some(why) => (Course::Waits(why), waits().count()),
                None => (Course::Settled, self.fates.len()),
            }
        };
        (course, u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// A copy of a state on which things can be tried.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    state: State,
    cluster: ClusterId,
}

impl Rehearsal {
    /// A cluster that has nothing but a policy.
    ///
    /// # Errors
    /// The policy cannot be followed.
    pub fn new(cluster: ClusterId, policy: Policy) -> Result<Rehearsal, Broken> {
        let mut rehearsal = Rehearsal { state: State::default(), cluster: cluster.clone() };
        rehearsal.say(Genesis { cluster, generation: 1, policy, previous: None })?;
        Ok(rehearsal)
    }

    /// A cluster as it is; none if the state is of no cluster yet.
    #[must_use]
    pub fn of(state: State) -> Option<Rehearsal> {
        let cluster = state.head.cluster.clone()?;
        Some(Rehearsal { state, cluster })
    }

    /// The state as it is by now.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Goes by another policy from here on.
    ///
    /// # Errors
    /// It cannot be followed.
    pub fn policy(&mut self, policy: Policy) -> Result<(), Broken> {
        self.say(PolicySet { policy })
    }

    /// Sees these prices, and no others any more.
    ///
    /// # Errors
    /// The log takes nothing any more.
    pub fn prices(&mut self, prices: &Prices) -> Result<(), Broken> {
        loop {
            let news = news(&self.state, prices);
            if news.is_empty() {
                return Ok(());
            }
            news.into_iter().try_for_each(|event| self.say(event))?;
        }
    }

    /// Asks for all of this at once, and does what the leader would.
    ///
    /// # Errors
    /// The log takes nothing any more, or what is asked for cannot be.
    pub fn ask(&mut self, asks: &[Ask]) -> Result<Outlook, Broken> {
        let driver = DriverId::made(0, self.state.head.applied.0);
        self.say(DriverJoined { driver: driver.clone(), version: "0".into() })?;
        let mut asked: BTreeMap<AllocId, usize> = BTreeMap::new();
        for (at, ask) in asks.iter().enumerate() {
            let alloc = AllocId::made(0, split_mix(self.state.head.applied.0, at as u64));
            self.say(AllocRequested {
                alloc: alloc.clone(),
                driver: driver.clone(),
                requirements: ask.requirements.clone(),
                constraint: ask.constraint.clone(),
                priority: ask.priority,
                labels: BTreeMap::new(),
                lease: None,
            })?;
            asked.insert(alloc, at);
        }
        let launches = self.decided()?.into_iter().map(|launch| planned(launch, &asked)).collect();
        let standing = self.standing();
        let mut fates: Vec<(usize, Fate)> =
            asked.iter().map(|(id, at)| (*at, self.fate(&standing, id))).collect();
        fates.sort_by_key(|(at, _)| *at);
        Ok(Outlook { launches, fates: fates.into_iter().map(|(_, fate)| fate).collect() })
    }

    /// Does what the leader would do without being asked for anything; says what it would launch.
    ///
    /// # Errors
    /// The log takes nothing any more.
    pub fn settle(&mut self) -> Result<Vec<Planned>, Broken> {
        let launches = self.decided()?.into_iter();
        Ok(launches.map(|launch| planned(launch, &BTreeMap::new())).collect())
    }

    /// How things stand for those who wait.
    #[must_use]
    pub fn standing(&self) -> Standing {
        standing(&self.state, &seen(&self.state))
    }

    /// Rounds until there is nothing more to say; the launches among them.
    fn decided(&mut self) -> Result<Vec<LaunchRequested>, Broken> {
        let mut launches = Vec::new();
        for round in 0..ROUNDS {
            let entropy = split_mix(self.state.head.applied.0, round);
            let events = decide(&self.state, &Sight { entropy, ..seen(&self.state) });
            if events.is_empty() {
                return Ok(launches);
            }
            for event in events {
                if let Event::LaunchRequested(launch) = &event {
                    launches.push(launch.clone());
                }
                self.say(event)?;
            }
        }
        Err(Broken::Endless)
    }

    /// What would become of a request, or what has.
    #[must_use]
    pub fn fate(&self, standing: &Standing, id: &AllocId) -> Fate {
        match self.state.allocs.get(id).map(|alloc| &alloc.status) {
            Some(AllocStatus::Granted { grant, .. } | AllocStatus::Ending { grant, .. }) => {
                Fate::Granted(grant.instance.clone())
            }
            Some(AllocStatus::Ended { why: EndWhy::Refused(why), .. }) => {
                Fate::Refused(why.clone())
            }
            Some(AllocStatus::Waiting { .. } | AllocStatus::Ended { .. }) | None => {
                Fate::Waits(standing.waits.get(id).cloned().unwrap_or(PendingWhy::Unknown))
            }
        }
    }

    /// Folds an event as if whoever writes such events had written it.
    fn say(&mut self, event: impl Into<Event>) -> Result<(), Broken> {
        let event = event.into();
        let (role, route, kind) = (event.role(), event.route(), event.kind());
        let (author, epoch) = match role {
            Role::Ctl => self.leader(&event)?,
            Role::Ops => (AuthorId::made(0, 0), Epoch(0)),
            Role::Driver => (route.driver.map_or(AuthorId::made(0, 0), Into::into), Epoch(0)),
            Role::Agent => (route.instance.map_or(AuthorId::made(0, 0), Into::into), Epoch(0)),
        };
        // Newer than any other life of that author.
        let incarnation = Uuid::max();
        let record = Record {
            version: SCHEMA_VERSION,
            number: self.state.next_number(role, &author, incarnation),
            author,
            incarnation,
            cause: Seq(0),
            epoch,
            must_understand: false,
            event,
        };
        let line = Line::of(&self.cluster, &record);
        let Line { subject, payload } = line.map_err(|e| Broken::Unwritable(e.to_string()))?;
        let (seq, time) = (self.state.head.applied.next(), self.state.head.time);
        let message = Message { seq, time, subject: &subject, payload: &payload };
        match self.state.apply(message) {
            Outcome::Applied => Ok(()),
            outcome @ (Outcome::Void(_) | Outcome::Ignored) => {
                Err(Broken::NoEffect { kind, outcome })
            }
        }
    }

    /// Who leads and in which term; somebody is elected if nobody does.
    fn leader(&mut self, event: &Event) -> Result<(AuthorId, Epoch), Broken> {
        let leader = &self.state.head.leader;
        let stand_in = AuthorId::made(0, 0);
        match &leader.holder {
            _ if matches!(event, Event::Genesis(_)) => Ok((stand_in, leader.epoch.next())),
            Holder::Replica(id) => Ok((id.clone(), leader.epoch)),
            Holder::Nobody | Holder::Resigned if matches!(event, Event::LeaderElected(_)) => {
                Ok((stand_in, leader.epoch.next()))
            }
            Holder::Nobody | Holder::Resigned => {
                let epoch = leader.epoch.next();
                self.say(LeaderElected { replica: stand_in.clone(), epoch, fold: FOLD_VERSION })?;
                Ok((stand_in, epoch))
            }
        }
    }
}

fn planned(launch: LaunchRequested, asked: &BTreeMap<AllocId, usize>) -> Planned {
    let mut carries: Vec<usize> =
        launch.reserved_for.iter().filter_map(|id| asked.get(id).copied()).collect();
    carries.sort_unstable();
    let others = launch.reserved_for.len() - carries.len();
    Planned { offering: launch.offering, carries, others, why: launch.why }
}

/// What a leader sees whose world is as the log says: silent are those that it has called so.
#[must_use]
pub fn seen(state: &State) -> Sight {
    let live = state.index.live_instances.iter();
    let silent = live.filter(|id| {
        let reach = state.instances.get(id).map(|instance| &instance.reach);
        matches!(reach, Some(Reach::Silent { .. }))
    });
    let after = state.head.policy.unreachable_after;
    Sight { silent: silent.map(|id| (id.clone(), after)).collect(), ..Sight::default() }
}
