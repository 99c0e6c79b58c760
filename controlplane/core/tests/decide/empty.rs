//! Instances that are hardly in use are not granted where others have room: they become empty, and go.

use crate::check;
use crate::world::{World, cores, offering};

/// An instance of eight cores at this price, of which so many are in use.
fn used(w: &mut World, instance: &str, price: u64, in_use: u64) {
    w.up_as(instance, offering("priced", cores(8), price));
    if in_use > 0 {
        w.give(&instance.replacen('i', "b", 1), instance, cores(in_use));
    }
}

#[test]
fn what_is_hardly_in_use_becomes_empty() {
    check(&[
        (
            "half in use counts for more than tight",
            |w| {
                used(w, "i-1", 800, 4);
                w.up_as("i-2", offering("priced", cores(2), 300));
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-1: best of 2, 1 to be emptied"],
        ),
        (
            "the tightest of those that are half in use",
            |w| {
                used(w, "i-1", 800, 4);
                used(w, "i-2", 900, 6);
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-2: best of 2"],
        ),
        (
            "of those that are not, that of which least is paid for in vain",
            |w| {
                used(w, "i-1", 800, 3);
                used(w, "i-2", 400, 1);
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-2: best of 2, 1 to be emptied"],
        ),
        (
            "an idle one that costs little before a dear one that is hardly in use",
            |w| {
                used(w, "i-1", 800, 1);
                w.up_as("i-2", offering("priced", cores(4), 200));
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-2: best of 2"],
        ),
        (
            "a dear one all the same where nothing else has room",
            |w| {
                used(w, "i-1", 800, 1);
                used(w, "i-2", 100, 7);
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-1: best of 1"],
        ),
        (
            "what costs nothing is as good as any",
            |w| {
                used(w, "i-1", 0, 1);
                used(w, "i-2", 0, 2);
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-2: best of 2"],
        ),
    ]);
}

#[test]
fn grants_of_a_round_count_as_use() {
    check(&[(
        "the second follows the first",
        |w| {
            used(w, "i-1", 800, 0);
            used(w, "i-2", 800, 0);
            w.ask("a-1", cores(4));
            w.ask("a-2", cores(1));
            w.ask("a-3", cores(1));
        },
        &["a-1 on i-1: best of 2", "a-2 on i-1: best of 2", "a-3 on i-1: best of 2"],
    )]);
}
