//! A round in the making: the state, what is seen of the world, and what this round has already
//! given away or taken back.

use super::MAX_ROUND;
use super::offer;
use super::space::{Space, Spaces};
use super::worth::worth;
use crate::pack::Limits;
use crate::sight::Sight;
use replay_core::State;
use replay_core::state::alloc::{Alloc, AllocStatus, Grant};
use replay_core::state::breaker::Breaker;
use replay_core::state::budget::Costs;
use replay_core::state::instance::Instance;
use replay_core::state::rest::Extent;
use schema::event::{AllocRevoked, Event};
use schema::id::{AllocId, InstanceId};
use schema::policy::Offering;
use schema::resources::Resources;
use schema::unit::{LogTime, Micros};
use schema::why::{PendingWhy, RevokedWhy};
use smol_str::SmolStr;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// Looking one alloc up takes as long as coming upon so many in their order.
const WORTH_A_PASS: usize = 8;

pub(super) struct Draft<'a> {
    pub(super) state: &'a State,
    pub(super) sight: &'a Sight,
    pub(super) events: Vec<Event>,
    /// Accepting instances, and what they have left.
    pub(super) free: Spaces<'a>,
    /// Allocs that this round takes back.
    pub(super) taken_back: BTreeSet<AllocId>,
    /// Allocs that this round grants.
    pub(super) granted: BTreeSet<&'a AllocId>,
    /// Instances that are kept for somebody who has waited for long, and for whom.
    pub(super) claimed: BTreeMap<InstanceId, AllocId>,
    /// Those for whom what goes from the cluster, or is made to, is enough.
    pub(super) roomy: BTreeSet<&'a AllocId>,
    /// What those wait for who are given nothing.
    pub(super) waits: Vec<(&'a AllocId, PendingWhy)>,
    /// Instances that this round ends, or says are gone.
    pub(super) ended: BTreeSet<InstanceId>,
    /// Instances that are up as of this round: as what they are is seen in the next.
    pub(super) verified: BTreeSet<&'a InstanceId>,
    /// Micro-dollars per hour, after this round's launches.
    pub(super) committed: Micros,
    /// Instances under way, after this round's launches.
    pub(super) pending: u32,
    /// Instances in all, after this round's launches.
    pub(super) instances: u32,
    /// What this round's grants and launches add to what drivers and labels cost.
    pub(super) costs: Costs,
    /// Instances that this round launches, by zone.
    pub(super) begun: BTreeMap<SmolStr, u64>,
    /// What is on trial, and tried by a launch that is under way or that this round begins.
    tried: BTreeSet<Extent>,
    /// What holds launches back, set by this round or before.
    pub(super) breaker: Option<Breaker>,
    /// How many ids this round has made.
    pub(super) ids: u64,
    /// What may be bought, once anybody has asked.
    candidates: OnceCell<Vec<&'a Offering>>,
    /// What of it is open, the cheapest at most first, once anybody has asked after this round's last launch.
    opened: OnceCell<Vec<&'a Offering>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(state: &'a State, sight: &'a Sight) -> Draft<'a> {
        let accepting = |(id, instance): (&'a InstanceId, &'a Instance)| {
            instance.accepts().then(|| (id, Space::of(instance)))
        };
        let live = state.index.live_instances.iter();
        let rows = live.filter_map(|id| state.instances.get(id).map(|instance| (id, instance)));
        Draft {
            state,
            sight,
            events: Vec::new(),
            free: rows.filter_map(accepting).collect(),
            taken_back: BTreeSet::new(),
            granted: BTreeSet::new(),
            claimed: BTreeMap::new(),
            roomy: BTreeSet::new(),
            waits: Vec::new(),
            ended: BTreeSet::new(),
            verified: BTreeSet::new(),
            committed: state.head.committed,
            pending: state.head.pending,
            instances: state.head.instances,
            costs: Costs::default(),
            begun: BTreeMap::new(),
            tried: offer::tried(state),
            breaker: state.head.breaker,
            ids: 0,
            candidates: OnceCell::new(),
            opened: OnceCell::new(),
        }
    }

    pub(super) fn push(&mut self, event: impl Into<Event>) {
        self.events.push(event.into());
    }

    /// Whether the round holds all that it has room for: nothing that is pushed now will be in it.
    pub(super) fn full(&self) -> bool {
        self.events.len() >= MAX_ROUND
    }

    /// What may be bought.
    pub(super) fn candidates(&self) -> &[&'a Offering] {
        self.candidates.get_or_init(|| offer::candidates(self.state))
    }

    /// Whether there are as many instances in this zone as allowed, after this round's launches.
    pub(super) fn zone_full(&self, zone: &str) -> bool {
        let begun = self.begun.get(zone).copied().unwrap_or(0);
        offer::zone_limit(self.state, zone, begun).is_some()
    }

    /// Whether this offering is not to be launched now: it rests, or is on trial and is being tried.
    pub(super) fn resting(&self, offering: &Offering) -> bool {
        offer::rests(self.state, offering).is_some() || offer::is_tried(&self.tried, offering)
    }

    /// What keeps everything from being launched now, whatever it is and costs.
    pub(super) fn shut(&self) -> Option<PendingWhy> {
        offer::shut(self.state, self.breaker, self.pending).map(PendingWhy::from)
    }

    /// What may still be launched, after this round's launches.
    pub(super) fn limits(&self) -> Limits {
        let counts = (self.pending, self.instances);
        offer::limits(self.state, self.breaker, self.committed, counts)
    }

    /// Whether this offering may be launched now, as far as that is up to what it is and where.
    pub(super) fn open(&self, offering: &Offering) -> bool {
        !self.resting(offering) && !self.zone_full(&offering.zone)
    }

    /// Whether an instance of this offering will do for so much, as far as is known.
    pub(super) fn holds(&self, offering: &Offering, need: &Resources) -> bool {
        offer::holds(self.state, offering, need)
    }

    /// What of all that may be bought may be launched now, as far as that is up to what it is and where: that
    /// first which can cost the least at most.
    pub(super) fn opened(&self) -> &[&'a Offering] {
        self.opened.get_or_init(|| {
            let candidates = self.candidates().iter().copied();
            let mut opened: Vec<&Offering> = candidates.filter(|o| self.open(o)).collect();
            opened.sort_by_key(|offering| offering.at_most());
            opened
        })
    }

    /// What an hour of this offering comes to if its price is this: more where it may be taken away, less
    /// where its links are worth something.
    pub(super) fn worth(&self, offering: &Offering, price: Micros) -> Micros {
        worth(self.state, offering, price)
    }

    /// Counts a launch of this offering that the round begins.
    pub(super) fn launches(&mut self, offering: &Offering) {
        self.committed = self.committed.plus(offering.at_most());
        self.pending += 1;
        self.instances += 1;
        *self.begun.entry(offering.zone.clone()).or_default() += 1;
        self.tried.extend(self.state.trials(offering));
        self.opened = OnceCell::new();
    }

    pub(super) fn random(&mut self) -> u64 {
        self.ids += 1;
        self.sight.random(self.ids)
    }

    pub(super) fn live(&self) -> impl Iterator<Item = (&'a InstanceId, &'a Instance)> + use<'a> {
        let state = self.state;
        let ids = state.index.live_instances.iter();
        ids.filter_map(|id| state.instances.get(id).map(|instance| (id, instance)))
    }

    /// Whether it is up with nothing on it, and with nothing that will be: nobody who waits has a use for it
    /// now.
    pub(super) fn idle(&self, id: &InstanceId, instance: &Instance) -> bool {
        instance.accepts()
            && instance.allocs == 0
            && self.free.get(id).is_some_and(|space| *space.free() == instance.free())
            && !self.ended.contains(id)
    }

    /// Takes every alloc on this instance back, and places nothing there in this round.
    pub(super) fn revoke_all(&mut self, instance: &InstanceId, why: &RevokedWhy) {
        self.free.remove(instance);
        for alloc in self.state.index.on_instance(instance) {
            self.revoke(&alloc, why.clone());
        }
    }

    pub(super) fn revoke(&mut self, id: &AllocId, why: RevokedWhy) {
        let Some(alloc) = self.state.allocs.get(id) else { return };
        let AllocStatus::Granted { grant, .. } = &alloc.status else { return };
        if self.taken_back.insert(id.clone()) {
            let instance = grant.instance.clone();
            let execs_until = self.execs_until(alloc, grant);
            let (alloc, driver) = (id.clone(), alloc.driver.clone());
            self.push(AllocRevoked { alloc, driver, instance, execs_until, why });
        }
    }

    /// Until when execs of an alloc that ends now may still run: its agent may have been in reach until
    /// just now, and from then on goes by the lease and the grace that came with the grant.
    pub(super) fn execs_until(&self, alloc: &Alloc, grant: &Grant) -> LogTime {
        self.state.head.time + grant.lease.unwrap_or(alloc.lease) + grant.grace
    }

    /// Requests that are to be met, in no order. Those who lose in this round what was kept for them are seen to
    /// in the next: what they cost is another sum then.
    pub(super) fn waiting(&self) -> Vec<(&'a AllocId, &'a Alloc)> {
        let (allocs, index) = (&self.state.allocs, &self.state.index.waiting);
        let mut waiting: Vec<(&AllocId, &Alloc)> = if self.most_of_all(index.len()) {
            let waits = |alloc: &Alloc| matches!(alloc.status, AllocStatus::Waiting { .. });
            allocs.iter().filter(|(_, alloc)| waits(alloc)).collect()
        } else {
            index.iter().filter_map(|(_, _, id)| Some((id, allocs.get(id)?))).collect()
        };
        waiting.retain(|(_, alloc)| !alloc.killed && !self.loses_its_launch(alloc));
        waiting
    }

    fn loses_its_launch(&self, alloc: &Alloc) -> bool {
        if self.ended.is_empty() {
            return false;
        }
        let AllocStatus::Waiting { reserved: Some(launch), .. } = &alloc.status else {
            return false;
        };
        let instances = self.state.launches.get(launch).map(|launch| &launch.instances);
        instances.is_some_and(|all| all.iter().any(|id| self.ended.contains(id)))
    }

    /// Whether so many allocs are sooner come upon among all that are known than looked up one by one.
    pub(super) fn most_of_all(&self, some: usize) -> bool {
        some.saturating_mul(WORTH_A_PASS) >= self.state.allocs.len()
    }
}
