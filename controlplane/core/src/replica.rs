//! A controller replica, without its world: what it is told goes in, what it wants done comes out. It
//! folds the log, waits to lead, and while it leads it decides, one round after the other, and asks
//! for effects. Time, randomness, the log, heartbeats and the cloud are its caller's.

mod barred;
mod next;

pub use barred::Barred;

use crate::credential::ClusterKey;
use crate::effects::{Call, Effects, LIST_EVERY, News};
use crate::hearing::{BEAT, Hearing, SILENCE};
use crate::moment::Moment;
use crate::prices::{Prices, TypesTold, scored};
use crate::round::{Answer, Append, Landing, Me, Need, Round};
use replay_core::{Message, Outcome, State};
use schema::codec::{DecodeError, EncodeError};
use schema::event::Event;
use schema::id::{AllocId, InstanceId};
use schema::policy::Policy;
use schema::record::Record;
use schema::subject::Role;
use schema::unit::{Epoch, Millis, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// Allocs that are over are forgotten here when there are this many more of them than of others.
const SPARE: usize = 1024;

/// What a replica wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Do {
    /// Append this, and say what the log answered.
    Append(Append),
    /// Say where the log ends.
    AskEnd,
    /// Call the cloud, and say what came of it.
    Call(Call),
    /// Say to everybody that the leader of this term lives.
    Beat(Epoch),
    /// It has stopped, as it was asked to.
    Stopped,
}

/// Why a replica cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The log says things that this version must not ignore.
    #[error("{0}")]
    Halted(String),
    /// Its state is not the one that the leader had.
    #[error("this replica's state at record {0} is not what the leader's checkpoint says")]
    Diverged(Seq),
    /// A round cannot be encoded.
    #[error("cannot write a decision: {0}")]
    Encode(#[from] EncodeError),
}

/// What a round is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Genesis,
    Started,
    Challenge,
    Election(Epoch),
    Decision,
    Resignation,
}

/// A term of this replica.
#[derive(Debug)]
struct Term {
    epoch: Epoch,
    checkpoint: Seq,
}

/// What only this process's own clock can tell.
#[derive(Debug)]
struct Clocks {
    /// When each lease was last begun or renewed.
    kept: BTreeMap<AllocId, Moment>,
    /// When the last record was folded.
    folded: Moment,
    /// When the last fenced append was acknowledged.
    acknowledged: Moment,
    /// When the challenge that stands now was folded.
    challenged: Option<Moment>,
    /// When this replica last challenged a leader.
    challenging: Option<Moment>,
    /// When the next heartbeat is due.
    beat: Moment,
}

/// A controller replica.
#[derive(Debug)]
pub struct Replica {
    me: Me,
    policy: Policy,
    state: State,
    caught_up: bool,
    started: bool,
    stopping: bool,
    clocks: Clocks,
    hearing: Hearing,
    effects: Effects,
    /// What it was told of prices.
    prices: Option<Prices>,
    /// Whether the log is known to say the same.
    priced: bool,
    /// What it was told of types, until the log says the same.
    types: Option<TypesTold>,
    /// Placement scores that are to be written.
    scores: Vec<Event>,
    /// The settings that its cloud launches by, if that has any.
    settings: Option<String>,
    /// The cluster's secret, if its cloud has one.
    key: Option<ClusterKey>,
    /// How often its cloud is asked what there is.
    list_every: Millis,
    term: Option<Term>,
    round: Option<(Round, Purpose)>,
}

impl Replica {
    /// One that has seen nothing yet. `policy` is what an empty log begins with.
    #[must_use]
    pub fn new(now: Moment, me: Me, policy: Policy) -> Replica {
        Replica {
            me,
            policy,
            state: State::default(),
            caught_up: false,
            started: false,
            stopping: false,
            clocks: Clocks {
                kept: BTreeMap::new(),
                folded: now,
                acknowledged: now,
                challenged: None,
                challenging: None,
                beat: now,
            },
            hearing: Hearing::new(now),
            effects: Effects::default(),
            prices: None,
            priced: false,
            types: None,
            scores: Vec::new(),
            settings: None,
            key: None,
            list_every: LIST_EVERY,
            term: None,
            round: None,
        }
    }

    /// One that begins with a state from a snapshot, however old, and reads on behind it.
    #[must_use]
    pub fn resume(now: Moment, me: Me, policy: Policy, state: State) -> Replica {
        let mut replica = Replica { state, ..Replica::new(now, me, policy) };
        replica.restored(now);
        replica
    }

    /// What a restored state has under way began nobody knows when: it begins now, so that it ends too
    /// late rather than too early, and ends.
    fn restored(&mut self, now: Moment) {
        let State { index, head, .. } = &self.state;
        let leases = index.leases.iter();
        self.clocks.kept = leases.map(|(_, alloc)| (alloc.clone(), now)).collect();
        self.clocks.challenged = head.leader.challenge.is_some().then_some(now);
    }

    /// The state as folded so far.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The term that it leads, as far as it knows.
    #[must_use]
    pub fn leads(&self) -> Option<Epoch> {
        self.term.as_ref().map(|term| term.epoch)
    }

    /// Folds the next record.
    pub fn fold(
        &mut self,
        now: Moment,
        message: Message<'_>,
        decoded: Result<Record, DecodeError>,
    ) -> Outcome {
        let (outcome, record) = self.state.apply_decoded(message, decoded);
        self.clocks.folded = now;
        if let (Outcome::Applied, Some(record)) = (outcome, &record) {
            self.note(now, record);
        }
        outcome
    }

    /// A batch of records has been folded, and the log is known to hold so many more.
    pub fn folded(&mut self, more: u64) {
        self.caught_up = more == 0;
        let leases = &self.state.index.leases;
        if self.clocks.kept.len() > 2 * leases.len() + SPARE {
            let held: BTreeSet<&AllocId> = leases.iter().map(|(_, alloc)| alloc).collect();
            self.clocks.kept.retain(|alloc, _| held.contains(alloc));
        }
        self.hearing.only(&self.state.index.live_instances);
    }

    /// An agent's heartbeat has come.
    pub fn heard_agent(&mut self, now: Moment, id: &InstanceId) {
        self.hearing.agent(now, id);
    }

    /// A leader's heartbeat has come.
    pub fn heard_leader(&mut self, now: Moment, epoch: Epoch) {
        self.hearing.beat(now, epoch);
    }

    /// What the log answered to the append that was asked for last.
    pub fn answered(&mut self, now: Moment, answer: Answer) {
        if let Some((round, _)) = &mut self.round {
            round.answer(now, answer);
        }
        if let Answer::Stored(_) = answer {
            self.clocks.acknowledged = now;
        }
    }

    /// Where the log ends; nothing if that cannot be told now.
    pub fn end(&mut self, seq: Option<Seq>) {
        if let Some((round, _)) = &mut self.round {
            round.end(seq);
        }
    }

    /// What came of a call to the cloud.
    pub fn news(&mut self, now: Moment, news: News) {
        if let (News::Priced(Some(prices)), Some(_)) = (&news, &self.term) {
            self.prices(prices.clone());
        }
        if let (News::Scored(Some(scores)), Some(_)) = (&news, &self.term) {
            self.scores = scored(scores);
        }
        if let (News::Typed(Some(told)), Some(_)) = (&news, &self.term) {
            self.types = Some(told.clone());
        }
        // Asked for in a term that is over: whoever leads next has to ask again, and soon.
        let late = self.term.is_none() && matches!(news, News::Typed(_));
        self.effects.take(now, if late { News::Typed(None) } else { news });
    }

    /// What may be bought now. While it leads it writes down what is new in that.
    pub fn prices(&mut self, prices: Prices) {
        (self.prices, self.priced) = (Some(prices), false);
    }

    /// The settings that its cloud launches by now. While it leads they are in force.
    pub fn settings(&mut self, settings: String) {
        self.settings = Some(settings);
    }

    /// The cluster's secret. Who has another than the log goes by does not lead.
    pub fn key(&mut self, key: ClusterKey) {
        self.key = Some(key);
    }

    /// How often its cloud is to be asked what there is, while it leads.
    pub fn list_every(&mut self, every: Millis) {
        self.list_every = every;
    }

    /// It is to stop, and to resign first if it leads.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// What it wants done now, `entropy` being fresh randomness. Call it after everything that it is
    /// told, and every now and then.
    ///
    /// # Errors
    /// It cannot go on.
    pub fn step(&mut self, now: Moment, entropy: u64) -> Result<Vec<Do>, Halt> {
        self.check()?;
        let mut wanted = Vec::new();
        loop {
            if self.term.as_ref().is_some_and(|term| !self.holds(term.epoch)) {
                self.term = None;
                self.effects.forget();
            }
            if let Some((round, purpose)) = &mut self.round {
                match round.step(now, &self.me, &self.state) {
                    Need::Nothing => break,
                    Need::Append(append) => wanted.push(Do::Append(append)),
                    Need::End => wanted.push(Do::AskEnd),
                    Need::Settled(landing) => {
                        let purpose = *purpose;
                        self.round = None;
                        self.settled(purpose, landing);
                        continue;
                    }
                }
                break;
            }
            if self.stopping && self.term.is_none() {
                wanted.push(Do::Stopped);
                return Ok(wanted);
            }
            match self.next_round(now, entropy) {
                None => break,
                Some((events, epoch, fenced, purpose)) => {
                    let round = Round::new(now, &self.me, &self.state, events, epoch, fenced)?;
                    self.round = Some((round, purpose));
                }
            }
        }
        self.lead(now, &mut wanted);
        Ok(wanted)
    }

    /// Heartbeats and effects of a leader.
    fn lead(&mut self, now: Moment, wanted: &mut Vec<Do>) {
        let Some(epoch) = self.leads() else { return };
        // A leader that cannot write is none, whatever it says.
        let stuck = self.round.as_ref().is_some_and(|(round, _)| now.since(round.since) > SILENCE);
        if now >= self.clocks.beat && !stuck {
            self.clocks.beat = now + BEAT;
            wanted.push(Do::Beat(epoch));
        }
        wanted.extend(self.effects.list(now, self.list_every).map(Do::Call));
        wanted.extend(self.effects.price(now, &self.state.head.policy).map(Do::Call));
        wanted.extend(self.effects.score(now, &self.state).map(Do::Call));
        wanted.extend(self.effects.types(now, &self.state.head.policy).map(Do::Call));
        if self.round.is_none() && self.fresh(now) {
            let calls = self.effects.calls(now, &self.me.cluster, &self.state, epoch);
            wanted.extend(calls.into_iter().map(Do::Call));
        }
    }

    fn check(&self) -> Result<(), Halt> {
        match (&self.state.head.halted, self.state.diverged) {
            (Some(reason), _) => Err(Halt::Halted(reason.clone())),
            (None, Some(seq)) => Err(Halt::Diverged(seq)),
            (None, None) => Ok(()),
        }
    }

    /// Whether this term still runs, by the fold.
    fn holds(&self, epoch: Epoch) -> bool {
        self.state.leads(&self.me.replica) && self.state.head.leader.epoch == epoch
    }

    /// Whether this replica has lately been shown that it leads: nothing is sent to the cloud on the
    /// strength of an old acknowledgement.
    fn fresh(&self, now: Moment) -> bool {
        let patience = self.state.head.policy.patience;
        now.since(self.clocks.acknowledged) < Millis(patience.0 / 2)
    }

    fn note(&mut self, now: Moment, record: &Record) {
        if let Event::Genesis(_) = &record.event {
            self.restored(now);
        }
        let clocks = &mut self.clocks;
        if let Event::AllocGranted(e) = &record.event {
            clocks.kept.insert(e.alloc.clone(), now);
        }
        if let Event::AllocsKept(e) = &record.event {
            clocks.kept.extend(e.allocs.iter().map(|id| (id.clone(), now)));
        }
        if let Event::LeaderChallenged(_) = &record.event {
            clocks.challenged = Some(now);
        } else if record.event.role() == Role::Ctl && record.epoch == self.state.head.leader.epoch {
            self.hearing.leader(now, record.epoch);
        } else if let (Role::Agent, Some(id)) = (record.event.role(), record.event.route().instance)
        {
            self.hearing.agent(now, id);
        }
    }

    fn settled(&mut self, purpose: Purpose, landing: Landing) {
        match purpose {
            Purpose::Started => self.started |= landing == Landing::Landed,
            Purpose::Election(epoch) if landing == Landing::Landed && self.holds(epoch) => {
                self.term = Some(Term { epoch, checkpoint: Seq(0) });
                // Whoever led before may have written others, by other settings.
                self.priced = false;
            }
            Purpose::Decision if landing == Landing::Lost => {
                self.term = None;
                self.effects.forget();
            }
            Purpose::Resignation => self.term = None,
            Purpose::Genesis | Purpose::Challenge | Purpose::Election(_) | Purpose::Decision => {}
        }
    }
}
