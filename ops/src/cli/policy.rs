//! `policy`: what the cluster may do, shown whole and changed key by key.

use super::context::Context;
use super::steer::say_it;
use crate::output::{Usage, in_full, print};
use anyhow::bail;
use clap::{Args, Subcommand};
use schema::event::PolicySet;
use schema::policy::{Fairness, Policy};
use schema::unit::{Micros, Millis};
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// Show or change what the cluster may do
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    verb: PolicyVerb,
}

#[derive(Debug, Subcommand)]
enum PolicyVerb {
    /// Print the policy as JSON
    Get,
    /// Change it: max_hourly_cost=$1.50 idle_timeout=30s types.allow='["m7*"]'
    Set {
        /// What to change, as KEY=VALUE
        #[arg(required = true)]
        changes: Vec<String>,
    },
}

pub(crate) async fn policy(args: PolicyArgs, context: Context) -> anyhow::Result<ExitCode> {
    let state = super::context::state(&*context.open().await?).await?;
    match args.verb {
        PolicyVerb::Get => {
            print(&in_full(context.output, &whole(&state.head.policy))?);
            Ok(ExitCode::SUCCESS)
        }
        PolicyVerb::Set { changes } => {
            let policy = changed(&state.head.policy, &changes)?;
            say_it(&context, "policy", PolicySet { policy }).await
        }
    }
}

/// A policy with all that it has: on the log some of it is left out where it is as usual.
fn whole(policy: &Policy) -> Value {
    // Named one by one, so that none is forgotten that is added.
    let Policy {
        max_hourly_cost,
        max_pending,
        max_instances,
        max_per_zone,
        max_creating,
        breaker,
        label_budgets,
        min_instances,
        offerings,
        types,
        volume,
        spot,
        worth,
        idle_timeout,
        billing,
        boot_timeout,
        orphan_grace,
        rebalance,
        drift,
        replace,
        unreachable_after,
        unreachable_grace,
        lease,
        max_lease,
        grace,
        patience,
        retention,
        fairness,
    } = policy;
    let Fairness { aging, preemption, notice } = fairness;
    json!({
        "max_hourly_cost": max_hourly_cost,
        "max_pending": max_pending,
        "max_instances": max_instances,
        "max_per_zone": max_per_zone,
        "max_creating": max_creating,
        "breaker": breaker,
        "label_budgets": label_budgets,
        "min_instances": min_instances,
        "offerings": offerings,
        "types": types,
        "volume": volume,
        "spot": spot,
        "worth": worth,
        "idle_timeout": idle_timeout,
        "billing": billing,
        "boot_timeout": boot_timeout,
        "orphan_grace": orphan_grace,
        "rebalance": rebalance,
        "drift": drift,
        "replace": replace,
        "unreachable_after": unreachable_after,
        "unreachable_grace": unreachable_grace,
        "lease": lease,
        "max_lease": max_lease,
        "grace": grace,
        "patience": patience,
        "retention": retention,
        "fairness": { "aging": aging, "preemption": preemption, "notice": notice },
    })
}

/// The policy with these changes, as KEY=VALUE.
pub(super) fn changed(policy: &Policy, changes: &[String]) -> anyhow::Result<Policy> {
    let mut value = whole(policy);
    for change in changes {
        let (key, text) =
            change.split_once('=').ok_or_else(|| Usage(format!("{change:?} is not KEY=VALUE")))?;
        let Some(slot) = value.pointer_mut(&format!("/{}", key.replace('.', "/"))) else {
            let keys: Vec<&String> = value.as_object().into_iter().flat_map(Map::keys).collect();
            bail!(Usage(format!("a policy has no {key:?}; it has {keys:?}")));
        };
        *slot = parse(key, text, slot)?;
    }
    let policy: Policy = serde_json::from_value(value).map_err(|e| Usage(e.to_string()))?;
    policy.check().map_err(Usage)?;
    Ok(policy)
}

/// Keys whose value is money.
const MONEY: [&str; 5] =
    ["max_hourly_cost", "types.max_price", "worth.network", "worth.ebs", "worth.most"];
/// Keys whose value is a length of time.
const TIMES: [&str; 15] = [
    "idle_timeout",
    "boot_timeout",
    "orphan_grace",
    "unreachable_after",
    "unreachable_grace",
    "lease",
    "max_lease",
    "grace",
    "patience",
    "retention",
    "spot.price_every",
    "spot.score_every",
    "spot.interruption_cost",
    "fairness.aging",
    "fairness.notice",
];

/// Dollars ($1.50) and durations (500ms, 30s, 5m, 1h) where they are meant, a word where there is one, or JSON.
fn parse(key: &str, text: &str, before: &Value) -> anyhow::Result<Value> {
    if text.starts_with('$') {
        if !MONEY.contains(&key) {
            bail!(Usage(format!("{key} is no amount of money: {text:?}")));
        }
        return Ok(json!(Micros::parse(text).map_err(Usage)?));
    }
    if let Ok(length) = Millis::parse(text) {
        if !TIMES.contains(&key) {
            bail!(Usage(format!("{key} is no length of time: {text:?}")));
        }
        return Ok(json!(length));
    }
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(_) if before.is_string() => Ok(Value::String(text.to_owned())),
        Err(_) => {
            bail!(Usage(format!("{text:?} is no amount, duration ($1.50, 30s, 5m) or JSON")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::policy::{Billing, Preemption, Rebalance};
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn all_of_a_policy_is_shown_and_may_be_set() {
        let usual = Policy::default();
        let Value::Object(all) = whole(&usual) else { panic!("it has keys") };
        for (key, value) in &all {
            let same = changed(&usual, &[format!("{key}={value}")]).expect("as it was");
            assert_eq!(same, usual, "{key}");
        }
        let written = serde_json::to_value(&usual).expect("writes");
        for key in written.as_object().expect("it has keys").keys() {
            assert!(all.contains_key(key), "{key} is on the log, and not shown");
        }
    }

    /// The keys that `policy set` knows, those within keys by a dot.
    fn keys() -> BTreeSet<String> {
        let Value::Object(all) = whole(&Policy::default()) else { panic!("it has keys") };
        let within = ["types", "volume", "spot", "worth", "fairness"];
        let key = |(key, value): (&String, &Value)| match value {
            Value::Object(parts) if within.contains(&key.as_str()) => {
                parts.keys().map(|part| format!("{key}.{part}")).collect()
            }
            _ => vec![key.clone()],
        };
        all.iter().flat_map(key).collect()
    }

    /// Of each key its row in `docs/policy.md`: the default and the example, as they are given.
    fn page() -> (String, BTreeMap<String, [String; 2]>) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.md");
        let text = std::fs::read_to_string(path).expect("the page");
        let mut rows = BTreeMap::new();
        for row in text.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [key, unit, default, example, _says] = cells[..] else { panic!("{row}") };
            let [key, default, example] =
                [key, default, example].map(|cell| cell.trim_matches('`'));
            // Money by label is within JSON.
            let money = unit.starts_with('$') && !unit.ends_with("by label");
            assert_eq!(MONEY.contains(&key), money, "{key} in {unit}");
            assert_eq!(TIMES.contains(&key), unit == "time", "{key} in {unit}");
            let before = rows.insert(key.to_owned(), [default.to_owned(), example.to_owned()]);
            assert_eq!(before, None, "{key} twice");
        }
        (text, rows)
    }

    #[test]
    fn the_page_has_every_key_with_its_default_and_an_example_that_may_be_set() {
        let (_, rows) = page();
        assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), keys());
        let usual = Policy::default();
        for (key, [default, example]) in rows {
            let set = |value: &str| changed(&usual, &[format!("{key}={value}")]);
            assert_eq!(set(&default).expect("it can be meant"), usual, "{key}: {default}");
            let other = set(&example).unwrap_or_else(|error| panic!("{key}: {example}: {error}"));
            assert_ne!(other, usual, "{key}: {example}");
            let (before, after) = (whole(&usual), whole(&other));
            let first = key.split('.').next().expect("a name");
            for (name, value) in after.as_object().expect("it has keys") {
                assert_eq!(name == first, *value != before[name], "{key} sets {name}");
            }
        }
    }

    #[test]
    fn the_commands_on_the_page_are_taken() {
        let (text, _) = page();
        let commands = text.lines().filter_map(|line| line.strip_prefix("fleetlog policy set "));
        let mut count = 0;
        for command in commands {
            let mut words = vec![String::new()];
            // Quotes as a shell has them; what stands behind them is for the reader.
            for (nth, part) in command.split(" #").next().expect("a part").split('\'').enumerate() {
                let quoted = nth % 2 == 1;
                for (at, word) in part.split(|c: char| !quoted && c == ' ').enumerate() {
                    if at > 0 {
                        words.push(String::new());
                    }
                    words.last_mut().expect("a word").push_str(word);
                }
            }
            words.retain(|word| !word.is_empty());
            changed(&Policy::default(), &words)
                .unwrap_or_else(|error| panic!("{command}: {error}"));
            count += 1;
        }
        assert_eq!(count, 3);
    }

    #[test]
    fn words_need_no_quotes() {
        let set = |changes: &[&str]| {
            let changes: Vec<String> = changes.iter().map(|c| (*c).to_owned()).collect();
            changed(&Policy::default(), &changes)
        };
        let policy = set(&["billing=hour", "rebalance=ignore", "replace=false", "breaker=0"]);
        let fair =
            set(&["fairness.preemption=lower", "fairness.notice=1m"]).expect("it can be meant");
        assert_eq!(fair.fairness.preemption, Preemption::Lower);
        assert_eq!(fair.fairness.notice, Millis::from_secs(60));
        let policy = policy.expect("it can be meant");
        assert_eq!((policy.billing, policy.rebalance), (Billing::Hour, Rebalance::Ignore));
        assert_eq!((policy.replace, policy.breaker), (false, 0));
        for wrong in ["billing=week", "max_instances=many", "nothing=1", "lease", "breaker=-1"] {
            assert!(set(&[wrong]).is_err(), "{wrong}");
        }
        // Thirty seconds are not three cents.
        for (wrong, said) in [
            ("max_hourly_cost=30s", "max_hourly_cost is no length of time"),
            ("max_instances=5m", "max_instances is no length of time"),
            ("idle_timeout=$1", "idle_timeout is no amount of money"),
            ("types.max_price=1h", "types.max_price is no length of time"),
        ] {
            let error = set(&[wrong]).expect_err(wrong).to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
