//! What the kernel says when it kills for memory: a parser of all that any of its versions says. Pure.

mod kills;
mod line;
mod record;

pub use kills::{Kill, Kills};
pub use line::{Constraint, Context, Killed, Line};
pub use record::Record;
