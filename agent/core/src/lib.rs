//! What an instance must run next. Pure: [`Orders`](orders::Orders) folds the records that concern
//! one instance, its agent's own among them, [`plan`](plan::plan) says what is left to do, and
//! [`Agent`](agent::Agent) is a whole agent without its world.

pub mod agent;
pub mod exec;
pub mod oom;
pub mod orders;
pub mod plan;

pub use agent::Agent;
pub use orders::Orders;
pub use plan::{Action, plan};
