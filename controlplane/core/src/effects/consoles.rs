//! What instances that did not boot wrote on their consoles: asked for once in a term before such an
//! instance is ended, and waited for only so long.

use crate::moment::Moment;
use replay_core::State;
use replay_core::state::instance::Phase;
use schema::event::{ConsoleSeen, Event, MAX_CONSOLE};
use schema::id::InstanceId;
use schema::unit::Millis;
use schema::why::TerminateWhy;
use std::collections::BTreeMap;

/// How long the end of an instance waits for its console.
const PATIENCE: Millis = Millis::from_secs(10);

/// How far the console of an instance is.
#[derive(Debug)]
enum Console {
    Asked(Moment),
    Shown(String),
    Over,
}

/// Consoles that were asked for in this term.
#[derive(Debug, Default)]
pub(super) struct Consoles(BTreeMap<InstanceId, Console>);

/// What is to be done first about an instance that is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Ask for its console.
    Ask,
    /// Wait for it.
    Wait,
    /// End it.
    End,
}

impl Consoles {
    /// What is to be done first.
    pub(super) fn turn(&self, now: Moment, state: &State, id: &InstanceId) -> Turn {
        match self.0.get(id) {
            None if stillborn(state, id) => Turn::Ask,
            Some(Console::Asked(since)) if now.since(*since) < PATIENCE => Turn::Wait,
            // It is not ended before what it wrote is on the log.
            Some(Console::Shown(_)) => Turn::Wait,
            None | Some(Console::Asked(_) | Console::Over) => Turn::End,
        }
    }

    /// It is asked for now.
    pub(super) fn ask(&mut self, now: Moment, id: InstanceId) {
        self.0.insert(id, Console::Asked(now));
    }

    /// The cloud shows this, or nothing.
    pub(super) fn take(&mut self, id: InstanceId, text: Option<&str>) {
        let Some(console) = self.0.get_mut(&id) else { return };
        if matches!(console, Console::Asked(_)) {
            let text = text.map(last).filter(|text| !text.trim().is_empty());
            *console = text.map_or(Console::Over, Console::Shown);
        }
    }

    /// What has been shown since this was last called.
    pub(super) fn events(&mut self, state: &State) -> Vec<Event> {
        self.0.retain(|id, _| state.index.terminating.contains(id));
        let mut events = Vec::new();
        for (id, console) in &mut self.0 {
            if let Console::Shown(text) = console {
                let (instance, text) = (id.clone(), std::mem::take(text));
                events.push(ConsoleSeen { instance, text }.into());
                *console = Console::Over;
            }
        }
        events
    }
}

/// Whether an instance is ended because it did not boot.
fn stillborn(state: &State, id: &InstanceId) -> bool {
    let phase = state.instances.get(id).map(|instance| &instance.phase);
    let Some(Phase::Terminating { why, .. }) = phase else { return false };
    matches!(why, TerminateWhy::BootTimeout | TerminateWhy::Distrusted { .. })
}

/// The last part of what an instance wrote, as far as it fits into a record; what would do something to a
/// terminal is left out.
fn last(text: &str) -> String {
    let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let mut text: String = text.chars().filter(plain).collect();
    let mut from = text.len().saturating_sub(MAX_CONSOLE);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.split_off(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_is_kept_without_what_steers_a_terminal() {
        assert_eq!(last("a\u{1b}[31mb\r\n\tc\0"), "a[31mb\n\tc");
        let long = format!("begin{}end", "ü".repeat(MAX_CONSOLE));
        let kept = last(&long);
        assert!(kept.len() <= MAX_CONSOLE && kept.len() > MAX_CONSOLE - 4, "{}", kept.len());
        assert!(kept.starts_with('ü') && kept.ends_with("üend"));
    }
}
