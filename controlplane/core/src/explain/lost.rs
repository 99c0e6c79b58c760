//! Why an offering is not bought, as data.

use schema::id::{InstanceId, LaunchId};
use schema::policy::types::NotAllowed;
use schema::requirements::Market;
use schema::resources::Shortage;
use schema::unit::{LogTime, Micros};
use schema::why::{PendingWhy, RefusalClass};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Why an offering is not bought. The first that is true, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Lost {
    /// It does not hold one of what is asked for.
    TooSmall(Shortage),
    /// It would hold one by what is promised; the last of its type that booted had less, and would not.
    LessThanPromised(Shortage),
    /// Another market is asked for.
    OtherMarket {
        /// That market.
        asked: Market,
    },
    /// Another type or zone is asked for.
    OtherType,
    /// It is in none of the zones that are asked for.
    OutOfZones {
        /// Those zones.
        zones: BTreeSet<SmolStr>,
    },
    /// It matches none of the names and patterns of types that are asked for.
    OutOfTypes {
        /// Those names and patterns.
        types: BTreeSet<SmolStr>,
    },
    /// The policy does not allow it.
    NotAllowed {
        /// By which rule.
        rule: NotAllowed,
    },
    /// It is kept for who asks for an accelerator.
    Kept,
    /// It can cost more than the whole budget, or than what is left of it.
    OverBudget {
        /// The most that it can cost per hour.
        asked: Micros,
        /// What is committed per hour now.
        committed: Micros,
        /// The limit per hour.
        limit: Micros,
    },
    /// An instance that there is was asked for by name: nothing is launched.
    Named {
        /// Which.
        instance: InstanceId,
    },
    /// An instance is on its way already.
    Covered {
        /// The launch.
        launch: LaunchId,
    },
    /// There is room already, so that nothing needs to be bought.
    NotNeeded,
    /// The cloud has refused it lately, or one of it did not boot in time.
    Resting {
        /// It is not tried before this log time.
        until: LogTime,
        /// How often in a row.
        refusals: u32,
        /// What the cloud said the last time; none if an instance did not boot in time.
        said: Option<Said>,
    },
    /// It, or something that it is part of, was refused lately; one launch is trying it again.
    OnTrial,
    /// There are as many instances in its zone as allowed.
    MaxPerZone {
        /// The limit.
        limit: u32,
    },
    /// An operator froze launches.
    Frozen,
    /// As much of the fleet is spot as the policy wants.
    SpotShare,
    /// Of all that was launched lately nothing booted.
    Breaker {
        /// How many instances in a row did not.
        failures: u32,
    },
    /// The same is sold in another zone for less, or for as much in one that comes first by name.
    CheaperZone {
        /// Which zone.
        zone: SmolStr,
        /// What it costs there per hour.
        price: Micros,
    },
    /// There are as many instances as allowed.
    MaxInstances {
        /// The limit.
        limit: u32,
    },
    /// As many launches are under way as allowed.
    MaxPending {
        /// The limit.
        limit: u32,
    },
    /// It is within the caps; what is waited for is something else: what is left of them is kept for
    /// somebody who has waited for longer.
    Behind {
        /// What.
        reason: PendingWhy,
    },
    /// To hold with it alone what the launches carry would cost more.
    Dearer {
        /// What that would cost per hour.
        costs: Micros,
        /// What the launches cost per hour.
        chosen: Micros,
    },
    /// It costs no more; but by what was seen here, and by its placement score, it is likelier to be taken
    /// away, and with what that costs it comes to more.
    Riskier {
        /// What it comes to per hour, with what interruptions cost.
        likely: Micros,
        /// What comes to less than that: what is chosen, or the same in another zone.
        chosen: Micros,
    },
    /// It costs no more; but its network or its EBS throughput is worth less than that of what is chosen.
    Slower {
        /// What it comes to per hour, less what they are worth.
        comes_to: Micros,
        /// What is chosen, likewise.
        chosen: Micros,
    },
    /// To hold that with it alone would take more instances than the caps leave.
    TooMany {
        /// How many.
        instances: u32,
        /// How many the caps leave.
        most: u32,
    },
    /// To hold that with it alone would cost less; but the launches carry others, too.
    Shared {
        /// What that would cost per hour.
        costs: Micros,
        /// What the launches cost per hour.
        chosen: Micros,
        /// How many others.
        others: usize,
    },
    /// To hold that with it alone would cost as much: fewer and larger instances come first, and then
    /// names.
    AsCheap {
        /// What that would cost per hour.
        costs: Micros,
    },
    /// To hold that with it alone would cost less, and packing, which does not try everything, has not
    /// come upon it.
    Overlooked {
        /// What that would cost per hour.
        costs: Micros,
        /// What the launches cost per hour.
        chosen: Micros,
    },
}

/// What the cloud said when it refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// What kind of refusal.
    pub class: RefusalClass,
    /// Its words.
    pub message: String,
}
