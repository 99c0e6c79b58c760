//! What a replica writes next: what begins a log, an election or a challenge while it does not lead,
//! and what it decides while it does.

use super::{Purpose, Replica};
use crate::deadline::next_deadline;
use crate::decide::decide;
use crate::hearing::SILENCE;
use crate::moment::Moment;
use crate::prices;
use crate::sight::Sight;
use replay_core::snapshot::FOLD_VERSION;
use replay_core::state::leader::Holder;
use schema::SCHEMA_VERSION;
use schema::event::{
    Checkpoint, CloudConfigured, Event, Genesis, LeaderChallenged, LeaderElected, LeaderRenewed,
    LeaderResigned, ReplicaStarted,
};
use schema::unit::{Epoch, LogTime, Millis};

/// Log time has a grain of its own: an election waits this much longer than the patience.
const GRAIN: Millis = Millis(25);

/// A round to be: its events, its term, whether it goes behind the fence, and what it is for.
pub(super) type Next = (Vec<Event>, Epoch, bool, Purpose);

impl Replica {
    /// The next thing to write, if there is any.
    pub(super) fn next_round(&mut self, now: Moment, entropy: u64) -> Option<Next> {
        if !self.caught_up {
            return None;
        }
        if let Some(begin) = self.begin() {
            return Some(begin);
        }
        let Some(term) = &self.term else { return self.stand(now) };
        let epoch = term.epoch;
        if self.stopping || self.barred().is_some() {
            return Some((vec![LeaderResigned {}.into()], epoch, true, Purpose::Resignation));
        }
        let round = self.decisions(now, entropy);
        (!round.is_empty()).then_some((round, epoch, true, Purpose::Decision))
    }

    /// Opens an empty log, and says that this replica is there.
    fn begin(&self) -> Option<Next> {
        if self.state.head.generation == 0 {
            let (cluster, policy) = (self.me.cluster.clone(), self.policy.clone());
            let genesis = Genesis { cluster, generation: 1, policy, previous: None };
            return Some((vec![genesis.into()], Epoch(0), false, Purpose::Genesis));
        }
        let started = ReplicaStarted {
            replica: self.me.replica.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            schema: SCHEMA_VERSION,
        };
        (!self.started).then(|| (vec![started.into()], Epoch(0), false, Purpose::Started))
    }

    /// Stands for election when one is due, challenges a leader that has fallen silent, or waits.
    fn stand(&mut self, now: Moment) -> Option<Next> {
        if self.stopping || self.barred().is_some() {
            return None;
        }
        let leader = &self.state.head.leader;
        let (epoch, patience) = (leader.epoch, self.state.head.policy.patience);
        let passed = |at: Option<Moment>| at.map(|at| now.since(at));
        let due = match (&leader.holder, &leader.challenge) {
            (Holder::Nobody | Holder::Resigned, _) => true,
            (Holder::Replica(_), Some(_)) => passed(self.clocks.challenged)
                .is_some_and(|stood| stood >= Millis(patience.0 + GRAIN.0)),
            (Holder::Replica(_), None) => false,
        };
        let replica = self.me.replica.clone();
        if due {
            let elected = LeaderElected { replica, epoch: epoch.next(), fold: FOLD_VERSION };
            let purpose = Purpose::Election(epoch.next());
            return Some((vec![elected.into()], epoch.next(), true, purpose));
        }
        let silent = self.hearing.leader_silent(now, epoch) >= SILENCE;
        let lately = passed(self.clocks.challenging).is_some_and(|passed| passed < patience);
        if leader.challenge.is_some() || !silent || lately {
            return None;
        }
        self.clocks.challenging = Some(now);
        let challenged = LeaderChallenged { replica, epoch };
        Some((vec![challenged.into()], Epoch(0), false, Purpose::Challenge))
    }

    /// What came of effects first; then decisions; then whatever moves log time on, or shows that this
    /// replica leads.
    fn decisions(&mut self, now: Moment, entropy: u64) -> Vec<Event> {
        let mut round = self.effects.outcomes(now, &self.state);
        if let (Some((seq, digest)), Some(term)) = (self.state.marks.back(), &mut self.term)
            && *seq > term.checkpoint
        {
            term.checkpoint = *seq;
            round.push(Checkpoint { seq: *seq, digest: digest.0.to_vec() }.into());
        }
        if round.is_empty() {
            round = self.configured();
        }
        if round.is_empty() {
            round = self.seen_prices();
        }
        if round.is_empty() {
            let sight = self.sight(now, entropy);
            round = decide(&self.state, &sight);
        }
        let stale = || self.effects.wanted(now, &self.state) && !self.fresh(now);
        let challenged = self.state.head.leader.challenge.is_some();
        if round.is_empty() && (challenged || self.due(now) || stale()) {
            round.push(LeaderRenewed {}.into());
        }
        round
    }

    /// The settings of its cloud, and what its secret is known by, where the log has others: before
    /// anything is launched by them.
    fn configured(&self) -> Vec<Event> {
        let fingerprint = self.fingerprint();
        let said = (self.state.settings_now(), &self.state.head.fingerprint);
        let new = self.settings.as_ref();
        let new = new.filter(|new| (Some(new.as_str()), &fingerprint) != said).cloned();
        let event = new.map(|settings| CloudConfigured { settings, fingerprint }.into());
        event.into_iter().collect()
    }

    /// What the log does not say yet of types, then of the prices that were seen last, and then of placement
    /// scores.
    fn seen_prices(&mut self) -> Vec<Event> {
        if let Some(types) = &self.types {
            let news = prices::type_news(&self.state, types);
            if !news.is_empty() {
                return news;
            }
            self.types = None;
        }
        let told = self.prices.as_ref().filter(|_| !self.priced);
        let Some(prices) = told else { return std::mem::take(&mut self.scores) };
        let news = prices::news(&self.state, prices);
        self.priced = news.is_empty();
        news
    }

    /// Log time now, as far as this process can tell while the log is quiet.
    fn estimated_time(&self, now: Moment) -> LogTime {
        self.state.head.time + now.since(self.clocks.folded)
    }

    /// Whether something falls due that the quiet log has not caught up with.
    fn due(&self, now: Moment) -> bool {
        next_deadline(&self.state)
            .is_some_and(|(at, _)| self.state.head.time < at && at <= self.estimated_time(now))
    }

    fn sight(&mut self, now: Moment, entropy: u64) -> Sight {
        let strays = self.effects.strays(&self.state).clone();
        let (state, kept) = (&self.state, &self.clocks.kept);
        let live = state.index.live_instances.iter();
        let due = state.index.leases.iter().take_while(|(until, _)| *until <= state.head.time);
        let kept = due.filter_map(|(_, id)| Some((id.clone(), now.since(*kept.get(id)?))));
        Sight {
            silent: live.map(|id| (id.clone(), self.hearing.silent(now, id))).collect(),
            kept: kept.collect(),
            gone: self.effects.gone().clone(),
            strays,
            key: self.key.clone(),
            entropy,
        }
    }
}
