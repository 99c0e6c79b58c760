//! Instances that were launched by settings of the cloud that are no longer in force.

use crate::check;
use crate::world::{World, cores};
use schema::event::CloudConfigured;
use schema::policy::Drift;

fn configured(w: &mut World, settings: &str) {
    w.say(CloudConfigured { settings: settings.into(), fingerprint: None });
}

/// Two instances that are in use, launched before and after the settings changed.
fn old_and_new(w: &mut World) {
    configured(w, "an image");
    w.up("i-1", cores(2));
    w.give("a-1", "i-1", cores(1));
    configured(w, "another image");
    w.up("i-2", cores(2));
    w.give("a-2", "i-2", cores(1));
}

#[test]
fn what_was_launched_by_other_settings_is_drained_where_the_policy_says_so() {
    check(&[
        ("it stays unless told", old_and_new, &[]),
        (
            "it takes nothing more, and keeps what it has",
            |w| {
                w.policy(|p| p.drift = Drift::Drain);
                old_and_new(w);
                w.ask("a-3", cores(1));
                w.ask("a-4", cores(1));
            },
            &[
                "i-1 drains",
                "a-3 on i-2: best of 1",
                "launch small for a-4",
                "a-4 waits: launching small",
            ],
        ),
        (
            "it goes when it is empty",
            |w| {
                old_and_new(w);
                w.free("a-1", "i-1");
                w.close("a-1", "i-1");
                w.policy(|p| p.drift = Drift::Drain);
            },
            &["i-1 drains", "then", "end i-1: drained"],
        ),
        (
            "what was launched before there were settings is of others, too",
            |w| {
                w.policy(|p| p.drift = Drift::Drain);
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(1));
                configured(w, "an image");
            },
            &["i-1 drains"],
        ),
        (
            "settings are told apart by when they came into force",
            |w| {
                w.policy(|p| p.drift = Drift::Drain);
                configured(w, "an image");
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(1));
                configured(w, "another image");
                configured(w, "an image");
            },
            &["i-1 drains"],
        ),
    ]);
}
