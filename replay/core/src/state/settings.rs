//! The settings of the cloud under which launches are made: those in force, and older ones as long as a
//! launch of theirs has no answer.

use super::State;
use crate::void::Void;
use schema::event::{CloudConfigured, MAX_SETTINGS};
use std::collections::BTreeSet;

impl State {
    /// The settings in force.
    #[must_use]
    pub fn settings_now(&self) -> Option<&str> {
        self.settings_of(self.head.settings?)
    }

    /// The settings of this number, as long as anybody needs them.
    #[must_use]
    pub fn settings_of(&self, number: u32) -> Option<&str> {
        self.settings.get(&number).map(String::as_str)
    }

    pub(crate) fn configured(&mut self, e: &CloudConfigured) -> Result<(), Void> {
        if e.settings.len() > MAX_SETTINGS {
            return Err(Void::Invalid);
        }
        let number = self.head.settings.unwrap_or(0).checked_add(1).ok_or(Void::Invalid)?;
        self.head.settings = Some(number);
        self.head.fingerprint.clone_from(&e.fingerprint);
        self.settings.insert(number, e.settings.clone());
        let open = self.index.open_launches.iter().filter_map(|id| self.launches.get(id));
        let needed: BTreeSet<u32> = open.filter_map(|launch| launch.settings).collect();
        let over = |one: &u32| *one != number && !needed.contains(one);
        let over: Vec<u32> = self.settings.iter().map(|(one, _)| *one).filter(over).collect();
        over.iter().for_each(|one| drop(self.settings.remove(one)));
        Ok(())
    }
}
