//! Tables of EC2's types and prices as the short files that are shipped: what a family has in common is
//! said once, and zones of a type are bits.

use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// In the order of their columns.
const REGIONS: [&str; 8] = [
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
];
/// What is not a volume of an instance.
const NO_VOLUMES: [&str; 2] = ["standard", "snapshot"];

/// A row of a table, by the names of its columns.
type Row = BTreeMap<String, String>;

/// All files, by name.
///
/// # Errors
/// A table is missing, or is not what it should be.
pub(crate) fn files(from: &Path) -> anyhow::Result<[(&'static str, String); 4]> {
    let types = table(from, "ec2-instances.csv")?;
    let azs = table(from, "ec2-azs.csv")?;
    let zones = zones(&azs);
    Ok([
        ("types.txt", kinds(&types)?),
        ("prices.txt", prices(from, &types, &zones)?),
        ("zones.csv", zone_lines(&zones)),
        ("volumes.csv", volumes(&table(from, "ec2-ebs-prices.csv")?)),
    ])
}

fn table(from: &Path, name: &str) -> anyhow::Result<Vec<Row>> {
    let path = from.join(name);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let head: Vec<String> = lines.next().context("no head")?.collect();
    let rows = lines.map(|cells| head.iter().cloned().zip(cells).collect());
    Ok(rows.collect())
}

fn cell<'a>(row: &'a Row, column: &str) -> anyhow::Result<&'a str> {
    row.get(column).map(String::as_str).with_context(|| format!("no column {column}"))
}

/// The zones of each region, in order of the table.
fn zones(rows: &[Row]) -> BTreeMap<&str, Vec<&str>> {
    let mut zones: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| REGIONS.contains(&row["region"].as_str())) {
        zones.entry(&row["region"]).or_default().push(&row["az_id"]);
    }
    zones
}

fn zone_lines(zones: &BTreeMap<&str, Vec<&str>>) -> String {
    let line = |region: &&str| format!("{region},{}\n", zones[region].join(","));
    let lines: String = REGIONS.iter().map(line).collect();
    format!("region and its zones\n{lines}")
}

fn volumes(rows: &[Row]) -> String {
    let columns = [
        "region",
        "volume_type",
        "usd_per_gib_month",
        "usd_per_provisioned_iops_month",
        "usd_per_mibps_month",
    ];
    let wanted = rows.iter().filter(|row| {
        REGIONS.contains(&row["region"].as_str())
            && !NO_VOLUMES.contains(&row["volume_type"].as_str())
    });
    let line = |row: &Row| columns.map(|column| row[column].clone()).join(",") + "\n";
    format!("{}\n{}", columns.join(","), wanted.map(line).collect::<String>())
}

/// The two parts of a type's name, and whether its family begins here.
fn parts<'a>(name: &'a str, family: &mut &'a str) -> anyhow::Result<(&'a str, bool)> {
    let (of, size) = name.split_once('.').with_context(|| format!("{name} has no dot"))?;
    let new = std::mem::replace(family, of) != of;
    Ok((size, new))
}

fn kinds(rows: &[Row]) -> anyhow::Result<String> {
    let mut text = "size,vcpu,memory_mib,os_memory_mib,boot_s,gpus,gpu,gpu_memory_mib,accelerator,\
        disks_gb,mbps,peak_mbps,ebs_mbps,ebs_peak_mbps,ebs_iops,ebs_peak_iops,max_volumes,spot\n"
        .to_owned();
    let mut family = "";
    for row in rows {
        let get = |column: &str| cell(row, column);
        let (size, new) = parts(get("type")?, &mut family)?;
        if new {
            let arch = get("arch")?.trim_end_matches("_mac");
            let disks = match get("local_storage_kind")? {
                "" => "",
                "ssd" | "nvme-ssd" => " ssd",
                "hdd" | "nvme-hdd" => " hdd",
                other => bail!("unknown disks {other:?}"),
            };
            writeln!(text, "= {family} {arch}{disks}")?;
        }
        let spot = if get("spot")? == "1" { "s" } else { "" };
        let gpus = if get("gpu")? == "0" { "" } else { get("gpu")? };
        let fields = [
            size,
            get("vcpu")?,
            get("memory_mib")?,
            &os_memory(get("reflow_mem_bytes")?)?,
            get("reflow_boot_s")?,
            gpus,
            get("gpu_name")?,
            get("gpu_memory_mib")?,
            get("accelerator")?,
            get("local_disks")?,
            &thousands(get("network_gbps")?)?,
            &thousands(get("network_peak_gbps")?)?,
            get("ebs_baseline_mbps")?,
            get("ebs_max_mbps")?,
            get("ebs_baseline_iops")?,
            get("ebs_max_iops")?,
            get("ebs_attach_limit")?,
            spot,
        ];
        writeln!(text, "{}", fields.join(","))?;
    }
    Ok(text)
}

/// MiB that the operating system found, of the 95 % of it in bytes that were noted.
fn os_memory(noted: &str) -> anyhow::Result<String> {
    if noted.is_empty() {
        return Ok(String::new());
    }
    let bytes: u64 = noted.parse()?;
    Ok(((bytes * 100 / 95) >> 20).to_string())
}

/// A thousand times a decimal number that has at most three decimals.
fn thousands(text: &str) -> anyhow::Result<String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 {
        bail!("{text} has more than three decimals");
    }
    Ok(format!("{whole}{part:0<3}").parse::<u64>()?.to_string())
}

/// Where and for how much one type is sold in one region.
#[derive(Default)]
struct Cell<'a> {
    price: &'a str,
    advice: (&'a str, &'a str),
    zones: u32,
}

fn prices(from: &Path, types: &[Row], zones: &BTreeMap<&str, Vec<&str>>) -> anyhow::Result<String> {
    let tables = REGIONS.map(|region| table(from, &format!("ec2-prices-{region}.csv")));
    let tables = tables.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut sold = Vec::new();
    for (region, rows) in REGIONS.iter().zip(&tables) {
        sold.push(cells(rows, &zones[region])?);
    }
    let mut text = format!("size,{}\n", REGIONS.join(","));
    let mut family = "";
    for row in types {
        let name = cell(row, "type")?;
        if sold.iter().all(|region| !region.contains_key(name)) {
            continue;
        }
        let (size, new) = parts(name, &mut family)?;
        if new {
            writeln!(text, "= {family}")?;
        }
        let (mut line, mut first) = (size.to_owned(), "");
        for (region, cells) in REGIONS.iter().zip(&sold) {
            line.push(',');
            if let Some(cell) = cells.get(name) {
                let all = u32::MAX >> (32 - zones[region].len());
                line.push_str(&shown(cell, first, all));
                first = if first.is_empty() { cell.price } else { first };
            }
        }
        writeln!(text, "{line}")?;
    }
    Ok(text)
}

fn shown(cell: &Cell<'_>, first: &str, all: u32) -> String {
    let price = if !first.is_empty() && cell.price == first { "=" } else { cell.price };
    let (savings, band) = cell.advice;
    let advice = if savings.is_empty() { String::new() } else { format!("{savings}/{band}") };
    let zones = if cell.zones == all { String::new() } else { format!("{:x}", cell.zones) };
    let text = format!("{price} {advice} {zones}");
    let text = text.trim_end();
    // A cell that says nothing but that it is there.
    if text.is_empty() { " ".to_owned() } else { text.to_owned() }
}

/// The rows of one region by type: all zones of a type have the same price and the same advice.
fn cells<'a>(rows: &'a [Row], zones: &[&str]) -> anyhow::Result<BTreeMap<&'a str, Cell<'a>>> {
    let mut cells: BTreeMap<&str, Cell<'_>> = BTreeMap::new();
    for row in rows {
        let name = cell(row, "type")?;
        let price = cell(row, "on_demand_usd_hour")?;
        let advice = (cell(row, "spot_savings_pct")?, cell(row, "interruption_bucket")?);
        let zone = cell(row, "az_id")?;
        let at = zones.iter().position(|other| *other == zone);
        let at = at.with_context(|| format!("unknown zone {zone}"))?;
        let one = cells.entry(name).or_insert(Cell { price, advice, zones: 0 });
        if (one.price, one.advice) != (price, advice) {
            bail!("{name} has two prices in one region");
        }
        one.zones |= 1 << at;
    }
    Ok(cells)
}
