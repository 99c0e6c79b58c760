//! What a record is about, and what it rests on: the last record about the same thing, and for some
//! kinds what else they could not have come without.

use schema::event::Event;
use schema::id::AllocId;
use schema::subject::Aggregate;

/// A thing that records are about: what kind of thing, and its id.
pub(super) type Thing = (Aggregate, String);

/// What this is about.
pub(super) fn about(event: &Event) -> Vec<Thing> {
    let route = event.route();
    let mut about = vec![(route.aggregate, route.id.to_owned())];
    match event {
        // It makes room on its instance.
        Event::AllocClosed(e) => about.push((Aggregate::Instance, e.instance.to_string())),
        Event::LaunchAccepted(e) => {
            let made = e.instances.iter();
            about.extend(made.map(|instance| (Aggregate::Instance, instance.to_string())));
        }
        _ => {}
    }
    about
}

/// What this rests on, apart from the last record about the same thing.
pub(super) fn on(event: &Event) -> Vec<Thing> {
    let alloc = |id: &AllocId| (Aggregate::Alloc, id.to_string());
    let mut on = about(event);
    match event {
        Event::AllocRequested(e) => on.push((Aggregate::Driver, e.driver.to_string())),
        Event::LaunchRequested(e) => on.extend(e.reserved_for.iter().map(alloc)),
        Event::InstanceBooted(e) => on.push((Aggregate::Launch, e.launch.to_string())),
        Event::AllocGranted(e) => on.push((Aggregate::Instance, e.instance.to_string())),
        Event::AllocRevoked(e) => on.push((Aggregate::Instance, e.instance.to_string())),
        Event::ExecSubmitted(e) => on.push(alloc(&e.alloc)),
        _ => {}
    }
    on
}
