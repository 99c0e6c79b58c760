//! A state as bytes, and back. Snapshot plus tail gives the digest that a full replay gives.

use crate::invariant::{self, Breach};
use crate::state::index::Index;
use crate::state::{Head, State};
use crate::table::Table;
use schema::codec;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Version of the fold: a snapshot of another one is not used, the log is replayed instead.
pub const FOLD_VERSION: u32 = 12;

/// Why bytes are no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes cannot be read.
    #[error("not a snapshot: {0}")]
    Garbage(String),
    /// Made by another version of the fold.
    #[error("a snapshot of fold version {0}; this build folds as version {FOLD_VERSION}")]
    Version(u32),
    /// Of a state that no log comes to.
    #[error("not a snapshot of a sound state: {invariant}: {found}")]
    Unsound {
        /// The invariant that does not hold.
        invariant: &'static str,
        /// What was found.
        found: String,
    },
}

macro_rules! snapshot {
    ($($table:ident),*) => {
        #[derive(Serialize)]
        struct Written<'a> {
            fold: u32,
            head: &'a Head,
            $($table: &'a snapshot!(@of $table),)*
        }

        #[derive(Deserialize)]
        struct Read {
            head: Head,
            $($table: snapshot!(@of $table),)*
        }

        impl State {
            /// This state as bytes.
            #[must_use]
            pub fn snapshot(&self) -> Vec<u8> {
                let written = Written {
                    fold: FOLD_VERSION,
                    head: &self.head,
                    $($table: &self.$table,)*
                };
                // Encoding plain data into memory cannot fail; were it to, restoring would say so.
                rmp_serde::to_vec_named(&written).unwrap_or_default()
            }

            /// The state that these bytes were made of.
            ///
            /// # Errors
            /// [`SnapshotError`] says why they are none.
            pub fn restore(bytes: &[u8]) -> Result<State, SnapshotError> {
                #[derive(Deserialize)]
                struct Version { fold: u32 }
                let garbage = |e: rmp_serde::decode::Error| SnapshotError::Garbage(e.to_string());
                let Version { fold } = codec::whole(bytes).map_err(garbage)?;
                if fold != FOLD_VERSION {
                    return Err(SnapshotError::Version(fold));
                }
                let read: Read = codec::whole(bytes).map_err(garbage)?;
                let mut state = State {
                    head: read.head,
                    $($table: read.$table,)*
                    index: Index::default(),
                    marks: VecDeque::new(),
                    diverged: None,
                };
                state.index = Index::of(&state);
                match invariant::check(&state).into_iter().next() {
                    None => Ok(state),
                    Some(Breach { invariant, found }) => {
                        Err(SnapshotError::Unsound { invariant, found })
                    }
                }
            }
        }
    };
    (@of authors) => {
        Table<(schema::subject::Role, schema::id::AuthorId), crate::state::author::AuthorState>
    };
    (@of drivers) => { Table<schema::id::DriverId, crate::state::driver::Driver> };
    (@of launches) => { Table<schema::id::LaunchId, crate::state::launch::Launch> };
    (@of backoffs) => { Table<crate::state::launch::OfferingKey, crate::state::launch::Backoff> };
    (@of rests) => { Table<crate::state::rest::Extent, crate::state::rest::Rest> };
    (@of orphans) => { Table<schema::id::InstanceId, crate::state::orphan::Orphan> };
    (@of found) => { Table<smol_str::SmolStr, crate::state::found::Found> };
    (@of probes) => { Table<smol_str::SmolStr, crate::state::probe::Probe> };
    (@of settings) => { Table<u32, String> };
    (@of claims) => {
        Table<(schema::id::InstanceId, schema::unit::Seq), crate::state::trust::Claim>
    };
    (@of market) => { Table<crate::state::launch::OfferingKey, crate::state::market::SeenOffer> };
    (@of types) => { Table<crate::state::market::PlaceKey, crate::state::market::ToldType> };
    (@of scores) => { Table<crate::state::market::ClassKey, crate::state::market::SeenScore> };
    (@of history) => { Table<crate::state::launch::OfferingKey, crate::state::history::History> };
    (@of instances) => { Table<schema::id::InstanceId, crate::state::instance::Instance> };
    (@of allocs) => { Table<schema::id::AllocId, crate::state::alloc::Alloc> };
    (@of execs) => { Table<schema::id::ExecId, crate::state::exec::Exec> };
}

snapshot!(
    authors, drivers, launches, backoffs, rests, market, types, scores, history, orphans, found,
    probes, settings, claims, instances, allocs, execs
);
