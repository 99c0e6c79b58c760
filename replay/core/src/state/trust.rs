//! Whose word an instance's agent is.
//!
//! ```text
//!            who says that it has booted ──▶ claim ──verified──▶ it has: this life counts from here on
//!                                              └────distrusted──▶ nothing came of it
//! ```
//!
//! Where a launch asks for proof, what is said in the name of an instance changes nothing but that a
//! claim waits to be judged, however many there are and in whatever order: a claim takes nobody's place
//! and nobody's number, so that who is not the agent cannot keep out who is. Records of a life that has
//! not proved itself are void. One that has is retired by none but a newer one that has, too.

use super::State;
use super::author::AuthorState;
use super::launch::LaunchStatus;
use crate::void::Void;
use schema::event::{Event, InstanceBooted, InstanceDistrusted, InstanceVerified};
use schema::id::{AuthorId, InstanceId};
use schema::record::Record;
use schema::subject::Role;
use schema::unit::{LogTime, Seq};
use schema::why::DistrustWhy;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Whether an instance is the one that was launched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Its launch asks for no proof.
    #[default]
    NotAsked,
    /// Nobody has proved to be its agent.
    Unproven {
        /// What was wrong with who said so last.
        distrusted: Option<DistrustWhy>,
    },
    /// Its agent has proved itself.
    Proven {
        /// In this life.
        life: Uuid,
    },
}

impl Trust {
    pub(crate) fn is_not_asked(&self) -> bool {
        *self == Trust::NotAsked
    }

    /// Of an instance of a launch that asks for proof, or does not.
    pub(crate) fn asked(is: bool) -> Trust {
        if is { Trust::Unproven { distrusted: None } } else { Trust::NotAsked }
    }

    /// Why nobody is trusted there, if somebody was not.
    #[must_use]
    pub fn distrusted(&self) -> Option<&DistrustWhy> {
        match self {
            Trust::Unproven { distrusted } => distrusted.as_ref(),
            Trust::NotAsked | Trust::Proven { .. } => None,
        }
    }
}

/// Somebody says that an instance has booted, and has not been judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What he says.
    pub booted: InstanceBooted,
    /// In which life.
    pub life: Uuid,
    /// Under which number.
    pub number: u64,
    /// When.
    pub at: LogTime,
}

impl Claim {
    /// Whether the other one is the same record, which was sent again.
    fn is_again(&self, other: &Claim) -> bool {
        let of = |claim: &Claim| (claim.life, claim.number);
        of(self) == of(other) && self.booted == other.booted
    }
}

impl State {
    /// Whether what this record says counts only once it is proved who says it: its author, whomever it
    /// speaks of, for it is his number that would be taken.
    pub(crate) fn asks_for_proof(&self, record: &Record) -> bool {
        let event = &record.event;
        if event.role() != Role::Agent {
            return false;
        }
        let boots = matches!(event, Event::InstanceBooted(_));
        let author = self.instances.get(&InstanceId::from(&record.author));
        match (author.map(|instance| &instance.trust), event) {
            (Some(Trust::NotAsked), _) => false,
            (Some(Trust::Unproven { .. }), _) => true,
            (Some(Trust::Proven { life }), _) => boots || record.incarnation != *life,
            // Of who is not known nothing is kept, be it a number.
            (None, Event::InstanceBooted(e)) => {
                let launch = self.launches.get(&e.launch);
                launch.map_or(&self.head.fingerprint, |launch| &launch.fingerprint).is_some()
            }
            (None, _) => self.head.fingerprint.is_some(),
        }
    }

    /// Takes in what somebody says of himself as the agent of an instance.
    pub(crate) fn claim(&mut self, record: &Record) -> Result<(), Void> {
        if !record.speaks_for_itself() {
            return Err(Void::NotItself);
        }
        let Event::InstanceBooted(e) = &record.event else { return Err(Void::Unproven) };
        e.resources.check().map_err(|_| Void::Invalid)?;
        let (life, number, at) = (record.incarnation, record.number, self.head.time);
        let claim = Claim { booted: e.clone(), life, number, at };
        if !self.has_place_for(&claim) {
            return Err(self.no_place_for(e));
        }
        match self.instances.get(&e.instance).map(|instance| &instance.trust) {
            Some(Trust::Proven { life: proven }) if life < *proven => {
                return Err(Void::RetiredIncarnation);
            }
            Some(Trust::Proven { life: proven }) if life == *proven => self.take_number(record)?,
            _ if number < self.next_number(Role::Agent, &record.author, life) => {
                return Err(Void::Duplicate);
            }
            _ => {}
        }
        if self.claims_on(&e.instance).any(|(_, before)| before.is_again(&claim)) {
            return Err(Void::Duplicate);
        }
        self.claims.insert((e.instance.clone(), self.head.applied), claim);
        Ok(())
    }

    fn no_place_for(&self, e: &InstanceBooted) -> Void {
        match self.instances.get(&e.instance) {
            Some(known) if known.lives() => Void::NotOwner,
            Some(_) => Void::Ended,
            None if self.launches.contains(&e.launch) => Void::WrongState,
            None => Void::Unknown,
        }
    }

    /// What is said of this instance and is not judged.
    fn claims_on(&self, id: &InstanceId) -> impl Iterator<Item = (&(InstanceId, Seq), &Claim)> {
        self.claims.range((id.clone(), Seq(0))..=(id.clone(), Seq(u64::MAX)))
    }

    /// Whether the log has a place for it: the instance lives, or may still come of its launch.
    #[must_use]
    pub fn has_place_for(&self, claim: &Claim) -> bool {
        let InstanceBooted { instance, launch, .. } = &claim.booted;
        if let Some(known) = self.instances.get(instance) {
            return known.lives() && known.launch == *launch;
        }
        self.launches.get(launch).is_some_and(|launch| {
            launch.status == LaunchStatus::Requested
                && launch.instances.len() < launch.count as usize
        })
    }

    pub(crate) fn verified(&mut self, e: &InstanceVerified) -> Result<(), Void> {
        let key = (e.instance.clone(), e.boot);
        let claim = self.claims.get(&key).filter(|claim| claim.life == e.life);
        let claim = claim.cloned().ok_or(Void::Unknown)?;
        let proven = match self.instances.get(&e.instance).map(|instance| &instance.trust) {
            Some(Trust::Proven { life }) if *life > e.life => return Err(Void::RetiredIncarnation),
            Some(Trust::Proven { life }) => *life == e.life,
            Some(Trust::NotAsked | Trust::Unproven { .. }) | None => false,
        };
        self.booted(&claim.booted)?;
        self.claims.remove(&key);
        // Of a life that is over nothing is to be judged any more.
        self.drop_claims(&e.instance, |claim| claim.life < e.life);
        if let Some(instance) = self.instances.get_mut(&e.instance) {
            instance.trust = Trust::Proven { life: e.life };
        }
        // Another number of a life that has proved nothing may be anybody's.
        let author = (Role::Agent, AuthorId::from(&e.instance));
        let taken = self.authors.get(&author).filter(|_| proven).map_or(0, |last| last.number);
        let number = claim.number.max(taken);
        self.authors.insert(author, AuthorState { incarnation: e.life, number });
        Ok(())
    }

    pub(crate) fn distrusted(&mut self, e: &InstanceDistrusted) -> Result<(), Void> {
        self.claims.remove(&(e.instance.clone(), e.boot)).ok_or(Void::Unknown)?;
        if let Some(instance) = self.instances.get_mut(&e.instance)
            && let Trust::Unproven { distrusted } = &mut instance.trust
        {
            *distrusted = Some(e.why.clone());
        }
        Ok(())
    }

    /// Drops what is said of this instance and needs no judge.
    pub(crate) fn drop_claims(&mut self, id: &InstanceId, over: impl Fn(&Claim) -> bool) {
        let of = self.claims_on(id).filter(|(_, claim)| over(claim)).map(|(key, _)| key.clone());
        for key in of.collect::<Vec<_>>() {
            self.claims.remove(&key);
        }
    }
}
