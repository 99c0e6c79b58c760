//! What can be bought, and the traces, from the files of prices and traces that the measurement is
//! pointed at. Their README says where each comes from.

use anyhow::{Context, bail, ensure};
use schema::policy::Offering;
use schema::policy::worth::Links;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Of an instance's memory this share, in thousandths, is there for allocs: the kernel and the agent
/// take the rest (95 % of what 460 types were measured to report, which is 96.7 % of what is named).
const USABLE: u64 = 919;

/// A table with named columns.
pub(crate) struct Table {
    columns: BTreeMap<String, usize>,
    rows: Vec<Vec<String>>,
}

/// One line of a table.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    table: &'a Table,
    cells: &'a [String],
}

impl Table {
    /// Reads a CSV file without quotes, unpacked by gzip if its name says so.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Table> {
        let text = if path.extension().is_some_and(|ending| ending == "gz") {
            let output = Command::new("gzip").arg("-dc").arg(path).output();
            let output = output.context("failed to run gzip, which unpacks the traces")?;
            ensure!(output.status.success(), "gzip cannot read {}", path.display());
            String::from_utf8(output.stdout)?
        } else {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        };
        let mut lines = text.lines();
        let Some(head) = lines.next() else { bail!("{} is empty", path.display()) };
        let columns = head.split(',').enumerate().map(|(at, name)| (name.to_owned(), at)).collect();
        let rows = lines.map(|line| line.split(',').map(str::to_owned).collect()).collect();
        Ok(Table { columns, rows })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { table: self, cells })
    }
}

impl<'a> Row<'a> {
    /// What stands in this column; empty if there is nothing.
    pub(crate) fn text(self, column: &str) -> &'a str {
        let at = self.table.columns.get(column);
        at.and_then(|at| self.cells.get(*at)).map_or("", String::as_str)
    }

    /// A number; None where the cell is empty.
    pub(crate) fn number(self, column: &str) -> Option<f64> {
        self.text(column).parse().ok()
    }

    /// A whole number, cut off; 0 where the cell is empty.
    pub(crate) fn whole(self, column: &str) -> u64 {
        whole(self.number(column).unwrap_or(0.0))
    }
}

/// A number that is not negative, cut off.
pub(crate) fn whole(number: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let whole = number.max(0.0) as u64;
    whole
}

/// Every x86-64 type of us-east-1 that runs at full speed on shared machines, in every zone, on demand
/// and, where it is sold so, on the spot market at its typical price; only of these families, if any
/// are given.
pub(crate) fn offerings(data: &Path, families: &[String]) -> anyhow::Result<Vec<Offering>> {
    let types = Table::read(&data.join("ec2-instances.csv"))?;
    let plain = types.rows().filter(|row| {
        row.text("arch") == "x86_64"
            && row.text("burstable") == "0"
            && row.text("bare_metal") == "0"
            && !row.text("type").starts_with("u-")
            && (families.is_empty() || families.iter().any(|f| is_of(row.text("type"), f)))
    });
    let sizes: BTreeMap<&str, Resources> =
        plain.map(|row| (row.text("type"), resources(row))).collect();
    let prices = Table::read(&data.join("ec2-prices-us-east-1.csv"))?;
    let mut offerings = Vec::new();
    for row in prices.rows() {
        let Some(resources) = sizes.get(row.text("type")) else { continue };
        let markets = [
            (Market::OnDemand, row.number("on_demand_usd_hour")),
            (Market::Spot, row.number("spot_typical_usd_hour")),
        ];
        for (market, dollars) in markets {
            let Some(dollars) = dollars else { continue };
            offerings.push(Offering {
                kind: row.text("type").into(),
                zone: row.text("az_id").into(),
                market,
                price: Micros(whole((dollars * 1e6).round())),
                cap: None,
                resources: resources.clone(),
                links: Links::default(),
            });
        }
    }
    Ok(offerings)
}

/// `m7i.large` is of the family `m`, `mac1` is not.
fn is_of(kind: &str, family: &str) -> bool {
    let rest = kind.strip_prefix(family);
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn resources(row: Row<'_>) -> Resources {
    let gpus = row.whole("gpu");
    let features = if gpus > 0 { BTreeMap::from([("gpu".into(), gpus)]) } else { BTreeMap::new() };
    Resources {
        cpu: row.whole("vcpu") * 1000,
        memory: row.whole("memory_mib") * (1 << 20) / 1000 * USABLE,
        disk: 0,
        features,
    }
}
