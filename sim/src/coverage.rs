//! What histories have exercised: every kind of event, every reason why a record was void, every why,
//! every transition of every table. What has not been seen is listed, not assumed.

use crate::faults::{Fault, Hit};
use replay_core::Void;
use replay_core::state::alloc::EndWhy;
use schema::event::Event;
use schema::why::{
    DistrustWhy, DrainWhy, FailureClass, GrantWhy, LaunchWhy, LostWhy, PendingWhy, RefusalClass,
    RefusedWhy, RevokedWhy, TerminateWhy,
};
use std::collections::BTreeMap;

/// Counts, by what was seen: a family such as `void`, and one of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<(&'static str, String), u64>,
}

macro_rules! labels {
    ($label:ident $all:ident $type:ty { $($pattern:pat => $text:literal),* $(,)? } $($none:pat)?) => {
        const $all: &[&str] = &[$($text),*];
        fn $label(of: &$type) -> Option<&'static str> {
            match of { $($pattern => Some($text),)* $($none => None,)? }
        }
    };
}

labels!(grant GRANT GrantWhy {
    GrantWhy::Reserved { .. } => "reserved",
    GrantWhy::BestFit { .. } => "best-fit",
    GrantWhy::Named => "named",
} GrantWhy::Unknown);
labels!(pending PENDING PendingWhy {
    PendingWhy::Launching { .. } => "launching",
    PendingWhy::Unanswered { .. } => "unanswered",
    PendingWhy::Budget { .. } => "budget",
    PendingWhy::MaxPending { .. } => "max-pending",
    PendingWhy::MaxInstances { .. } => "max-instances",
    PendingWhy::NamedInstanceBusy { .. } => "named-instance-busy",
    PendingWhy::BackedOff { .. } => "backed-off",
    PendingWhy::Frozen => "frozen",
    PendingWhy::Breaker { .. } => "breaker",
    PendingWhy::DriverBudget { .. } => "driver-budget",
    PendingWhy::LabelBudget { .. } => "label-budget",
    PendingWhy::MaxPerZone { .. } => "max-per-zone",
    PendingWhy::Preempting { .. } => "preempting",
    PendingWhy::NothingToBuy { .. } => "nothing-to-buy",
} PendingWhy::Unknown);
labels!(refused REFUSED RefusedWhy {
    RefusedWhy::TooLarge { .. } => "too-large",
    RefusedWhy::NoOfferings => "no-offerings",
    RefusedWhy::NoneWithin { .. } => "none-within",
    RefusedWhy::OverBudget { .. } => "over-budget",
    RefusedWhy::OverDriverBudget { .. } => "over-driver-budget",
    RefusedWhy::OverLabelBudget { .. } => "over-label-budget",
    RefusedWhy::NoSuchInstance { .. } => "no-such-instance",
    RefusedWhy::Killed => "killed",
} RefusedWhy::Unknown);
labels!(revoked REVOKED RevokedWhy {
    RevokedWhy::Unreachable { .. } => "unreachable",
    RevokedWhy::Interrupted => "interrupted",
    RevokedWhy::InstanceKilled => "instance-killed",
    RevokedWhy::AllocKilled => "alloc-killed",
    RevokedWhy::InstanceLost => "instance-lost",
    RevokedWhy::Terminating => "terminating",
    RevokedWhy::Preempted { .. } => "preempted",
} RevokedWhy::Unknown);
labels!(launch LAUNCH LaunchWhy {
    LaunchWhy::Demand { .. } => "demand",
    LaunchWhy::MinInstances { .. } => "min-instances",
    LaunchWhy::Replacement { .. } => "replacement",
} LaunchWhy::Unknown);
labels!(terminate TERMINATE TerminateWhy {
    TerminateWhy::Idle { .. } => "idle",
    TerminateWhy::MakesRoom { .. } => "makes-room",
    TerminateWhy::BootTimeout => "boot-timeout",
    TerminateWhy::Unreachable { .. } => "unreachable",
    TerminateWhy::Drained => "drained",
    TerminateWhy::Killed => "killed",
    TerminateWhy::Stopping => "stopping",
    TerminateWhy::Distrusted { .. } => "distrusted",
} TerminateWhy::Unknown);
labels!(distrust DISTRUST DistrustWhy {
    DistrustWhy::Unproven => "unproven",
    DistrustWhy::Forged => "forged",
    DistrustWhy::Expired { .. } => "expired",
    DistrustWhy::Stranger => "stranger",
} DistrustWhy::OtherAttempt { .. } | DistrustWhy::Unknown);
labels!(drain DRAIN DrainWhy {
    DrainWhy::Interruption => "interruption",
    DrainWhy::Rebalance => "rebalance",
    DrainWhy::Drift => "drift",
    DrainWhy::Operator => "operator",
    DrainWhy::Stopping => "stopping",
} DrainWhy::Unknown);
labels!(refusal REFUSAL RefusalClass {
    RefusalClass::Capacity => "capacity",
    RefusalClass::Quota => "quota",
    RefusalClass::Configuration => "configuration",
    RefusalClass::Authorisation => "authorisation",
    RefusalClass::Abandoned => "abandoned",
} RefusalClass::Unknown);
labels!(failure FAILURE FailureClass {
    FailureClass::ImageMissing { .. } => "image-missing",
    FailureClass::CannotStart => "cannot-start",
    FailureClass::AllocEnded => "alloc-ended",
    FailureClass::TooLarge { .. } => "too-large",
    FailureClass::NoRuntime => "no-runtime",
    FailureClass::Lost => "lost",
    FailureClass::TimedOut => "timed-out",
    FailureClass::Agent => "agent",
} FailureClass::Unknown);
labels!(lost LOST LostWhy {
    LostWhy::InstanceGone { .. } => "instance-gone",
    LostWhy::NeverStarted { .. } => "never-started",
} LostWhy::Unknown);
labels!(end END EndWhy {
    EndWhy::Freed => "freed",
    EndWhy::Withdrawn => "withdrawn",
    EndWhy::Refused(_) => "refused",
    EndWhy::Expired => "expired",
    EndWhy::Revoked(_) => "revoked",
    EndWhy::ClosedByAgent => "closed-by-agent",
    EndWhy::InstanceGone => "instance-gone",
});
labels!(void VOID Void {
    Void::Garbage => "garbage",
    Void::NewerSchema => "newer-schema",
    Void::UnknownKind => "unknown-kind",
    Void::BadBody => "bad-body",
    Void::WrongSubject => "wrong-subject",
    Void::NotItself => "not-itself",
    Void::Duplicate => "duplicate",
    Void::NumberGap => "number-gap",
    Void::RetiredIncarnation => "retired-incarnation",
    Void::Unproven => "unproven",
    Void::OldEpoch => "old-epoch",
    Void::NotLeader => "not-leader",
    Void::ElectionNotDue => "election-not-due",
    Void::ChallengeIdle => "challenge-idle",
    Void::GenerationEnded => "generation-ended",
    Void::Genesis => "genesis",
    Void::Exists => "exists",
    Void::Unknown => "unknown",
    Void::WrongState => "wrong-state",
    Void::NotOwner => "not-owner",
    Void::Invalid => "invalid",
    Void::OverBudget => "over-budget",
    Void::OverCount => "over-count",
    Void::NoRoom => "no-room",
    Void::NotAccepting => "not-accepting",
    Void::LeaseRuns => "lease-runs",
    Void::NoticeRuns => "notice-runs",
    Void::Ended => "ended",
});

const SIBLING: &str = "served by another offering";

/// All families that have a fixed number of members, with those.
fn expected() -> Vec<(&'static str, Vec<&'static str>)> {
    let faults = Fault::ALL.iter().map(|(fault, _)| fault.text()).collect();
    vec![
        ("void", VOID.to_vec()),
        ("event", Event::KINDS.to_vec()),
        ("grant", GRANT.to_vec()),
        ("pending", PENDING.to_vec()),
        ("refused", REFUSED.to_vec()),
        ("revoked", REVOKED.to_vec()),
        ("launch", LAUNCH.to_vec()),
        ("terminate", TERMINATE.to_vec()),
        ("distrust", DISTRUST.to_vec()),
        ("drain", DRAIN.to_vec()),
        ("refusal", REFUSAL.to_vec()),
        ("failure", FAILURE.to_vec()),
        ("lost", LOST.to_vec()),
        ("alloc-end", END.to_vec()),
        ("drought", vec![SIBLING]),
        ("fault", faults),
    ]
}

impl Coverage {
    pub(crate) fn count(&mut self, family: &'static str, one: impl Into<String>) {
        *self.counts.entry((family, one.into())).or_default() += 1;
    }

    fn some(&mut self, family: &'static str, one: Option<&'static str>) {
        if let Some(one) = one {
            self.count(family, one);
        }
    }

    pub(crate) fn void(&mut self, of: Void) {
        self.some("void", void(&of));
    }

    pub(crate) fn hits(&mut self, hits: &[(Hit, u64)]) {
        hits.iter().for_each(|(hit, _)| self.count("fault", hit.fault.text()));
    }

    /// So many launches were served by another offering while one was dry.
    pub(crate) fn siblings(&mut self, launches: u64) {
        *self.counts.entry(("drought", SIBLING.to_owned())).or_default() += launches;
    }

    pub(crate) fn alloc_end(&mut self, of: &EndWhy) {
        self.some("alloc-end", end(of));
    }

    pub(crate) fn lost(&mut self, of: &LostWhy) {
        self.some("lost", lost(of));
    }

    pub(crate) fn drain(&mut self, of: &DrainWhy) {
        self.some("drain", drain(of));
    }

    /// Counts an event that had its effect, and the reason that it gives.
    pub(crate) fn event(&mut self, event: &Event) {
        self.count("event", event.kind());
        match event {
            Event::AllocGranted(e) => self.some("grant", grant(&e.why)),
            Event::AllocPending(e) => self.some("pending", pending(&e.why)),
            Event::AllocRefused(e) => self.some("refused", refused(&e.why)),
            Event::AllocRevoked(e) => self.some("revoked", revoked(&e.why)),
            Event::LaunchRequested(e) => self.some("launch", launch(&e.why)),
            Event::LaunchRefused(e) => self.some("refusal", refusal(&e.class)),
            Event::TerminateRequested(e) => self.some("terminate", terminate(&e.why)),
            Event::InstanceDistrusted(e) => self.some("distrust", distrust(&e.why)),
            Event::ExecFailed(e) => self.some("failure", failure(&e.class)),
            _ => {}
        }
    }

    /// Adds what another history has exercised.
    pub fn add(&mut self, other: &Coverage) {
        for (key, count) in &other.counts {
            *self.counts.entry(key.clone()).or_default() += count;
        }
    }

    /// How often this was seen.
    #[must_use]
    pub fn seen(&self, family: &'static str, one: &str) -> u64 {
        self.counts.get(&(family, one.to_owned())).copied().unwrap_or_default()
    }

    /// What could have been exercised, family by family: of each member how often it was seen.
    #[must_use]
    pub fn table(&self) -> Vec<(&'static str, Vec<(&'static str, u64)>)> {
        let all = expected().into_iter().chain(crate::transitions::expected());
        let row = |(family, members): (&'static str, Vec<&'static str>)| {
            let count = |one: &'static str| (one, self.seen(family, one));
            (family, members.into_iter().map(count).collect())
        };
        all.map(row).collect()
    }
}
