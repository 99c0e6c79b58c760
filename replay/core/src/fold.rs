//! The fold: one message of the log after the other. One dispatch, one arm an event, total.

use crate::state::State;
use crate::state::instance::{Reach, Service};
use crate::void::Void;
use schema::SCHEMA_VERSION;
use schema::codec::{self, DecodeError};
use schema::event::Event;
use schema::id::InstanceId;
use schema::record::Record;
use schema::subject::{self, Role};
use schema::unit::{LogTime, Seq};
use schema::why::DrainWhy;

/// One message as the log delivers it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Position; contiguous from 1.
    pub seq: Seq,
    /// The log's clock when it was stored.
    pub time: LogTime,
    /// Full literal subject.
    pub subject: &'a str,
    /// Encoded record.
    pub payload: &'a [u8],
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It had its effect.
    Applied,
    /// It is counted and had no effect.
    Void(Void),
    /// Its sequence is not the one that comes next: nothing was done, nothing counted.
    Ignored,
}

impl State {
    /// Folds the next message. Total: never panics, whatever the bytes are.
    pub fn apply(&mut self, message: Message<'_>) -> Outcome {
        self.fold(message, codec::decode(message.payload).as_ref())
    }

    /// As [`State::apply`], for callers that have decoded the payload or want the record back.
    pub fn apply_decoded(
        &mut self,
        message: Message<'_>,
        decoded: Result<Record, DecodeError>,
    ) -> (Outcome, Option<Record>) {
        (self.fold(message, decoded.as_ref()), decoded.ok())
    }

    fn fold(&mut self, message: Message<'_>, decoded: Result<&Record, &DecodeError>) -> Outcome {
        if message.seq != self.head.applied.next() {
            return Outcome::Ignored;
        }
        self.head.applied = message.seq;
        self.head.time = self.head.time.max(message.time);
        if subject::is_election(message.subject, self.head.cluster.as_ref()) {
            // Whatever it is: a fence names the last record on that subject.
            self.head.leader.election = message.seq;
        }
        let result = match decoded {
            Ok(record) => self.judge(message, record),
            Err(error) => Err(self.undecodable(error)),
        };
        let outcome = match result {
            Ok(()) => Outcome::Applied,
            Err(void) => {
                *self.head.voids.entry(void).or_insert(0) += 1;
                Outcome::Void(void)
            }
        };
        let elected = |record: &Record| matches!(record.event, Event::LeaderElected(_));
        self.mark(outcome == Outcome::Applied && decoded.is_ok_and(elected));
        outcome
    }

    fn undecodable(&mut self, error: &DecodeError) -> Void {
        if let DecodeError::MustUnderstand(kind) = error {
            self.head.halted = Some(format!(
                "record {} is of kind {kind:?}, which this version does not know and must not skip; run a newer fleetlog",
                self.head.applied
            ));
        }
        Void::from(error)
    }

    /// A log begins once. Drivers, agents and operators may have spoken before that, and count: they read
    /// only what names them, and do not know. Nobody can lead before it.
    fn in_its_place(&self, event: &Event) -> bool {
        let (begun, begins) = (self.head.generation != 0, matches!(event, Event::Genesis(_)));
        if begun { !begins } else { begins || event.role() != Role::Ctl }
    }

    /// Who may say this, and is it their turn? Only then, what follows.
    fn judge(&mut self, message: Message<'_>, record: &Record) -> Result<(), Void> {
        let event = &record.event;
        if !self.in_its_place(event) {
            return Err(Void::Genesis);
        }
        let cluster = self.head.cluster.as_ref();
        if !subject::fits(message.subject, cluster, &record.author, event) {
            return Err(Void::WrongSubject);
        }
        if self.head.next_generation.is_some() {
            return Err(Void::GenerationEnded);
        }
        if self.asks_for_proof(record) {
            return self.claim(record);
        }
        self.take_number(record)?;
        itself(record.speaks_for_itself())?;
        if needs_term(event) {
            self.by_leader(record)?;
            self.prune();
        }
        self.follow(record)
    }

    fn follow(&mut self, record: &Record) -> Result<(), Void> {
        match &record.event {
            Event::DriverJoined(e) => self.driver_joined(e),
            Event::AllocRequested(e) => self.requested(e),
            Event::AllocWithdrawn(e) => self.withdrawn(&e.alloc, &e.driver),
            Event::AllocsKept(e) => self.kept(e),
            Event::AllocFreed(e) => self.freed(e),
            Event::ExecSubmitted(e) => self.submitted(e),
            Event::ExecKillRequested(e) => self.kill_requested(&e.exec, &e.alloc, &e.driver),
            Event::DriverLeft(e) => self.driver_left(&e.driver),

            Event::InstanceBooted(e) => self.booted(e),
            Event::AllocOpened(e) => self.opened(&e.alloc, &e.driver, &e.instance),
            Event::AllocClosed(e) => self.closed(&e.alloc, &e.driver, &e.instance),
            Event::ExecStarted(e) => self.exec_started(e),
            Event::ExecExited(e) => self.exec_exited(e),
            Event::ExecFailed(e) => self.exec_failed(e),
            Event::ExecOomKilled(e) => self.exec_oom(e),
            Event::InterruptionNoticed(e) => self.interrupted(e),
            Event::InstanceStopping(e) => {
                self.set_service(&e.instance, draining(DrainWhy::Stopping))
            }

            Event::Genesis(e) => self.begin(e),
            Event::ReplicaStarted(e) => itself(e.replica == record.author),
            Event::LeaderChallenged(e) => self.challenge(record, e),
            Event::LeaderElected(e) => self.elect(record, e),
            Event::LeaderRenewed(_) => Ok(()),
            Event::LeaderResigned(_) => self.resign(),
            Event::SchemaActivated(e) => self.activate(e.version),
            Event::PriceSeen(e) => self.price_seen(e),
            Event::CloudConfigured(e) => self.configured(e),
            Event::OrphanFound(e) => self.orphan_found(e),
            Event::LaunchRequested(e) => self.launch_requested(e),
            Event::LaunchAccepted(e) => self.launch_accepted(e),
            Event::InstanceVerified(e) => self.verified(e),
            Event::InstanceDistrusted(e) => self.distrusted(e),
            Event::LaunchRefused(e) => self.launch_refused(e),
            Event::LaunchUnanswered(e) => self.launch_unanswered(e),
            Event::InstanceLost(e) => self.gone(&e.instance, true),
            Event::BreakerTripped(e) => self.breaker_tripped(e),
            Event::BootTimedOut(e) => self.boot_timed_out(e),
            Event::ConsoleSeen(e) => self.console_seen(e),
            Event::InstanceUnreachable(e) => self.silent(&e.instance),
            Event::InstanceReachable(e) => self.set_reach(&e.instance, Reach::Heard),
            Event::AllocGranted(e) => self.granted(e, record.cause),
            Event::AllocPending(e) => self.pending(&e.alloc, &e.driver, &e.why),
            Event::AllocRefused(e) => self.refused(&e.alloc, &e.driver, &e.why),
            Event::AllocExpired(e) => self.expired(&e.alloc, &e.driver, &e.instance),
            Event::AllocPreempted(e) => self.preempted(e),
            Event::AllocSpared(e) => self.spared(e),
            Event::AllocRevoked(e) => self.revoked(e),
            Event::DrainStarted(e) => self.drain(e),
            Event::TerminateRequested(e) => self.terminate(e),
            Event::InstanceTerminated(e) => self.gone(&e.instance, false),
            Event::Checkpoint(e) => self.compare(e.seq, &e.digest),
            Event::RolledOver(e) => {
                self.head.next_generation = Some(e.next);
                Ok(())
            }

            Event::PolicySet(e) => self.policy_set(&e.policy),
            Event::InstanceHeld(e) => self.set_service(&e.instance, Service::Held),
            Event::InstanceDrained(e) => {
                self.set_service(&e.instance, draining(DrainWhy::Operator))
            }
            Event::InstanceResumed(e) => self.set_service(&e.instance, Service::Open),
            Event::InstanceKilled(e) => self.kill_instance(&e.instance),
            Event::AllocKilled(e) => self.kill_alloc(&e.alloc),
            Event::DriverWeighted(e) => self.weighted(e),
            Event::DriverBudgetSet(e) => self.budget_set(e),
            Event::ProbeDone(e) => self.probe_done(e),
            Event::LaunchesFrozen(_) => {
                self.head.frozen = true;
                Ok(())
            }
            Event::LaunchesThawed(_) => {
                self.head.frozen = false;
                self.works_again();
                self.mended();
                Ok(())
            }
        }
    }

    fn silent(&mut self, id: &InstanceId) -> Result<(), Void> {
        let since = self.head.time;
        self.set_reach(id, Reach::Silent { since })
    }

    fn activate(&mut self, version: u32) -> Result<(), Void> {
        self.head.schema = self.head.schema.max(version);
        if version > SCHEMA_VERSION {
            self.head.halted = Some(format!(
                "the cluster now writes schema {version}; this version reads up to {SCHEMA_VERSION}; run a newer fleetlog"
            ));
        }
        Ok(())
    }

    fn compare(&mut self, seq: Seq, digest: &[u8]) -> Result<(), Void> {
        if self.marked(seq).is_some_and(|mine| mine.0 != digest) {
            self.diverged = Some(seq);
        }
        Ok(())
    }
}

fn draining(why: DrainWhy) -> Service {
    Service::Draining { why, until: None }
}

fn itself(is: bool) -> Result<(), Void> {
    if is { Ok(()) } else { Err(Void::NotItself) }
}

/// All that controllers write is the leader's, but for what comes before there is one.
fn needs_term(event: &Event) -> bool {
    event.role() == Role::Ctl
        && !matches!(
            event,
            Event::Genesis(_)
                | Event::ReplicaStarted(_)
                | Event::LeaderChallenged(_)
                | Event::LeaderElected(_)
        )
}
