//! Spot beside on-demand: which part of the fleet may be spot where nobody has asked for a market. Once
//! enough of it is on demand, spot is bought again: that is the way back.

use super::draft::Draft;
use super::offer::will_do;
use super::scale::cheapest;
use replay_core::State;
use replay_core::state::instance::Phase;
use schema::policy::Offering;
use schema::requirements::{Constraint, Market};
use schema::resources::Resources;

/// Instances and launches under way, and how many of them are spot.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    spot: u64,
    all: u64,
}

impl Share {
    /// Of the fleet as it is; nothing is counted where any number may be spot.
    #[must_use]
    pub fn of(state: &State) -> Share {
        let mut share = Share { spot: 0, all: 0 };
        if state.head.policy.spot.admits_all() {
            return share;
        }
        let stays = |phase: &Phase| matches!(phase, Phase::Booting | Phase::Up);
        let live = state.index.live_instances.iter().filter_map(|id| state.instances.get(id));
        live.filter(|i| stays(&i.phase)).for_each(|i| share.count(i.offering.market, 1));
        let open = state.index.open_launches.iter().filter_map(|id| state.launches.get(id));
        for launch in open {
            let unborn = u64::from(launch.count).saturating_sub(launch.instances.len() as u64);
            share.count(launch.offering.market, unborn);
        }
        share
    }

    fn count(&mut self, market: Market, more: u64) {
        self.all += more;
        self.spot += if market == Market::Spot { more } else { 0 };
    }

    /// Whether the policy has room for one more on spot.
    #[must_use]
    pub fn admits(&self, state: &State) -> bool {
        state.head.policy.spot.admits(self.spot, self.all)
    }

    /// What is launched when this would be the cheapest for so much and for those who narrow the choice so:
    /// the cheapest on demand where there is spot enough, if that is to be had. Counts it.
    pub(super) fn choose(
        &mut self,
        draft: &Draft<'_>,
        offering: &Offering,
        need: &Resources,
        asked: &[&Constraint],
    ) -> Offering {
        let particular = asked.iter().any(|asked| asked.market.is_some());
        let much = offering.market == Market::Spot && !particular && !self.admits(draft.state);
        let within = |o: &Offering| asked.iter().all(|asked| will_do(asked, o));
        let on_demand = |o: &&Offering| o.market == Market::OnDemand && within(o);
        let others = draft.candidates().iter().copied().filter(on_demand);
        let instead = if much { cheapest(draft, others, need) } else { None };
        let chosen = instead.unwrap_or(offering);
        self.count(chosen.market, 1);
        chosen.clone()
    }
}
