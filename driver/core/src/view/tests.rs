//! The view against the cluster's own fold: whatever drivers, agents and a leader write, in whatever
//! order, and whoever repeats, skips or forges records, both take the same ones.

mod scene;

use super::{AllocView, ExecEnd, View};
use proptest::prelude::*;
use replay_core::state::alloc::{AllocStatus, EndWhy};
use replay_core::state::exec;
use scene::{Scene, Step};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..25_u8, 0..3_u8, 0..4_u8, 0..5_u8, 0..4000_u64);
    let step = step.prop_map(|(act, alloc, exec, twist, pause)| Step {
        act,
        alloc,
        exec,
        twist,
        pause_ms: pause,
    });
    prop::collection::vec(step, 1..120)
}

/// Every alloc and exec that the fold knows of this driver is known to the view, and the same.
fn compare(scene: &Scene) {
    let Scene { state, view, .. } = scene;
    for (id, alloc) in state.allocs.iter().filter(|(_, alloc)| alloc.driver == scene.driver) {
        let seen = view.allocs.get(id);
        let same = match &alloc.status {
            AllocStatus::Waiting { .. } => matches!(seen, Some(AllocView::Waiting(_))),
            AllocStatus::Granted { grant, .. } => match seen {
                Some(AllocView::Granted(given)) => {
                    given.notice == grant.notice.as_ref().map(|notice| notice.until)
                }
                _ => false,
            },
            AllocStatus::Ended { why: EndWhy::Refused(_), .. } => {
                matches!(seen, Some(AllocView::Refused(_)))
            }
            AllocStatus::Ending { .. } | AllocStatus::Ended { .. } => {
                matches!(seen, Some(AllocView::Over(_)))
            }
        };
        assert!(same, "{id}: the fold has {:?}, the view {seen:?}", alloc.status);
    }
    for id in view.allocs.keys() {
        assert!(state.allocs.contains(id), "{id} is only in the view");
    }
    compare_execs(scene);
}

fn compare_execs(scene: &Scene) {
    let Scene { state, view, .. } = scene;
    for (id, exec) in state.execs.iter().filter(|(_, exec)| exec.driver == scene.driver) {
        let seen = view.execs.get(id).unwrap_or_else(|| panic!("{id} is only in the fold"));
        let end = seen.end.as_ref();
        let same = match &exec.status {
            exec::ExecStatus::Submitted => end.is_none() && !seen.started,
            exec::ExecStatus::Started => end.is_none() && seen.started,
            exec::ExecStatus::Ended { end: how, .. } => matches!(
                (how, end),
                (exec::ExecEnd::Exited { .. }, Some(ExecEnd::Exited { .. }))
                    | (exec::ExecEnd::Failed { .. }, Some(ExecEnd::Failed { .. }))
                    | (exec::ExecEnd::Lost { .. }, Some(ExecEnd::Lost(_)))
            ),
        };
        assert!(same, "{id}: the fold has {:?}, the view {seen:?}", exec.status);
        assert_eq!(exec.oom, seen.oom.map(|oom| (oom.limit, oom.peak)), "{id}");
    }
    // What was submitted too late is void to the fold; whoever waits for it is told that it is lost.
    for (id, seen) in view.execs.iter().filter(|(id, _)| !state.execs.contains(id)) {
        assert!(matches!(seen.end, Some(ExecEnd::Lost(_))), "{id} is only in the view: {seen:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn it_agrees_with_the_fold(steps in steps()) {
        let mut scene = Scene::new();
        for step in steps {
            scene.play(&step);
            compare(&scene);
        }
    }
}

#[test]
fn a_view_of_nothing_has_nothing() {
    let view = View::new(schema::id::DriverId::made(1, 1));
    assert!(view.held().0.is_empty() && view.newest().is_none() && view.left);
}
