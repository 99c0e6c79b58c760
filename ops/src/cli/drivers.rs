//! Drivers: `drivers` lists them, `driver` says how much each may have.

use super::context::{Context, id, state};
use super::steer::say_it;
use crate::output::{Row, Usage, or_dash, rows};
use clap::{Args, Subcommand};
use replay_core::state::driver::Driver;
use schema::event::{DriverBudgetSet, DriverWeighted};
use schema::id::DriverId;
use schema::unit::Micros;
use serde_json::json;
use std::process::ExitCode;

/// Change a driver's weight or budget
#[derive(Debug, Args)]
pub(crate) struct DriverArgs {
    #[command(subcommand)]
    verb: DriverVerb,
}

#[derive(Debug, Subcommand)]
enum DriverVerb {
    /// How large its part is of what several want, beside 100 for all others
    Weight {
        /// The driver
        name: String,
        /// From 1 to 100000
        weight: u32,
    },
    /// What its allocs may cost together per hour: $5, or none
    Budget {
        /// The driver
        name: String,
        /// Dollars per hour, or none
        limit: String,
    },
}

pub(crate) async fn driver(args: DriverArgs, context: Context) -> anyhow::Result<ExitCode> {
    match args.verb {
        DriverVerb::Weight { name, weight } => {
            say_it(&context, &name, DriverWeighted { driver: id(&name)?, weight }).await
        }
        DriverVerb::Budget { name, limit } => {
            let max_hourly_cost = match limit.as_str() {
                "none" => None,
                text => Some(Micros::parse(text).map_err(Usage)?),
            };
            say_it(&context, &name, DriverBudgetSet { driver: id(&name)?, max_hourly_cost }).await
        }
    }
}

pub(crate) async fn drivers(context: Context) -> anyhow::Result<ExitCode> {
    let state = state(&*context.open().await?).await?;
    let heads = ["id", "allocs", "weight", "used/h", "budget/h"];
    let row = |(id, driver): (&DriverId, &Driver)| {
        let used = u64::try_from(state.index.costs.of_driver(id)).unwrap_or(u64::MAX);
        let (used, weight, budget) =
            (Micros(used), state.weight_of(id), state.head.budgets.get(id));
        let cells = vec![
            driver.allocs.to_string(),
            weight.to_string(),
            used.dollars(),
            or_dash(budget.map(|limit| limit.dollars())),
        ];
        let thing = json!({
            "joined": driver.joined, "left": driver.left, "allocs": driver.allocs,
            "weight": weight, "used": used, "budget": budget,
        });
        Row::new(id, &thing, cells)
    };
    let all: Vec<Row> = state.drivers.iter().map(row).collect();
    rows(context.output, &heads, &all);
    Ok(ExitCode::SUCCESS)
}
