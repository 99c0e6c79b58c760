//! `why-not`: what an alloc waits for now, and what stands against each instance and each offering. The
//! leader's own decisions are tried on a copy of the state until there is nothing more to decide.

use super::context::{Context, id, state};
use super::reasons::{offer_json, place_json, show_offers, show_places};
use super::show::{ended, word};
use super::volumes::{Unsold, catalogue, unsold};
use crate::output::{Output, Usage, print, say};
use anyhow::bail;
use clap::Args;
use controlplane_core::explain::Wanted;
use controlplane_core::explain::instances::{Place, places};
use controlplane_core::explain::offers::{Course, Offer, offers};
use controlplane_core::explain::rehearse::{Fate, Rehearsal};
use driver::describe;
use replay_core::State;
use replay_core::state::alloc::{Alloc, AllocStatus};
use replay_core::state::leader::Holder;
use schema::id::AllocId;
use schema::why::PendingWhy;
use serde_json::json;
use std::process::ExitCode;

/// Show what an alloc waits for now
#[derive(Debug, Args)]
pub(crate) struct WhyNotArgs {
    /// An alloc that waits
    alloc: String,
    /// Show so many offerings at most
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    show: usize,
}

pub(crate) async fn why_not(args: WhyNotArgs, context: Context) -> anyhow::Result<ExitCode> {
    let own: AllocId = id(&args.alloc)?;
    let state = state(&*context.open().await?).await?;
    let alloc = waiting(&state, &own)?;
    if !matches!(state.head.leader.holder, Holder::Replica(_)) {
        say("nobody leads this cluster: nothing is decided before somebody does");
    }
    let Some(mut rehearsal) = Rehearsal::of(state.clone()) else {
        bail!(Usage("there is no cluster on this log yet".into()));
    };
    rehearsal.settle()?;
    let standing = rehearsal.standing();
    let fate = rehearsal.fate(&standing, &own);
    if !matches!(fate, Fate::Waits(_)) {
        soon(&own, &fate, context.output);
        return Ok(ExitCode::SUCCESS);
    }
    let (floor, constraint) = (alloc.requirements.floor(), alloc.constraint.clone());
    let wanted = Wanted { floor, constraint, count: 1 };
    let then = rehearsal.state();
    let outlook = outlook(&state, then, fate, &own);
    // What is launched only now is chosen on the state before.
    let now = if outlook.launches { &state } else { then };
    let places = places(then, &standing, &own, &wanted);
    let offers = offers(now, &wanted, &outlook.course);
    let unsold = unsold(&catalogue(now)?, now, &wanted);
    let only = &wanted.constraint.only;
    let only = if only.is_any() { String::new() } else { format!(", only {only}") };
    let text = format!("{own} asks for {}{only}: {}", wanted.floor, outlook.words);
    match context.output {
        Output::Table => {
            show(&text, &places, &offers, args.show);
            unsold.iter().for_each(|unsold| say(&unsold.words()));
        }
        Output::Json => print(&json(&own, &outlook, &places, &offers, &unsold)),
        Output::Quiet => print("waits"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The alloc, if it waits.
fn waiting(state: &State, own: &AllocId) -> anyhow::Result<Alloc> {
    let Some(alloc) = state.allocs.get(own) else {
        bail!(Usage(format!("there is no alloc {own} on this cluster")));
    };
    match &alloc.status {
        AllocStatus::Waiting { .. } => Ok(alloc.clone()),
        AllocStatus::Granted { grant, .. } => {
            bail!(Usage(format!("{own} does not wait: it has been granted on {}", grant.instance)))
        }
        AllocStatus::Ending { why, .. } | AllocStatus::Ended { why, .. } => {
            bail!(Usage(format!("{own} does not wait: it is over: {}", ended(why))))
        }
    }
}

/// Nothing blocks it, or it will never be given: the next round of the leader says so.
fn soon(own: &AllocId, fate: &Fate, output: Output) {
    let words = match fate {
        Fate::Granted(instance) => format!("{own} is given {instance} by the next round"),
        Fate::Refused(why) => {
            format!("{own} is refused by the next round: {}", describe::refused(why))
        }
        Fate::Waits(why) => format!("{own} {}", describe::pending(why)),
    };
    match output {
        Output::Table => print(&words),
        Output::Json => print(&json!({ "id": own, "fate": fate, "words": words }).to_string()),
        Output::Quiet => print(&word(fate)),
    }
}

/// What it waits for.
struct Outlook<'a> {
    fate: Fate,
    words: String,
    course: Course<'a>,
    /// The next round launches something for it.
    launches: bool,
}

fn outlook<'a>(now: &State, then: &'a State, fate: Fate, own: &AllocId) -> Outlook<'a> {
    let why = match &fate {
        Fate::Waits(why) => why.clone(),
        Fate::Granted(_) | Fate::Refused(_) => PendingWhy::Unknown,
    };
    let words = describe::pending(&why);
    let new = match &why {
        PendingWhy::Launching { launch, .. } if !now.launches.contains(launch) => {
            then.launches.get(launch)
        }
        _ => None,
    };
    match new {
        None => Outlook { fate, words, course: Course::Waits(why), launches: false },
        Some(launch) => {
            let others = launch.reserved_for.iter().filter(|id| *id != own).count();
            let course = Course::Launched { chosen: vec![&launch.offering], others };
            let words = format!("by the next round {words}");
            Outlook { fate, words, course, launches: true }
        }
    }
}

fn show(text: &str, places: &[Place<'_>], offers: &[Offer<'_>], most: usize) {
    print(text);
    print("");
    show_places(places);
    print("");
    show_offers(offers, most);
}

fn json(
    own: &AllocId,
    outlook: &Outlook<'_>,
    places: &[Place<'_>],
    offers: &[Offer<'_>],
    unsold: &[Unsold],
) -> String {
    let places: Vec<_> = places.iter().map(place_json).collect();
    let offers: Vec<_> = offers.iter().map(offer_json).collect();
    let (fate, words) = (&outlook.fate, &outlook.words);
    let all = json!({
        "id": own, "fate": fate, "words": words, "instances": places, "offerings": offers,
        "not_sold": unsold,
    });
    all.to_string()
}
