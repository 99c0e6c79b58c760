//! What the cloud shows beside what the log has, one instance a row.

use crate::world::{World, cores, id, large, small};
use controlplane_core::cloud::{Seen, SeenState};
use controlplane_core::explain::reality::{Fate, reality};
use replay_core::state::launch::key;
use schema::event::{InstanceKilled, InstanceLost, OrphanFound, TerminateRequested};
use schema::unit::{Micros, Millis};
use schema::why::TerminateWhy;

fn seen(name: &str, state: SeenState) -> Seen {
    let (launch, age) = (Some(id(&name.replacen('i', "l", 1))), Millis::from_secs(3600));
    Seen { launch, age, offering: Some(key(&small())), ..Seen::plain(id(name), state) }
}

#[test]
fn each_instance_is_said_to_be_what_both_make_of_it() {
    let mut w = World::new();
    w.up("i-1", cores(2));
    w.booting("i-2", large());
    w.up("i-3", cores(2));
    w.say(InstanceKilled { instance: id("i-3") });
    w.say(TerminateRequested { instance: id("i-3"), why: TerminateWhy::Killed });
    w.up("i-4", cores(2));
    w.up("i-5", cores(2));
    w.up("i-6", cores(2));
    w.say(InstanceLost { instance: id("i-6"), message: String::new() });
    let (launch, kind, price) = (Some(id("l-7")), "small".into(), Micros(200_000));
    let age = Millis::from_secs(1800);
    w.say(OrphanFound { instance: id("i-7"), launch, kind, price, age });
    w.launch("i-8", small(), &[]);
    let found = w.state.head.time;
    w.secs(1800);

    let there = ["i-1", "i-2", "i-3", "i-6", "i-7", "i-8", "i-9"];
    let mut all: Vec<Seen> = there.map(|name| seen(name, SeenState::There)).into();
    let why = "EC2 took spot capacity back".to_owned();
    all.push(Seen { why: why.clone(), ..seen("i-4", SeenState::Gone) });
    // What is gone in both is nobody's business any more.
    all.push(seen("i-old", SeenState::Gone));
    let rows = reality(&w.state, &all, w.state.head.time);
    let fates: Vec<(&str, &Fate)> = rows.iter().map(|(id, r)| (id.as_str(), &r.fate)).collect();
    let ends = found + w.state.head.policy.orphan_grace;
    assert_eq!(
        fates,
        [
            ("i-1", &Fate::Running),
            ("i-2", &Fate::Booting),
            ("i-3", &Fate::Terminating { since: found, reason: TerminateWhy::Killed }),
            ("i-4", &Fate::Gone { said: why }),
            ("i-5", &Fate::NotShown),
            ("i-6", &Fate::Lingering { since: found }),
            ("i-7", &Fate::Orphan { found, ends }),
            ("i-8", &Fate::Appeared { launch: id("l-8") }),
            ("i-9", &Fate::Unaccounted),
        ]
    );
    assert_eq!(rows.values().filter(|real| real.differs()).count(), 6);
    let cost = |name: &str| rows[&id(name)].cost;
    assert_eq!(cost("i-7"), Some(price), "an hour of it");
    assert_eq!(cost("i-1"), Some(Micros(small().price.0 / 2)), "half an hour of it");
    assert_eq!(cost("i-9"), None, "nobody says what it costs");
}
