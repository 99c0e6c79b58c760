//! One suite for all logs: embedded, remote, JetStream alone and JetStream replicated; and what only
//! one of them can go through.

#[path = "conformance/crash.rs"]
mod crash;
#[path = "conformance/embedded.rs"]
mod embedded;
#[path = "conformance/identity.rs"]
mod identity;
#[path = "conformance/jetstream.rs"]
mod jetstream;
#[path = "conformance/open.rs"]
mod open;
#[path = "conformance/outage.rs"]
mod outage;
#[path = "conformance/place.rs"]
mod place;
#[path = "conformance/reading.rs"]
mod reading;
#[path = "conformance/remote.rs"]
mod remote;
#[path = "conformance/rollover.rs"]
mod rollover;
#[path = "conformance/support.rs"]
mod support;
#[path = "conformance/tls.rs"]
mod tls;
#[path = "conformance/writing.rs"]
mod writing;

use place::Place;

macro_rules! conformance {
    ($($file:ident::$name:ident),* $(,)?) => {
        mod on_embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$file::$name(&super::Place::embedded()).await;
            })*
        }
        mod on_remote {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$file::$name(&super::Place::remote().await).await;
            })*
        }
        mod on_jetstream {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$file::$name(&super::Place::jetstream().await).await;
            })*
        }
        mod on_jetstream_replicated {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$file::$name(&super::Place::replicated().await).await;
            })*
        }
    };
}

conformance!(
    writing::order_and_contiguity,
    writing::fences_hold_and_refuse,
    writing::rounds_are_all_or_nothing,
    writing::full_rounds,
    writing::large_records,
    writing::one_election_wins,
    writing::what_landed_is_refused_or_doubled_when_sent_again,
    writing::hostile_appends_are_refused,
    reading::filters,
    reading::followers_see_what_comes,
    reading::what_was_acknowledged_is_read,
    reading::abandoned_reads_lose_nothing,
    reading::improper_filters_are_refused,
    reading::reading_beyond_the_end_is_another_log,
    reading::telemetry_is_heard,
    rollover::a_log_rolls_over,
);
