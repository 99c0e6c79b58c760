//! What a record says, held against the state and against what is truly so.

use super::Truth;
use super::execs::Execs;
use super::notices::Notices;
use super::rests::Rests;
use replay_core::State;
use replay_core::state::alloc::AllocStatus;
use replay_core::state::found::Found;
use replay_core::state::instance::{Instance, Phase, Reach};
use schema::event::{
    AllocExpired, AllocFreed, AllocGranted, AllocRefused, AllocsKept, Event, LaunchRequested,
    TerminateRequested,
};
use schema::id::{AllocId, AuthorId, DriverId, InstanceId, LaunchId};
use schema::policy::{Offering, Policy};
use schema::record::Record;
use schema::requirements::Constraint;
use schema::resources::Resources;
use schema::subject::Role;
use schema::unit::{Epoch, LogTime, Micros, Millis, Seq};
use schema::why::{RefusedWhy, TerminateWhy};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What an independent reader keeps of the log to check it by: far less than the fold does.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// When each lease runs out.
    leases: BTreeMap<AllocId, LogTime>,
    /// Intents: price of one instance, and how many.
    pub(super) intents: BTreeMap<LaunchId, (Micros, u32)>,
    /// Instances that the log has named, by the intent that they are of.
    pub(super) born: BTreeMap<InstanceId, LaunchId>,
    /// Allocs that have been granted.
    pub(super) given: BTreeMap<AllocId, Given>,
    /// What is said of execs.
    pub(super) execs: Execs,
    /// Policies that have been in force, from which record on.
    policies: BTreeMap<Seq, Policy>,
    /// Budgets that drivers have been given.
    budgets: BTreeSet<(DriverId, Micros)>,
    rests: Rests,
    /// Types that were ever found to have less than was promised, from which record on, and what the last one
    /// had, if that is less.
    short: BTreeMap<SmolStr, (Seq, Option<Found>)>,
    /// Who leads, in which term.
    leader: Option<(AuthorId, Epoch)>,
    /// Who has notice to give way.
    notices: Notices,
    /// When, in virtual milliseconds, an alloc was taken back, and until when its execs may run.
    pub(super) promised: BTreeMap<AllocId, (u64, u64)>,
}

/// What was given under an alloc.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) driver: DriverId,
    pub(super) instance: InstanceId,
    pub(super) resources: Resources,
    /// Its agent has said that nothing of it runs any more.
    pub(super) closed: bool,
}

impl Claims {
    /// Checks a record that has just had its effect.
    pub(super) fn check(
        &mut self,
        state: &State,
        record: &Record,
        truth: Truth<'_>,
    ) -> Option<String> {
        if let Event::Genesis(_) | Event::PolicySet(_) = &record.event {
            self.policies.insert(state.head.applied, state.head.policy.clone());
        }
        if !record.speaks_for_itself() {
            return Some(format!("{} was heard, who spoke for another", record.author));
        }
        match &record.event {
            Event::DriverBudgetSet(e) => {
                self.budgets.extend(e.max_hourly_cost.map(|limit| (e.driver.clone(), limit)));
                None
            }
            Event::LeaderElected(e) => {
                self.leader = Some((e.replica.clone(), e.epoch));
                None
            }
            Event::Genesis(_) | Event::ReplicaStarted(_) | Event::LeaderChallenged(_) => None,
            event if event.role() == Role::Ctl && !self.leads(record) => Some(format!(
                "{} was heard in term {}, and does not lead",
                record.author, record.epoch
            )),
            Event::LaunchRequested(e) => {
                self.launch(state, e).or_else(|| self.in_vain(state, e, record.cause))
            }
            Event::LaunchRefused(e) => {
                self.rests.refused(state, e);
                None
            }
            Event::LaunchesThawed(_) => {
                self.rests.thawed();
                None
            }
            Event::LaunchAccepted(e) => {
                self.born.extend(e.instances.iter().map(|id| (id.clone(), e.launch.clone())));
                None
            }
            // What is only claimed makes no instance.
            Event::InstanceBooted(e) => {
                let claimed = (e.instance.clone(), state.head.applied);
                if !state.claims.contains(&claimed) {
                    self.born.insert(e.instance.clone(), e.launch.clone());
                    self.seen(state, &e.instance);
                }
                None
            }
            Event::InstanceVerified(e) => {
                let launch = state.instances.get(&e.instance).map(|i| i.launch.clone());
                self.born.extend(launch.map(|launch| (e.instance.clone(), launch)));
                self.seen(state, &e.instance);
                None
            }
            Event::AllocGranted(e) => self.grant(state, e, record.cause),
            Event::AllocsKept(e) => {
                self.keep(state, e);
                None
            }
            Event::AllocExpired(e) => {
                self.promise(state, truth, &e.alloc, e.execs_until);
                self.expire(state, e)
            }
            Event::AllocPreempted(e) => {
                let fairness = self.in_force(record.cause).map(|policy| policy.fairness.clone());
                self.notices.give(state, e, fairness)
            }
            Event::AllocSpared(e) => self.notices.spare(&e.alloc),
            Event::AllocRevoked(e) => {
                self.promise(state, truth, &e.alloc, e.execs_until);
                self.notices.revoke(state, e)
            }
            Event::AllocRefused(e) => self.refuse(state, e),
            Event::AllocFreed(e) => self.free(state, truth, e),
            Event::AllocClosed(e) => match self.given.get_mut(&e.alloc) {
                Some(given) => {
                    given.closed = true;
                    None
                }
                None => Some(format!("{} was closed, and never granted", e.alloc)),
            },
            Event::TerminateRequested(e) => {
                let idle = self.in_force(record.cause).map(|policy| policy.idle_timeout);
                terminate(state, e, idle.unwrap_or_default())
            }
            Event::InstanceTerminated(e) => gone(&e.instance, truth),
            Event::InstanceLost(e) => gone(&e.instance, truth),
            _ => None,
        }
    }

    fn leads(&self, record: &Record) -> bool {
        self.leader.as_ref() == Some(&(record.author.clone(), record.epoch))
    }

    /// The policy by which whoever wrote this decided; there may be another one by now.
    fn in_force(&self, cause: Seq) -> Option<&Policy> {
        self.policies.range(..=cause).next_back().map(|(_, policy)| policy)
    }

    /// Drivers are told how long execs of an alloc may still run that was taken back.
    fn promise(&mut self, state: &State, truth: Truth<'_>, alloc: &AllocId, until: LogTime) {
        // Whoever is cut off as this lands has been in reach until then.
        let ended = state.allocs.get(alloc);
        let lease = ended.and_then(|ended| {
            let grant = ended.grant()?;
            Some(grant.lease.unwrap_or(ended.lease).0 + grant.grace.0)
        });
        let rest = until.since(state.head.time).max(Millis(lease.unwrap_or_default()));
        self.promised.insert(alloc.clone(), (truth.now, truth.now + rest.0));
    }

    /// The caps hold for every intent, at the instant at which it lands.
    fn launch(&mut self, state: &State, e: &LaunchRequested) -> Option<String> {
        self.intents.insert(e.launch.clone(), (e.offering.price, e.count));
        let (head, policy) = (&state.head, &state.head.policy);
        if head.committed > policy.max_hourly_cost {
            let (spent, limit) = (head.committed.dollars(), policy.max_hourly_cost.dollars());
            return Some(format!("{} takes the cluster to {spent}, over {limit}", e.launch));
        }
        if head.pending > policy.max_pending || head.instances > policy.max_instances {
            return Some(format!("{} is one more than the policy allows", e.launch));
        }
        if head.breaker.is_some_and(|b| head.time < b.until || head.pending > 1) {
            return Some(format!("{} is launched though nothing boots", e.launch));
        }
        let unlike = e.reserved_for.iter().find(|id| !will_do(state, id, &e.offering));
        if let Some(alloc) = unlike {
            return Some(format!("{} is launched for {alloc}, for whom it will not do", e.launch));
        }
        let hammered = self.rests.hammered(head.time, &e.offering);
        hammered.map(|scope| format!("{} asks for what rests ({scope:?})", e.launch))
    }

    /// What the last instance of its type had, as it has just booted.
    fn seen(&mut self, state: &State, id: &InstanceId) {
        let Some(instance) = state.instances.get(id) else { return };
        let (kind, at) = (&instance.offering.kind, state.head.applied);
        let found = state.found.get(kind).cloned();
        if found.is_some() || self.short.contains_key(kind) {
            self.short.insert(kind.clone(), (at, found));
        }
    }

    /// Nothing is launched for somebody of which it was known that it would not do for him.
    fn in_vain(&self, state: &State, e: &LaunchRequested, cause: Seq) -> Option<String> {
        let (at, found) = self.short.get(&e.offering.kind)?;
        let has = found.as_ref().filter(|_| *at <= cause)?.of(&e.offering.resources);
        let floor = |id: &AllocId| state.allocs.get(id).map(|alloc| alloc.requirements.floor());
        let vain = |floor: &Resources| !has.holds(floor);
        let (kind, launch) = (&e.offering.kind, &e.launch);
        let vain = e.reserved_for.iter().filter_map(floor).find(vain);
        vain.map(|floor| format!("{launch} is {kind}, which has {has}, for {floor}"))
    }

    fn grant(&mut self, state: &State, e: &AllocGranted, cause: Seq) -> Option<String> {
        self.leases.insert(e.alloc.clone(), state.head.time + e.lease);
        let given = Given {
            driver: e.driver.clone(),
            instance: e.instance.clone(),
            resources: e.resources.clone(),
            closed: false,
        };
        if self.given.insert(e.alloc.clone(), given).is_some() {
            return Some(format!("{} was granted twice", e.alloc));
        }
        let grace = self.in_force(cause).map(|policy| policy.grace);
        if grace != Some(e.grace) {
            return Some(format!("{} has a grace of {}, not of {grace:?}", e.alloc, e.grace));
        }
        let instance = state.instances.get(&e.instance);
        if instance.is_some_and(|instance| !will_do(state, &e.alloc, &instance.offering)) {
            return Some(format!("{} was granted on {}, which will not do", e.alloc, e.instance));
        }
        let there = |i: &Instance| i.phase == Phase::Up && i.reach == Reach::Heard;
        let open = state.instances.get(&e.instance).is_some_and(there);
        (!open).then(|| format!("{} was granted on {}, which is closed", e.alloc, e.instance))
    }

    fn keep(&mut self, state: &State, e: &AllocsKept) {
        let until = state.head.time + state.head.policy.lease_for(Some(e.interval));
        let granted = |id: &&AllocId| {
            let alloc = state.allocs.get(id).filter(|alloc| alloc.driver == e.driver);
            alloc.is_some_and(|alloc| matches!(alloc.status, AllocStatus::Granted { .. }))
        };
        self.leases.extend(e.allocs.iter().filter(granted).map(|id| (id.clone(), until)));
    }

    /// A request is refused for a reason that is so.
    fn refuse(&self, state: &State, e: &AllocRefused) -> Option<String> {
        let Some(alloc) = state.allocs.get(&e.alloc) else {
            return Some(format!("{} was refused, and nobody has asked for it", e.alloc));
        };
        let (floor, policy) = (alloc.requirements.floor(), &state.head.policy);
        let allowed = |o: &&Offering| will_do(state, &e.alloc, o);
        let sold = || {
            let seen = state.market.iter().map(|(_, seen)| &seen.offering);
            policy.offerings.iter().chain(seen.filter(|o| policy.types.admits(o)))
        };
        // One with more may have booted since that was decided.
        let short = |o: &&Offering| self.short.contains_key(&o.kind);
        let fitting = || {
            let known = sold().filter(allowed).filter(|o| !short(o));
            known.filter(|o| o.resources.holds(&floor))
        };
        let so = match &e.why {
            RefusedWhy::TooLarge { .. } => fitting().next().is_none(),
            RefusedWhy::NoOfferings => sold().find(allowed).is_none(),
            RefusedWhy::NoneWithin { only, offerings, .. } => {
                *only == alloc.constraint.only && *offerings > 0 && sold().find(allowed).is_none()
            }
            // The budget may have been changed since that was decided.
            RefusedWhy::OverBudget { asked, limit } => {
                let cheapest = fitting().map(|o| o.at_most()).min();
                let holds = |o: &&Offering| o.resources.holds(&floor) && o.at_most() == *asked;
                let sold = sold().filter(allowed).any(|o| holds(&o));
                let was = self.policies.values().any(|policy| policy.max_hourly_cost == *limit);
                asked > limit && sold && cheapest.is_none_or(|cheapest| cheapest >= *asked) && was
            }
            RefusedWhy::OverDriverBudget { asked, limit } => {
                let was = self.budgets.contains(&(alloc.driver.clone(), *limit));
                asked > limit && was
            }
            RefusedWhy::OverLabelBudget { label, asked, limit } => {
                let has = |policy: &Policy| policy.label_budgets.get(label) == Some(limit);
                asked > limit && self.policies.values().any(has)
            }
            RefusedWhy::NoSuchInstance { instance } => {
                let there = |i: &Instance| matches!(i.phase, Phase::Booting | Phase::Up);
                let fits = |i: &&Instance| there(i) && i.resources.holds(&floor);
                state.instances.get(instance).filter(fits).is_none()
            }
            RefusedWhy::Killed => alloc.killed,
            RefusedWhy::Unknown => false,
        };
        (!so).then(|| format!("{} was refused for what is not so: {:?}", e.alloc, e.why))
    }

    fn expire(&self, state: &State, e: &AllocExpired) -> Option<String> {
        let Some(until) = self.leases.get(&e.alloc) else {
            return Some(format!("{} expired, and was never granted", e.alloc));
        };
        let left = until.since(state.head.time);
        (left.0 > 0).then(|| format!("{} expired {left} before its time", e.alloc))
    }

    /// A driver gives back what is its own. If the agent is out of reach, execs run on for as long as
    /// after an expiry at this moment.
    fn free(&mut self, state: &State, truth: Truth<'_>, e: &AllocFreed) -> Option<String> {
        if self.given.get(&e.alloc).is_none_or(|given| given.driver != e.driver) {
            return Some(format!("{} was freed by {}, who has it not", e.alloc, e.driver));
        }
        let alloc = state.allocs.get(&e.alloc);
        let Some((alloc, grant)) = alloc.and_then(|alloc| Some((alloc, alloc.grant()?))) else {
            return Some(format!("{} was freed, and takes up nothing from then on", e.alloc));
        };
        let lease = grant.lease.unwrap_or(alloc.lease);
        let until = state.head.time + lease + grant.grace;
        self.promise(state, truth, &e.alloc, until);
        None
    }
}

/// Whether somebody who asked may be on such an instance, by its market, its zone and its type. Who names an
/// instance takes it as it is.
fn will_do(state: &State, alloc: &AllocId, offering: &Offering) -> bool {
    let Some(alloc) = state.allocs.get(alloc) else { return true };
    let Constraint { instance, market, only, .. } = &alloc.constraint;
    let zone = only.zones.is_empty() || only.zones.contains(&offering.zone);
    let like = |pattern: &SmolStr| is_like(pattern.as_bytes(), offering.kind.as_bytes());
    let kind = only.types.is_empty() || only.types.iter().any(like);
    let market = instance.is_some() || market.is_none_or(|market| market == offering.market);
    zone && kind && market
}

/// What a pattern means, said once more.
fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, _) => name.is_empty(),
        (Some((b'*', rest)), None) => is_like(rest, name),
        (Some((b'*', rest)), Some((_, tail))) => is_like(rest, name) || is_like(pattern, tail),
        (Some(_), None) => false,
        (Some((one, rest)), Some((other, tail))) => {
            (*one == b'?' || one == other) && is_like(rest, tail)
        }
    }
}

/// Leases end by these events alone.
pub(super) fn leases(state: &State, event: &Event, before: usize) -> Option<String> {
    let may = matches!(
        event,
        Event::AllocFreed(_)
            | Event::AllocExpired(_)
            | Event::AllocRevoked(_)
            | Event::AllocClosed(_)
            | Event::InstanceLost(_)
            | Event::InstanceTerminated(_)
    );
    let ended = state.index.leases.len() < before;
    (ended && !may).then(|| format!("a lease was ended by {}", event.kind()))
}

/// Idle instances are idle, and have been since their last alloc was closed.
fn terminate(state: &State, e: &TerminateRequested, timeout: Millis) -> Option<String> {
    let Some(instance) = state.instances.get(&e.instance) else {
        return Some(format!("{} is to be ended, and was never there", e.instance));
    };
    let (id, allocs) = (&e.instance, instance.allocs);
    let idle = matches!(e.why, TerminateWhy::Idle { .. });
    let room = matches!(e.why, TerminateWhy::MakesRoom { .. });
    if allocs > 0 && (idle || room || e.why == TerminateWhy::Drained) {
        return Some(format!("{id} is not empty: it has {allocs} allocs"));
    }
    let since = state.head.time.since(instance.idle_since);
    let early = idle && since < timeout;
    early.then(|| format!("{id} has been idle for {since} only"))
}

/// What is said to be gone is.
fn gone(id: &InstanceId, truth: Truth<'_>) -> Option<String> {
    let Some(machine) = truth.cloud.get(id) else {
        return Some(format!("{id} is said to be gone, and was never made"));
    };
    machine.there(truth.now).then(|| format!("{id} is said to be gone, and runs"))
}
