//! What a driver knows. Pure: [`View`](view::View) folds the records that name one driver, its own
//! among them; [`describe`] says reasons as sentences for people.

pub mod describe;
pub mod view;

pub use view::{AllocView, ExecEnd, ExecView, Given, Oom, OverWhy, View};
