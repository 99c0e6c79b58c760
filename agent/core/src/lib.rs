//! What an instance must run next. Pure: [`Orders`](orders::Orders) folds the records that concern
//! one instance, its agent's own among them, and [`plan`](plan::plan) says what is left to do.

pub mod orders;
pub mod plan;

pub use orders::Orders;
pub use plan::{Action, plan};
