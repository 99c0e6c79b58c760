//! A cluster told record by record, as its authors would write them, and the rounds of its leader.

use crate::tell::tell;
use controlplane_core::{Sight, decide};
use replay_core::state::instance::{Instance, Phase};
use replay_core::{Message, Outcome, State, invariant, snapshot::FOLD_VERSION};
use schema::codec;
use schema::event::{
    AllocClosed, AllocFreed, AllocGranted, AllocRequested, AllocsKept, DriverJoined, Event,
    Genesis, InstanceBooted, InstanceTerminated, Interruption, InterruptionNoticed, LaunchAccepted,
    LaunchRefused, LaunchRequested, LaunchesFrozen, LeaderElected, LeaderRenewed, PolicySet,
};
use schema::id::{AuthorId, IdError, InstanceId, LaunchId};
use schema::policy::{Offering, Policy, worth::Links};
use schema::record::Record;
use schema::requirements::{Constraint, Market, Requirements};
use schema::resources::Resources;
use schema::subject::{Role, Subject};
use schema::unit::{Epoch, LogTime, Micros, Millis, Seq};
use schema::why::{GrantWhy, LaunchWhy, RefusalClass, RefusalScope};
use std::collections::BTreeMap;
use std::str::FromStr;
use uuid::Uuid;

/// Rounds in a row after which a leader should have nothing more to say.
const ROUNDS: usize = 8;

pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) sight: Sight,
    /// All that is on the log: when it was put there, its subject, its payload.
    log: Vec<(LogTime, String, Vec<u8>)>,
    now: LogTime,
    numbers: BTreeMap<(Role, AuthorId), u64>,
}

pub(crate) fn id<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().expect("an id")
}

/// So many cores, and so little memory that it weighs nothing.
pub(crate) fn cores(count: u64) -> Resources {
    Resources { cpu: 1000 * count, memory: count << 10, ..Resources::default() }
}

pub(crate) fn gib(count: u64) -> u64 {
    count << 30
}

/// The same with so many of a feature.
pub(crate) fn gpus(count: u64, resources: Resources) -> Resources {
    Resources { features: BTreeMap::from([("gpu".into(), count)]), ..resources }
}

/// Something to buy, on demand, at a price in micro-dollars per hour.
pub(crate) fn offering(kind: &str, resources: Resources, price: u64) -> Offering {
    let (kind, zone, market) = (kind.into(), "z".into(), Market::OnDemand);
    let (price, cap, links) = (Micros(price), None, Links::default());
    Offering { kind, zone, market, price, cap, resources, links }
}

/// Two cores.
pub(crate) fn small() -> Offering {
    offering("small", cores(2), 100_000)
}

/// Eight cores, for less than four small ones.
pub(crate) fn large() -> Offering {
    offering("large", cores(8), 360_000)
}

/// The launch that an instance of this name comes from: `i-1` from `l-1`.
fn launch_of(instance: &str) -> LaunchId {
    id(&instance.replacen('i', "l", 1))
}

impl World {
    /// A cluster that may buy small and large instances, with a leader and a driver.
    pub(crate) fn new() -> World {
        let mut world = World {
            state: State::default(),
            sight: Sight::default(),
            log: Vec::new(),
            now: LogTime(1_000_000_000_000_000),
            numbers: BTreeMap::new(),
        };
        // What is launched in place of something has tests of its own.
        let (offerings, replace) = (vec![small(), large()], false);
        let policy = Policy { offerings, replace, ..Policy::default() };
        world.say(Genesis { cluster: id("test"), generation: 1, policy, previous: None });
        world.say(LeaderElected { replica: id("r-1"), epoch: Epoch(1), fold: FOLD_VERSION });
        world.say(DriverJoined { driver: id("d-1"), version: "0".into() });
        world
    }

    /// Puts an event on the log, by whoever writes such events; it must have its effect.
    pub(crate) fn say(&mut self, event: impl Into<Event>) {
        let event = event.into();
        assert_eq!(self.put(event.clone()), Outcome::Applied, "{event:?}");
    }

    /// Puts an event on the log, and says whether it was void.
    pub(crate) fn void(&mut self, event: impl Into<Event>) -> bool {
        self.put(event.into()) != Outcome::Applied
    }

    fn put(&mut self, event: Event) -> Outcome {
        let route = event.route();
        let author: AuthorId = match event.role() {
            Role::Ctl => id("r-1"),
            Role::Ops => id("o-1"),
            Role::Driver => route.driver.expect("a driver's record names it").into(),
            Role::Agent => route.instance.expect("an agent's record names it").into(),
        };
        let subject = Subject::of(&id("test"), &author, &event).to_string();
        let number = self.numbers.entry((event.role(), author.clone())).or_default();
        let epoch = self.state.head.leader.epoch;
        *number += 1;
        let record = Record {
            version: schema::SCHEMA_VERSION,
            author,
            incarnation: Uuid::from_u128(1),
            number: *number,
            cause: self.state.head.applied,
            epoch: if event.role() == Role::Ctl { epoch } else { Epoch(0) },
            must_understand: false,
            event,
        };
        let payload = codec::encode(&record).expect("encodes");
        let (seq, time) = (self.state.head.applied.next(), self.now);
        let message = Message { seq, time, subject: &subject, payload: &payload };
        let outcome = self.state.apply(message);
        self.log.push((time, subject, payload));
        outcome
    }

    /// What the log folds to up to this record.
    pub(crate) fn replayed(&self, until: Seq) -> State {
        let mut state = State::default();
        for (seq, (time, subject, payload)) in (1..=until.0).zip(&self.log) {
            state.apply(Message { seq: Seq(seq), time: *time, subject, payload });
        }
        state
    }

    /// Lets log time pass.
    pub(crate) fn pass(&mut self, length: Millis) {
        self.now = self.now + length;
        self.say(LeaderRenewed {});
    }

    pub(crate) fn secs(&mut self, seconds: u64) {
        self.pass(Millis::from_secs(seconds));
    }

    pub(crate) fn policy(&mut self, change: impl FnOnce(&mut Policy)) {
        let mut policy = self.state.head.policy.clone();
        change(&mut policy);
        self.say(PolicySet { policy });
    }

    pub(crate) fn freeze(&mut self) {
        self.say(LaunchesFrozen { reason: "a test".into() });
    }

    /// The leader has asked the cloud for this instance, for these requests.
    pub(crate) fn launch(&mut self, instance: &str, offering: Offering, reserved_for: &[&str]) {
        self.say(LaunchRequested {
            launch: launch_of(instance),
            attempt: 1,
            offering,
            count: 1,
            reserved_for: reserved_for.iter().map(|alloc| id(alloc)).collect(),
            why: LaunchWhy::MinInstances { floor: 0 },
        });
    }

    /// The cloud has made this instance.
    pub(crate) fn made(&mut self, instance: &str) {
        let instances = vec![id(instance)];
        self.say(LaunchAccepted { launch: launch_of(instance), attempt: 1, instances });
    }

    /// The cloud will not make this instance, nor any of its kind for so long.
    pub(crate) fn refuse(&mut self, instance: &str, rest: Millis) {
        self.refuse_launch(launch_of(instance), rest);
    }

    /// What the leader writes when the cloud refuses an instance.
    pub(crate) fn refusal(
        &self,
        instance: &str,
        class: RefusalClass,
        scope: RefusalScope,
        rest: Millis,
    ) -> Event {
        let (launch, until, scope) = (launch_of(instance), self.now + rest, Some(scope));
        let message = String::new();
        LaunchRefused { launch, attempt: 1, class, message, until, scope }.into()
    }

    /// The cloud will not make this instance, nor anything else that this reaches.
    pub(crate) fn refuse_as(
        &mut self,
        instance: &str,
        class: RefusalClass,
        scope: RefusalScope,
        rest: Millis,
    ) {
        let refusal = self.refusal(instance, class, scope, rest);
        self.say(refusal);
    }

    /// The cloud has made an instance for every launch that is under way.
    pub(crate) fn accept_all(&mut self) {
        for launch in self.state.index.open_launches.clone() {
            let instances = vec![id(&format!("i-{launch}"))];
            self.say(LaunchAccepted { launch, attempt: 1, instances });
        }
    }

    pub(crate) fn refuse_launch(&mut self, launch: LaunchId, rest: Millis) {
        let (class, message, until) = (RefusalClass::Capacity, String::new(), self.now + rest);
        let scope = Some(RefusalScope::Offering);
        self.say(LaunchRefused { launch, attempt: 1, class, message, until, scope });
    }

    /// This instance has been made and its agent has not spoken.
    pub(crate) fn booting(&mut self, instance: &str, offering: Offering) {
        self.launch(instance, offering, &[]);
        self.made(instance);
    }

    /// The cloud has ended this instance, as the leader wanted.
    pub(crate) fn ended(&mut self, instance: &str) {
        self.say(InstanceTerminated { instance: id(instance), cost: Micros(0) });
    }

    /// The same for all that the leader wants gone.
    pub(crate) fn end_all(&mut self) {
        for instance in self.state.index.terminating.clone() {
            self.say(InstanceTerminated { instance, cost: Micros(0) });
        }
    }

    /// The agents of all instances that boot speak for the first time.
    pub(crate) fn boot_all(&mut self) {
        let booting = self.state.instances.iter().filter(|(_, i)| i.phase == Phase::Booting);
        let booting: Vec<_> = booting.map(|(id, i)| (id.clone(), i.clone())).collect();
        for (instance, Instance { launch, resources, .. }) in booting {
            self.booted(instance, launch, resources);
        }
    }

    /// The agent of this instance speaks for the first time.
    pub(crate) fn boot(&mut self, instance: &str, resources: Resources) {
        self.booted(id(instance), launch_of(instance), resources);
    }

    pub(crate) fn booted(&mut self, instance: InstanceId, launch: LaunchId, resources: Resources) {
        self.say(InstanceBooted {
            address: format!("http://{instance}"),
            instance,
            launch,
            resources,
            version: "0".into(),
            boot: Millis(1),
            runtimes: Vec::new(),
            proof: None,
        });
    }

    /// This instance is up and has so much to give.
    pub(crate) fn up(&mut self, instance: &str, resources: Resources) {
        self.up_as(instance, offering("other", resources, 100_000));
    }

    pub(crate) fn up_as(&mut self, instance: &str, offering: Offering) {
        let resources = offering.resources.clone();
        self.booting(instance, offering);
        self.boot(instance, resources);
    }

    pub(crate) fn ask(&mut self, alloc: &str, resources: Resources) {
        self.ask_with(alloc, resources, |_| {});
    }

    pub(crate) fn ask_with(
        &mut self,
        alloc: &str,
        resources: Resources,
        change: impl FnOnce(&mut AllocRequested),
    ) {
        let mut request = AllocRequested {
            alloc: id(alloc),
            driver: id("d-1"),
            requirements: Requirements::exactly(resources),
            constraint: Constraint::default(),
            priority: 0,
            labels: BTreeMap::new(),
            lease: None,
        };
        change(&mut request);
        self.say(request);
    }

    /// The driver has asked for this alloc and holds it.
    pub(crate) fn give(&mut self, alloc: &str, instance: &str, resources: Resources) {
        self.give_as(alloc, instance, resources, |_| {});
    }

    /// The same, asked for with these words.
    pub(crate) fn give_as(
        &mut self,
        alloc: &str,
        instance: &str,
        resources: Resources,
        change: impl FnOnce(&mut AllocRequested),
    ) {
        self.ask_with(alloc, resources.clone(), change);
        self.say(AllocGranted {
            alloc: id(alloc),
            driver: id("d-1"),
            instance: id(instance),
            resources,
            lease: self.state.head.policy.lease,
            grace: self.state.head.policy.grace,
            address: String::new(),
            why: GrantWhy::Named,
        });
    }

    pub(crate) fn keep(&mut self, alloc: &str, interval: Millis) {
        self.say(AllocsKept { driver: id("d-1"), allocs: vec![id(alloc)], interval });
    }
    pub(crate) fn free(&mut self, alloc: &str, instance: &str) {
        let (alloc, driver, instance) = (id(alloc), id("d-1"), id(instance));
        self.say(AllocFreed { alloc, driver, instance });
    }

    pub(crate) fn close(&mut self, alloc: &str, instance: &str) {
        let (alloc, driver, instance) = (id(alloc), id("d-1"), id(instance));
        self.say(AllocClosed { alloc, driver, instance });
    }

    pub(crate) fn interrupt(&mut self, instance: &str, left: Millis) {
        let (instance, interruption) = (id(instance), Interruption::Spot);
        self.say(InterruptionNoticed { instance, interruption, left });
    }

    /// The leader has not heard this agent for so long.
    pub(crate) fn silent(&mut self, instance: &str, length: Millis) {
        self.sight.silent.insert(id(instance), length);
    }

    /// The leader saw this lease begin, or renewed, so long ago by its own clock.
    pub(crate) fn seen(&mut self, alloc: &str, age: Millis) {
        self.sight.kept.insert(id(alloc), age);
    }

    pub(crate) fn gone(&mut self, instance: &str) {
        self.sight.gone.insert(id(instance), String::new());
    }

    /// What the leader would write now: the same each time, and on a replica that has only a
    /// snapshot.
    pub(crate) fn decided(&self) -> Vec<Event> {
        let events = decide(&self.state, &self.sight);
        assert_eq!(decide(&self.state, &self.sight), events, "asked twice");
        let restored = State::restore(&self.state.snapshot()).expect("a snapshot");
        assert_eq!(decide(&restored, &self.sight), events, "decided from a snapshot");
        events
    }

    /// One round: decided, written and folded. No event of it may be void or break an invariant.
    pub(crate) fn round(&mut self) -> Vec<Event> {
        let events = self.decided();
        // The leader draws new randomness for each round, so an id made again is another id.
        self.sight.entropy += 1;
        events.iter().for_each(|event| self.say(event.clone()));
        assert_eq!(invariant::check(&self.state), [], "after {events:?}");
        events
    }

    /// Rounds until there is nothing more to say, in a few words each, with `then` between two.
    pub(crate) fn rounds(&mut self) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        for _ in 0..ROUNDS {
            let round = self.round();
            if round.is_empty() {
                return told;
            }
            if !told.is_empty() {
                told.push("then".into());
            }
            told.extend(round.iter().map(tell));
        }
        panic!("the leader finds no end: {told:#?}");
    }
}
