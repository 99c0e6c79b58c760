//! All that can happen, one type an event, one file an author. Names are past tense.
//!
//! Fields are only ever added, with defaults, and a meaning never changes under an old name.

use crate::id::{DriverId, InstanceId};
use crate::subject::{Aggregate, Role};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub mod agent;
pub mod ctl;
pub mod driver;
pub mod ops;

pub use agent::*;
pub use ctl::*;
pub use driver::*;
pub use ops::*;

/// Where a record goes: the tokens of its subject that its body decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// The instance whose agent must read it.
    pub instance: Option<&'a InstanceId>,
    /// The driver that must read it.
    pub driver: Option<&'a DriverId>,
    /// What it is about.
    pub aggregate: Aggregate,
    /// Which one of those.
    pub id: &'a str,
}

/// What all event bodies have in common.
pub trait Body: Serialize + DeserializeOwned {
    /// The name under which the body is decoded; never reused for another meaning.
    const KIND: &'static str;
    /// Who writes it.
    const ROLE: Role;
    /// Where it goes.
    fn route(&self) -> Route<'_>;
    /// Whether any state would take it: what can be seen of that without one. The fold and who writes ask
    /// the same, so that nothing is written that is void whatever happens.
    ///
    /// # Errors
    /// Says what is wrong.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Says where an event goes: aggregate, id, and optionally the instance and the driver; and how it is checked,
/// if there is anything to check.
macro_rules! body {
    (@optional) => { None };
    (@optional $value:expr) => { Some($value) };
    ($role:ident $kind:literal $name:ident |$e:ident| $aggregate:ident $id:expr
        $(, instance $instance:expr)? $(, driver $driver:expr)? $(, check $check:path)?) => {
        impl $crate::event::Body for $name {
            const KIND: &'static str = $kind;
            const ROLE: $crate::subject::Role = $crate::subject::Role::$role;
            fn route(&self) -> $crate::event::Route<'_> {
                let $e = self;
                $crate::event::Route {
                    instance: $crate::event::body!(@optional $($instance)?),
                    driver: $crate::event::body!(@optional $($driver)?),
                    aggregate: $crate::subject::Aggregate::$aggregate,
                    id: $id,
                }
            }
            $(
                fn check(&self) -> Result<(), String> {
                    $check(self)
                }
            )?
        }
    };
}
pub(crate) use body;

macro_rules! events {
    ($($name:ident),* $(,)?) => {
        /// One event.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Event {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
        }

        impl Event {
            /// Every kind that this build knows.
            pub const KINDS: &'static [&'static str] = &[$(<$name as Body>::KIND),*];

            /// The name of its kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Event::$name(_) => <$name as Body>::KIND,)* }
            }

            /// Who writes it.
            #[must_use]
            pub fn role(&self) -> Role {
                match self { $(Event::$name(_) => <$name as Body>::ROLE,)* }
            }

            /// Where it goes.
            #[must_use]
            pub fn route(&self) -> Route<'_> {
                match self { $(Event::$name(body) => body.route(),)* }
            }

            /// Whether any state would take it.
            ///
            /// # Errors
            /// Says what is wrong.
            pub fn check(&self) -> Result<(), String> {
                match self { $(Event::$name(body) => body.check(),)* }
            }

            pub(crate) fn encode_body(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
                match self { $(Event::$name(body) => rmp_serde::to_vec_named(body),)* }
            }

            pub(crate) fn decode_body(
                kind: &str,
                bytes: &[u8],
            ) -> Option<Result<Event, rmp_serde::decode::Error>> {
                match kind {
                    $(<$name as Body>::KIND =>
                        Some(crate::codec::whole::<$name>(bytes).map(Event::$name)),)*
                    _ => None,
                }
            }
        }

        $(
            impl From<$name> for Event {
                fn from(body: $name) -> Event {
                    Event::$name(body)
                }
            }
        )*
    };
}

events! {
    // driver
    DriverJoined, AllocRequested, AllocWithdrawn, AllocsKept, AllocFreed, ExecSubmitted,
    ExecKillRequested, DriverLeft,
    // agent
    InstanceBooted, AllocOpened, AllocClosed, ExecStarted, ExecExited, ExecFailed, ExecOomKilled,
    InterruptionNoticed, InstanceStopping,
    // ctl
    Genesis, ReplicaStarted, LeaderChallenged, LeaderElected, LeaderRenewed, LeaderResigned,
    SchemaActivated, PriceSeen, CloudConfigured, OrphanFound, BreakerTripped, LaunchRequested, LaunchAccepted, LaunchRefused, LaunchUnanswered, InstanceLost, BootTimedOut, ConsoleSeen,
    InstanceVerified, InstanceDistrusted,
    InstanceUnreachable, InstanceReachable, AllocGranted, AllocPending, AllocRefused, AllocExpired,
    AllocPreempted, AllocSpared, AllocRevoked, DrainStarted, TerminateRequested, InstanceTerminated, Checkpoint, RolledOver,
    // ops
    PolicySet, InstanceHeld, InstanceDrained, InstanceResumed, InstanceKilled, AllocKilled,
    LaunchesFrozen, LaunchesThawed, DriverWeighted, DriverBudgetSet, ProbeDone,
}
