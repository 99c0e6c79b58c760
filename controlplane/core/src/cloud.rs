//! What is asked of a cloud, and what it answers.

use replay_core::State;
use replay_core::state::launch::OfferingKey;
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::policy::Offering;
use schema::unit::{Epoch, Millis};
use schema::why::{DoubtClass, RefusalClass, RefusalScope};
use std::sync::Arc;

/// What to launch: a pure function of the folded intent. The term is a label, nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchOrder {
    /// The cluster.
    pub cluster: ClusterId,
    /// The intent.
    pub launch: LaunchId,
    /// Which attempt of it.
    pub attempt: u32,
    /// What to buy.
    pub offering: Offering,
    /// How many instances at most.
    pub count: u32,
    /// The cloud's settings by which it is made; none if the cloud has none.
    pub settings: Option<Arc<str>>,
    /// The term in which the intent was written: the same whoever asks.
    pub intended: Epoch,
    /// The term of the leader that asks.
    pub epoch: Epoch,
}

impl LaunchOrder {
    /// By what a cloud knows this order again: the same for whoever repeats it, in whatever term; another
    /// one for each cluster, intent and attempt. 64 hexadecimal digits: a `ClientToken` of EC2 is at
    /// most 64 characters of printable ASCII.
    #[must_use]
    pub fn token(&self) -> String {
        // No id has a space in it: no two orders are spelt alike.
        let spelt = format!("{} {} {}", self.cluster, self.launch, self.attempt);
        blake3::hash(spelt.as_bytes()).to_hex().to_string()
    }
}

/// What came of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchAnswer {
    /// These instances exist for it; the same ones however often it is repeated.
    Accepted(Vec<InstanceId>),
    /// Definitely nothing was made.
    Refused {
        /// What kind of refusal.
        class: RefusalClass,
        /// What the cloud said.
        message: String,
        /// How far it reaches.
        scope: RefusalScope,
        /// That should rest this long, the first time.
        back_off: Millis,
    },
    /// Nothing was asked for this time, since it was not its turn; give the same order again.
    NotYet(String),
    /// Not known; repeat the same order.
    Unknown(Doubt),
}

/// Why it is not known what came of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What kind of doubt it is.
    pub class: DoubtClass,
    /// What the cloud said, or what was tried.
    pub message: String,
}

impl Doubt {
    /// No answer came.
    #[must_use]
    pub fn no_answer(message: impl Into<String>) -> Doubt {
        Doubt { class: DoubtClass::NoAnswer, message: message.into() }
    }
}

/// What came of a termination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminateAnswer {
    /// The instance is no more.
    Gone,
    /// It is going; ask again.
    Going,
    /// Nothing was asked for this time, since it was not its turn; ask again.
    NotYet(String),
    /// Not known; ask again.
    Unknown(String),
}

/// Whether the cloud still has an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenState {
    /// It has.
    There,
    /// It had, and has no more.
    Gone,
}

/// An instance as the cloud sees it. Only those that say they are this cluster's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which one.
    pub instance: InstanceId,
    /// Whether it is there.
    pub state: SeenState,
    /// Why it is gone, as the cloud says; empty if it does not.
    pub why: String,
    /// The intent that it says it is of.
    pub launch: Option<LaunchId>,
    /// What it was bought as: type, zone, market; none if the cloud does not say.
    pub offering: Option<OfferingKey>,
    /// How long it has been there.
    pub age: Millis,
}

impl Seen {
    /// Whether the log accounts for it, or says already that nothing does.
    #[must_use]
    pub fn is_known(&self, state: &State) -> bool {
        state.accounts_for(&self.instance, self.launch.as_ref())
            || state.orphans.contains(&self.instance)
    }

    /// One of which the cloud says no more than whether it is there.
    #[must_use]
    pub fn plain(instance: InstanceId, state: SeenState) -> Seen {
        let (launch, offering) = (None, None);
        Seen { instance, state, why: String::new(), launch, offering, age: Millis(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::policy::worth::Links;
    use schema::requirements::Market;
    use schema::resources::Resources;
    use schema::unit::Micros;
    use std::collections::BTreeSet;

    fn order(cluster: &str, launch: &str, attempt: u32) -> LaunchOrder {
        let (kind, zone, market) = ("large".into(), "z".into(), Market::Spot);
        let (price, resources) = (Micros(1), Resources::default());
        LaunchOrder {
            cluster: ClusterId::new(cluster).expect("an id"),
            launch: LaunchId::new(launch).expect("an id"),
            attempt,
            offering: Offering {
                kind,
                zone,
                market,
                price,
                cap: None,
                resources,
                links: Links::default(),
            },
            count: 1,
            settings: None,
            intended: Epoch(1),
            epoch: Epoch(1),
        }
    }

    #[test]
    fn a_token_is_the_same_in_every_term_and_process() {
        let one = order("c", "l-1", 1);
        let later = LaunchOrder { epoch: Epoch(9), ..one.clone() };
        assert_eq!(one.token(), later.token());
        // What another build may have sent.
        assert_eq!(one.token(), "af817c50c42c5ca5186ec984b57c1e63c52c7401c89ef11ef71934ef88595c87");
    }

    #[test]
    fn each_order_has_a_token_of_its_own() {
        let longest = "l".repeat(schema::id::MAX_ID);
        let orders = [
            order("c", "l-1", 1),
            order("c", "l-1", 2),
            order("c", "l-11", 1),
            order("c-l", "1", 1),
            order("d", "l-1", 1),
            order(&longest, &longest, u32::MAX),
        ];
        let tokens: BTreeSet<String> = orders.iter().map(LaunchOrder::token).collect();
        assert_eq!(tokens.len(), orders.len());
        let fits =
            |token: &String| token.len() <= 64 && token.bytes().all(|b| b.is_ascii_graphic());
        assert!(tokens.iter().all(fits), "{tokens:?}");
    }
}
