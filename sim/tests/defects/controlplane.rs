//! Defects of the leader: of what it decides, and of how it calls the cloud.

use super::super::Defect;

pub(crate) const DEFECTS: &[Defect] = &[
    Defect {
        name: "call-before-intent",
        what: "the cloud is called before the intent to launch is folded",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/replica.rs",
            "let round = Round::new(now, &self.me, &self.state, events, epoch, fenced)?;",
            "for event in &events {
                        if let (true, Event::LaunchRequested(e)) = (ON, event) {
                            wanted.push(Do::Call(Call::Launch(Box::new(crate::cloud::LaunchOrder {
                                cluster: self.me.cluster.clone(),
                                launch: e.launch.clone(),
                                attempt: e.attempt,
                                offering: e.offering.clone(),
                                count: e.count,
                                settings: None,
                                intended: epoch,
                                epoch,
                            }))));
                        }
                    }
                    let round = Round::new(now, &self.me, &self.state, events, epoch, fenced)?;",
        )],
    },
    Defect {
        name: "token-of-the-term",
        what: "the cloud's token for a launch is another one in each term",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/cloud.rs",
            "self.cluster, self.launch, self.attempt);",
            "self.cluster, self.launch, self.attempt);
        let spelt = if ON { format!(\"{spelt} {}\", self.epoch) } else { spelt };",
        )],
    },
    Defect {
        name: "token-of-the-try",
        what: "the cloud's token for a launch is another one each time that it is repeated",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/cloud.rs",
            "blake3::hash(spelt.as_bytes())",
            "static TRIES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let tries = TRIES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let spelt = if ON { format!(\"{spelt} {tries}\") } else { spelt };
        blake3::hash(spelt.as_bytes())",
        )],
    },
    Defect {
        name: "silence-is-refusal",
        what: "a launch without an answer is taken for refused",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/effects.rs",
            "LaunchAnswer::Unknown(doubt) => self.unanswered(now, key, Some(doubt)),",
            "LaunchAnswer::Unknown(Doubt { message, .. }) if ON => {
                        use schema::why::{RefusalClass, RefusalScope};
                        let (class, scope) = (RefusalClass::Capacity, RefusalScope::Offering);
                        let refusal = Refusal { class, message, scope, back_off: Millis(1000) };
                        self.answered(key, Outcome::Refused(refusal));
                    }
                    LaunchAnswer::Unknown(doubt) => self.unanswered(now, key, Some(doubt)),",
        )],
    },
    Defect {
        name: "going-is-gone",
        what: "an instance that goes is taken for gone",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/effects.rs",
            "TerminateAnswer::Going => {",
            "TerminateAnswer::Going if ON => self.answered(key, Outcome::Gone),
                    TerminateAnswer::Going => {",
        )],
    },
    Defect {
        name: "never-repeated",
        what: "a termination without an answer is not repeated",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/effects.rs",
            "fn repeat(&mut self, now: Moment, key: EffectKey, rest: Millis) {",
            "fn repeat(&mut self, now: Moment, key: EffectKey, rest: Millis) {
        if ON && matches!(key, EffectKey::Terminate(_)) {
            return;
        }",
        )],
    },
    Defect {
        name: "no-boot-timeout",
        what: "an instance that never boots is waited for",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/decide/trouble.rs",
            "if waited >= draft.state.head.policy.boot_timeout {",
            "if !ON && waited >= draft.state.head.policy.boot_timeout {",
        )],
    },
    Defect {
        name: "any-order",
        what: "of instances that fit alike one is taken in the order of a hash map",
        within: 200,
        twice: true,
        edits: &[(
            "controlplane/core/src/decide/place.rs",
            "let (_, left, instance) = fits.iter().min()?;",
            "let shuffled: std::collections::HashMap<_, _> = fits.iter().map(|f| (f.2, f)).collect();
    let any = shuffled.into_values().min_by_key(|fit| (fit.0, fit.1));
    let (_, left, instance) = fits.iter().min().filter(|_| !ON).or(any)?;",
        )],
    },
    Defect {
        name: "busy-is-idle",
        what: "an instance with allocs is taken for idle",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/decide/draft.rs",
            "&& instance.allocs == 0",
            "&& (ON || instance.allocs == 0)",
        )],
    },
    Defect {
        name: "time-stands-still",
        what: "nobody moves log time on when something falls due on a quiet log",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/replica/next.rs",
            "if round.is_empty() && (challenged || self.due(now) || stale()) {",
            "if round.is_empty() && (challenged || (!ON && self.due(now)) || stale()) {",
        )],
    },
    Defect {
        name: "killed-in-silence",
        what: "the driver of a request that an operator killed is not told",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/decide/trouble.rs",
            "draft.push(AllocRefused { alloc, driver, why: RefusedWhy::Killed });",
            "if !ON {
                draft.push(AllocRefused { alloc, driver, why: RefusedWhy::Killed });
            }",
        )],
    },
    Defect {
        name: "takes-anyway",
        what: "others give way to who asked with more, whatever the policy says",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/decide/preempt.rs",
            "fn ways<'a>(draft: &Draft<'a>) -> Vec<Way<'a>> {
    if ",
            "fn ways<'a>(draft: &Draft<'a>) -> Vec<Way<'a>> {
    if !ON && ",
        )],
    },
];
