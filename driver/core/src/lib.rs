//! What a driver knows, and what it does by itself. Pure: [`View`](view::View) folds the records that
//! name one driver, its own among them; [`Driver`](driver::Driver) joins, keeps its allocs alive and
//! gives up on what is lost; [`describe`] says reasons as sentences for people.

pub mod describe;
pub mod driver;
pub mod view;

pub use driver::Driver;
pub use view::{AllocView, ExecEnd, ExecView, Given, Oom, OverWhy, View};
