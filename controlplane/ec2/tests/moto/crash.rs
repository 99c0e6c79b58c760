//! Leaders that are killed at every point of a launch and of an end, whatever their successors meet: what
//! one intent means is made once, and whatever was made is known in the end, and ends. 224 histories, in
//! which more than 300 leaders are killed.

use crate::world::{World, accepted, order_of};
use controlplane::cloud::{Cloud as _, LaunchAnswer, LaunchOrder, TerminateAnswer};
use schema::id::InstanceId;
use schema::unit::Epoch;
use sim_ec2::{Effect, Failure, Fate, Often, Parameters, Rule, When};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const LAUNCH: &str = "RunInstances";
const END: &str = "TerminateInstances";
/// How many histories there are of each point and fault.
const SEEDS: u64 = 2;
/// How long what is slow takes, in milliseconds: long enough to be killed while it lasts.
const SLOW: u64 = 40;
/// How long EC2 may not show what it has made, in milliseconds.
const LAG: u64 = 30_000;
/// So many times EC2's clock is put forward, by half of that.
const STEPS: u64 = 4;
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(1);

/// Where a leader is when it is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// It has sent nothing.
    Before,
    /// What it sent is lost.
    RequestLost,
    /// What it sent is on its way, and arrives while its successor asks.
    Sent,
    /// EC2 has done it, and the answer is on its way.
    Done,
    /// EC2 has done it, and the answer is lost.
    AnswerLost,
    /// EC2 has done it, and half of the answer comes.
    AnswerCut,
    /// It has the answer, and has told nobody.
    Answered,
}

/// EC2 has not heard of it yet.
const EARLY: [Point; 3] = [Point::Before, Point::RequestLost, Point::Sent];
/// EC2 has done it.
const LATE: [Point; 4] = [Point::Done, Point::AnswerLost, Point::AnswerCut, Point::Answered];

/// What those who come after it meet.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Nothing,
    /// EC2 does not show at first what it has made.
    Hidden,
    /// EC2 shows what was.
    Stale,
    /// It happens, and is answered with an error.
    ErrorAfter,
    /// It is refused before EC2 looks at it, and what was made is not shown.
    Denied,
    /// There are too many calls.
    Throttled,
    /// Launches: there is no room, however often this attempt asks. Ends: they take long.
    Short,
    /// Launches: fewer are made than were asked for. Ends: EC2 forgets at once what has ended.
    Fewer,
}

const FAULTS: [Fault; 8] = [
    Fault::Nothing,
    Fault::Hidden,
    Fault::Stale,
    Fault::ErrorAfter,
    Fault::Denied,
    Fault::Throttled,
    Fault::Short,
    Fault::Fewer,
];

/// One history.
#[derive(Clone, Copy, Debug)]
struct Case {
    nth: usize,
    point: Point,
    fault: Fault,
    seed: u64,
}

fn cases(points: &[Point]) -> Vec<Case> {
    let seeds = |point, fault| (0..SEEDS).map(move |seed| (point, fault, seed));
    let faults = |point: &Point| {
        let point = *point;
        FAULTS.into_iter().flat_map(move |fault| seeds(point, fault))
    };
    let all = points.iter().flat_map(faults).enumerate();
    all.map(|(nth, (point, fault, seed))| Case { nth, point, fault, seed }).collect()
}

impl Case {
    /// Each has a cluster of its own: its instances are all that its leaders see.
    fn order(&self) -> LaunchOrder {
        order_of(&format!("c-{}", self.nth), "l-1", 1 + u32::from(self.seed > 0) * 2)
    }

    /// Every other history has a second leader that is killed, at another point each time.
    fn killed(&self) -> Vec<Point> {
        let all = [&EARLY[..], &LATE[..]].concat();
        let next = all[(self.nth * 5 + 3) % all.len()];
        if self.seed.is_multiple_of(2) { vec![self.point] } else { vec![self.point, next] }
    }

    /// Whether those who come after it are killed each time as well, and know nothing of what came before:
    /// of each point and fault, one history is such.
    fn forgetful(&self) -> bool {
        let (pair, seeds) = (self.nth / 2, FAULTS.len());
        (pair / seeds + pair % seeds + self.nth).is_multiple_of(2)
    }

    fn fate(&self) -> Fate {
        match self.fault {
            Fault::Hidden | Fault::Denied => Fate { hidden_ms: LAG, ..Fate::default() },
            Fault::Short => Fate { closing_ms: LAG, ..Fate::default() },
            Fault::Fewer => Fate { linger_ms: 0, ..Fate::default() },
            Fault::Nothing | Fault::Stale | Fault::ErrorAfter | Fault::Throttled => Fate::default(),
        }
    }
}

fn next(action: &str, effect: Effect) -> Rule {
    Rule::on(action, Often::Next(1), effect)
}

/// Runs a call until its leader is killed.
async fn killed_at<T: Send + 'static>(
    world: &World,
    action: &str,
    point: Point,
    call: impl Future<Output = T> + Send + 'static,
) {
    let rules = world.proxy.rules().len();
    match point {
        Point::Before => return,
        Point::RequestLost => world.proxy.add(next(action, Effect::LoseRequest)),
        Point::Sent => world.proxy.add(next(action, Effect::Slow(SLOW))),
        Point::Done => world.proxy.add(next(action, Effect::SlowAnswer(SLOW))),
        Point::AnswerLost => world.proxy.add(next(action, Effect::LoseAnswer)),
        Point::AnswerCut => world.proxy.add(next(action, Effect::CutAnswer)),
        Point::Answered => {}
    }
    let call = tokio::spawn(call);
    if matches!(point, Point::Sent | Point::Done) {
        // It may end before: what it asks for is done, or refused at once.
        let since = Instant::now();
        while world.proxy.rules()[rules].applied == 0 && !call.is_finished() {
            assert!(since.elapsed() < PATIENCE, "it never got there");
            tokio::time::sleep(POLL).await;
        }
        call.abort();
    }
    let _ = call.await;
}

/// What comes of one order in the end: the instances of its last attempt, and all attempts.
async fn launched(world: &World, case: &Case) -> (Vec<InstanceId>, Vec<LaunchOrder>) {
    world.proxy.clear();
    let mut order = case.order();
    world.proxy.add(Rule::on(LAUNCH, Often::Always, Effect::Fate(case.fate())));
    if matches!(case.fault, Fault::Fewer) {
        world.proxy.add(Rule::on(LAUNCH, Often::Always, Effect::Partial(1)));
    }
    if matches!(case.fault, Fault::Short) {
        world.proxy.add(short(world, &order));
    }
    for point in case.killed() {
        let (cloud, mine) = (world.successor(&order.cluster).await, order.clone());
        killed_at(world, LAUNCH, point, async move { cloud.launch(&mine).await }).await;
        order.epoch = Epoch(order.epoch.0 + 1);
    }
    meet(world, LAUNCH, case.fault);
    let (mut cloud, mut attempts) = (None, vec![order.clone()]);
    let (since, mut turn) = (Instant::now(), 0);
    loop {
        turn += 1;
        if cloud.is_none() || case.forgetful() {
            cloud = Some(world.successor(&order.cluster).await);
            order.epoch = Epoch(order.epoch.0 + 1);
        }
        match cloud.as_ref().expect("made").launch(&order).await {
            LaunchAnswer::Accepted(made) => return (made, attempts),
            LaunchAnswer::Refused { .. } => {
                order.attempt += 1;
                attempts.push(order.clone());
            }
            unsure @ (LaunchAnswer::NotYet(_) | LaunchAnswer::Unknown(_)) => {
                assert!(since.elapsed() < PATIENCE, "{case:?}: nobody ever knew: {unsure:?}");
            }
        }
        if turn <= STEPS {
            world.proxy.advance(LAG / 2 + 1);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// There is no room for this attempt, whoever asks.
fn short(world: &World, order: &LaunchOrder) -> Rule {
    let parameters: Parameters = [("ClientToken".to_owned(), world.token(order))].into();
    let when = When { action: Some(LAUNCH.to_owned()), parameters, ..When::default() };
    let effect = Effect::error("InsufficientInstanceCapacity");
    Rule { when, often: Often::Always, effect }
}

/// What the next leaders meet.
fn meet(world: &World, action: &str, fault: Fault) {
    let error = |code: &str, often| Rule::on(action, often, Effect::error(code));
    match fault {
        Fault::Stale => {
            world.proxy.add(Rule::on("DescribeInstances", Often::Next(3), Effect::Stale(LAG)));
        }
        Fault::ErrorAfter => {
            let failure = Failure { code: "InternalError".to_owned(), message: None };
            world.proxy.add(next(action, Effect::ErrorAfter(failure)));
        }
        Fault::Denied => world.proxy.add(error("UnauthorizedOperation", Often::Next(2))),
        Fault::Throttled => world.proxy.add(error("RequestLimitExceeded", Often::Next(1))),
        Fault::Nothing | Fault::Hidden | Fault::Short | Fault::Fewer => {}
    }
}

/// All instances that ever were, by the attempt that made them, whatever any leader was told of them.
fn by_token(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let mut made: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in world.proxy.ledger().of(LAUNCH) {
        let token = call.token.clone().expect("each launch has one");
        made.entry(token).or_default().extend(call.launched.iter().cloned());
    }
    made
}

#[tokio::test]
async fn an_intent_is_launched_once_if_leaders_are_killed_before_ec2_hears_of_it() {
    all_are_launched_once(&EARLY).await;
}

#[tokio::test]
async fn an_intent_is_launched_once_if_leaders_are_killed_after_ec2_has_done_it() {
    all_are_launched_once(&LATE).await;
}

async fn all_are_launched_once(points: &[Point]) {
    let world = World::start().await;
    let mut ends = Vec::new();
    for case in cases(points) {
        ends.push((case, launched(&world, &case).await));
    }
    let (made, ledger) = (by_token(&world), world.proxy.ledger());
    let mut known = BTreeSet::new();
    for (case, (instances, attempts)) in &ends {
        let instances: BTreeSet<String> = instances.iter().map(ToString::to_string).collect();
        assert!(instances.len() <= case.order().count as usize, "{case:?}");
        let [refused @ .., last] = &attempts[..] else { panic!("{case:?}: no attempt") };
        assert_eq!(made[&world.token(last)], instances, "{case:?}: what was made is known");
        for attempt in refused {
            let made = made.get(&world.token(attempt)).map_or(0, BTreeSet::len);
            assert_eq!(made, 0, "{case:?}: nothing was made of what was refused");
        }
        for attempt in attempts {
            let expected = world.user_data(attempt);
            let sent = ledger.user_data(&world.token(attempt));
            assert!(sent.iter().all(|data| *data == expected), "{case:?}: byte for byte");
        }
        known.extend(instances);
    }
    let truth: BTreeSet<String> = world.truth().await.into_iter().map(|one| one.id).collect();
    assert_eq!(truth, known, "no instance that nobody knows of");
    assert!(world.truth().await.iter().all(sim_ec2::Truth::runs));
}

/// Ends an instance, by leaders that are killed and one that is not.
async fn ended(world: &World, case: &Case) -> InstanceId {
    world.proxy.clear();
    let order = LaunchOrder { count: 1, ..case.order() };
    world.proxy.add(Rule::on(LAUNCH, Often::Always, Effect::Fate(case.fate())));
    let open = || world.successor(&order.cluster);
    let instance = accepted(open().await.launch(&order).await).remove(0);
    for point in case.killed() {
        let (cloud, mine) = (open().await, instance.clone());
        killed_at(world, END, point, async move { cloud.terminate(&mine).await }).await;
    }
    meet(world, END, case.fault);
    let (since, mut turn, mut cloud) = (Instant::now(), 0, None);
    loop {
        turn += 1;
        // At first they are killed as well: what one has seen is good for a moment of our own time.
        if cloud.is_none() || turn <= STEPS {
            cloud = Some(open().await);
        }
        let answer = cloud.as_ref().expect("made").terminate(&instance).await;
        if answer == TerminateAnswer::Gone {
            return instance;
        }
        // What EC2 has forgotten is gone only after long, which no test waits for.
        if matches!(case.fault, Fault::Fewer) && world.proxy.ledger().of(END).any(well(&instance)) {
            return instance;
        }
        assert!(since.elapsed() < PATIENCE, "{case:?}: it stays {answer:?}");
        if turn <= STEPS {
            world.proxy.advance(LAG / 2 + 1);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn well(instance: &InstanceId) -> impl Fn(&sim_ec2::Call) -> bool {
    let id = instance.to_string();
    move |call| call.terminated.contains(&id)
}

#[tokio::test]
async fn an_instance_ends_if_leaders_are_killed_before_ec2_hears_of_it() {
    all_end(&EARLY).await;
}

#[tokio::test]
async fn an_instance_ends_if_leaders_are_killed_after_ec2_has_done_it() {
    all_end(&LATE).await;
}

async fn all_end(points: &[Point]) {
    let world = World::start().await;
    let mut ends = BTreeSet::new();
    for case in cases(points) {
        ends.insert(ended(&world, &case).await.to_string());
    }
    assert_eq!(ends.len(), cases(points).len(), "one for each history");
    let truth = world.truth().await;
    let gone = truth.iter().filter(|one| !one.runs()).map(|one| one.id.clone());
    assert_eq!(gone.collect::<BTreeSet<_>>(), ends);
    assert_eq!(truth.len(), ends.len(), "nothing else was made");
}
