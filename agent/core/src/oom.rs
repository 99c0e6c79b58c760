//! Who was killed for memory: what the kernel says of it, in the words of any of its versions, and what follows
//! of that and of what others say. Pure.

mod kills;
mod line;
mod record;
mod verdict;

pub use kills::{Kill, Kills};
pub use line::{Constraint, Context, Killed, Line};
pub use record::Record;
pub use verdict::{Evidence, Oom, Own};
