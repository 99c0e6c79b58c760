//! The contract of a cloud: each case runs on every host of agents.

use crate::world::{World, accepted, gone, order, seen, until, up};
use controlplane::cloud::local::faults::{Fault, Faults};
use controlplane::cloud::{Cloud, LaunchAnswer, SeenState, TerminateAnswer};
use schema::id::InstanceId;
use schema::unit::Millis;
use schema::why::RefusalClass;
use std::collections::BTreeSet;

/// Writes a test for each case.
macro_rules! contract {
    ($world:ty: $($case:ident),* $(,)?) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            crate::contract::$case(<$world>::default()).await;
        }
    )* };
    ($world:ty) => {
        crate::contract::contract!($world:
            the_same_order_twice_gives_the_same_instances,
            the_next_leader_repeats_an_order_without_effect,
            two_leaders_at_once_make_one_agent,
            a_lost_answer_is_found_by_repeating_the_order,
            a_refusal_makes_nothing_and_passes,
            an_order_that_was_followed_is_not_refused_when_repeated,
            all_that_was_launched_is_listed,
            a_terminated_instance_stays_so,
            an_unknown_instance_is_gone,
            a_stillborn_instance_is_there_until_it_is_ended,
            a_vanished_instance_does_not_come_back,
            an_interrupted_instance_hears_of_it_and_goes,
            an_instance_boots_no_sooner_than_it_should,
            a_launch_with_too_long_a_name_is_refused,
        );
    };
}
pub(crate) use contract;

pub(crate) async fn the_same_order_twice_gives_the_same_instances(world: impl World) {
    let cloud = world.open(&Faults::default());
    let first = accepted(&cloud, &order("l-1", 3)).await;
    let again = accepted(&cloud, &order("l-1", 3)).await;
    assert_eq!(first, again);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3);
    for instance in &first {
        up(&world, instance).await;
    }
    let other = accepted(&cloud, &order("l-2", 1)).await;
    assert!(!first.contains(&other[0]), "two launches share an instance");
}

pub(crate) async fn the_next_leader_repeats_an_order_without_effect(world: impl World) {
    let first = accepted(&world.open(&Faults::default()), &order("l-1", 1)).await;
    up(&world, &first[0]).await;
    let next = world.open(&Faults::default());
    assert_eq!(accepted(&next, &order("l-1", 1)).await, first);
    assert_eq!(seen(&next, &first[0]).await, Some(SeenState::There));
    assert_eq!(next.terminate(&first[0]).await, TerminateAnswer::Gone);
    assert_eq!(world.starts(&first[0]), 1);
}

pub(crate) async fn two_leaders_at_once_make_one_agent(world: impl World) {
    let (one, two) = (world.open(&Faults::default()), world.open(&Faults::default()));
    let order = order("l-1", 4);
    let (first, second) = tokio::join!(accepted(&one, &order), accepted(&two, &order));
    assert_eq!(first, second);
    for instance in &first {
        up(&world, instance).await;
        assert_eq!(seen(&one, instance).await, seen(&two, instance).await);
    }
    for instance in &first {
        let ended = tokio::join!(one.terminate(instance), two.terminate(instance));
        assert_eq!(ended, (TerminateAnswer::Gone, TerminateAnswer::Gone));
        assert_eq!(world.starts(instance), 1, "{instance} had two agents");
    }
}

pub(crate) async fn a_lost_answer_is_found_by_repeating_the_order(world: impl World) {
    let faults = Faults::default();
    faults.inject(Fault::LoseAnswer, 2);
    let cloud = world.open(&faults);
    let order = order("l-1", 2);
    for _ in 0..2 {
        let answer = cloud.launch(&order).await;
        assert!(matches!(answer, LaunchAnswer::Unknown(_)), "{answer:?}");
    }
    let instances = accepted(&cloud, &order).await;
    let listed = cloud.list().await.unwrap();
    assert_eq!(listed.len(), instances.len(), "{listed:?}");
    for instance in &instances {
        up(&world, instance).await;
        assert_eq!(cloud.terminate(instance).await, TerminateAnswer::Gone);
        assert_eq!(world.starts(instance), 1);
    }
}

pub(crate) async fn a_refusal_makes_nothing_and_passes(world: impl World) {
    let faults = Faults::default();
    faults.refuse(RefusalClass::Quota, 1);
    let cloud = world.open(&faults);
    let LaunchAnswer::Refused { class, back_off, .. } = cloud.launch(&order("l-1", 2)).await else {
        panic!("not refused");
    };
    assert_eq!(class, RefusalClass::Quota);
    assert!(back_off > Millis(0));
    assert_eq!(cloud.list().await.unwrap(), []);
    accepted(&cloud, &order("l-2", 2)).await;
}

pub(crate) async fn an_order_that_was_followed_is_not_refused_when_repeated(world: impl World) {
    let faults = Faults::default();
    faults.inject(Fault::LoseAnswer, 1);
    let cloud = world.open(&faults);
    cloud.launch(&order("l-1", 1)).await;
    faults.inject(Fault::Refuse, 1);
    accepted(&cloud, &order("l-1", 1)).await;
    let other = cloud.launch(&order("l-2", 1)).await;
    let capacity = RefusalClass::Capacity;
    assert!(matches!(other, LaunchAnswer::Refused { class, .. } if class == capacity));
}

pub(crate) async fn all_that_was_launched_is_listed(world: impl World) {
    let cloud = world.open(&Faults::default());
    assert_eq!(cloud.list().await.unwrap(), []);
    let mut instances = accepted(&cloud, &order("l-1", 2)).await;
    instances.extend(accepted(&cloud, &order("l-2", 1)).await);
    let wanted: BTreeSet<_> = instances.into_iter().collect();
    let listed = world.open(&Faults::default()).list().await.unwrap();
    assert!(listed.iter().all(|seen| seen.state == SeenState::There), "{listed:?}");
    assert_eq!(listed.into_iter().map(|seen| seen.instance).collect::<BTreeSet<_>>(), wanted);
}

pub(crate) async fn a_terminated_instance_stays_so(world: impl World) {
    let cloud = world.open(&Faults::default());
    // Ended before its agent is up: nothing may come up later.
    let early = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    let ended = async || cloud.terminate(&early).await == TerminateAnswer::Gone;
    until("it is gone", ended).await;
    let late = accepted(&cloud, &order("l-2", 1)).await.remove(0);
    up(&world, &late).await;
    for instance in [&early, &late] {
        for _ in 0..2 {
            assert_eq!(cloud.terminate(instance).await, TerminateAnswer::Gone);
            assert_eq!(seen(&cloud, instance).await, Some(SeenState::Gone));
        }
    }
    let before = world.starts(&early);
    for launch in ["l-1", "l-2"] {
        accepted(&world.open(&Faults::default()), &order(launch, 1)).await;
    }
    for instance in [&early, &late] {
        assert_eq!(seen(&cloud, instance).await, Some(SeenState::Gone));
    }
    assert_eq!((world.starts(&early), world.starts(&late)), (before, 1));
}

pub(crate) async fn an_unknown_instance_is_gone(world: impl World) {
    let cloud = world.open(&Faults::default());
    let stranger = InstanceId::new("i-never").unwrap();
    assert_eq!(cloud.terminate(&stranger).await, TerminateAnswer::Gone);
    cloud.vanish(&stranger).await;
    cloud.interrupt(&stranger, Millis(1)).await;
    assert_eq!(seen(&cloud, &stranger).await, None);
}

pub(crate) async fn a_stillborn_instance_is_there_until_it_is_ended(world: impl World) {
    let faults = Faults::default();
    faults.inject(Fault::Stillborn, 1);
    let cloud = world.open(&faults);
    let dead = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    // What it is to be was settled by the first order.
    accepted(&cloud, &order("l-1", 1)).await;
    accepted(&world.open(&Faults::default()), &order("l-1", 1)).await;
    let live = accepted(&cloud, &order("l-2", 1)).await.remove(0);
    up(&world, &live).await;
    assert_eq!(seen(&cloud, &dead).await, Some(SeenState::There));
    assert_eq!(cloud.terminate(&dead).await, TerminateAnswer::Gone);
    assert_eq!(seen(&cloud, &dead).await, Some(SeenState::Gone));
    assert_eq!(world.starts(&dead), 0);
}

pub(crate) async fn a_vanished_instance_does_not_come_back(world: impl World) {
    let cloud = world.open(&Faults::default());
    let instances = accepted(&cloud, &order("l-1", 2)).await;
    up(&world, &instances[0]).await;
    cloud.vanish(&instances[0]).await;
    gone(&cloud, &instances[0]).await;
    assert_eq!(seen(&cloud, &instances[1]).await, Some(SeenState::There));
    assert_eq!(accepted(&cloud, &order("l-1", 2)).await, instances);
    assert_eq!(seen(&cloud, &instances[0]).await, Some(SeenState::Gone));
    assert_eq!(cloud.terminate(&instances[0]).await, TerminateAnswer::Gone);
    assert_eq!(world.starts(&instances[0]), 1);
}

pub(crate) async fn an_interrupted_instance_hears_of_it_and_goes(world: impl World) {
    let cloud = world.open(&Faults::default());
    let instance = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    up(&world, &instance).await;
    let left = Millis(1_000);
    tokio::join!(cloud.interrupt(&instance, left), async {
        until("the agent hears", async || world.heard(&instance) == Some(left)).await;
        assert_eq!(seen(&cloud, &instance).await, Some(SeenState::There));
    });
    gone(&cloud, &instance).await;
}

pub(crate) async fn an_instance_boots_no_sooner_than_it_should(world: impl World) {
    let faults = Faults::default();
    faults.set_boot_delay(Millis(300));
    let cloud = world.open(&faults);
    let since = std::time::Instant::now();
    let instance = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    assert_eq!(seen(&cloud, &instance).await, Some(SeenState::There));
    up(&world, &instance).await;
    assert!(since.elapsed() >= Millis(300).duration());
}

pub(crate) async fn a_launch_with_too_long_a_name_is_refused(world: impl World) {
    let cloud = world.open(&Faults::default());
    let answer = cloud.launch(&order(&"x".repeat(64), 1)).await;
    let configuration = RefusalClass::Configuration;
    assert!(matches!(answer, LaunchAnswer::Refused { class, .. } if class == configuration));
    assert_eq!(cloud.list().await.unwrap(), []);
}
