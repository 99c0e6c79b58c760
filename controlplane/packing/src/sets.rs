//! Sets of requests that wait at the same moment, as the traces have them.

use crate::data::{Row, Table, whole};
use anyhow::Context;
use schema::resources::Resources;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const MIB: u64 = 1 << 20;

/// One or several sets that are reported together.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) sets: Vec<Vec<Resources>>,
}

/// All that is measured.
pub(crate) fn groups(data: &Path) -> anyhow::Result<Vec<Group>> {
    let traces = data.join("traces");
    let mut groups = nfcore(&traces)?;
    groups.extend(workflows(&traces)?);
    groups.extend(ricc(&traces)?);
    groups.extend(alibaba(&traces)?);
    groups.push(made_up("made up, 10,000 all different", 10_000));
    groups.push(made_up("made up, 100,000 all different", 100_000));
    Ok(groups)
}

fn request(cores: u64, memory: u64) -> Resources {
    Resources { cpu: cores.max(1) * 1000, memory: memory.max(MIB), ..Resources::default() }
}

/// Requests by the window of so many seconds in which they were submitted.
fn windows<'a>(
    rows: impl Iterator<Item = Row<'a>>,
    seconds: u64,
    asked: impl Fn(Row<'_>) -> Vec<Resources>,
) -> Vec<Vec<Resources>> {
    let mut windows: BTreeMap<u64, Vec<Resources>> = BTreeMap::new();
    for row in rows {
        windows.entry(row.whole("submit_s") / seconds).or_default().extend(asked(row));
    }
    windows.into_values().collect()
}

fn largest(sets: &[Vec<Resources>]) -> Vec<Vec<Resources>> {
    sets.iter().max_by_key(|set| set.len()).cloned().into_iter().collect()
}

/// Six Nextflow runs: what each submitted within five minutes, as it was requested.
fn nfcore(traces: &Path) -> anyhow::Result<Vec<Group>> {
    let table = Table::read(&traces.join("nfcore-tasks.csv.gz"))?;
    let mut groups = Vec::new();
    let mut every = Vec::new();
    for name in ["mag", "chipseq", "iwd", "eager", "rnaseq", "methylseq"] {
        let own = table.rows().filter(|row| row.text("workflow") == name);
        let asked =
            |row: Row<'_>| vec![request(row.whole("cpus"), row.whole("mem_request_mib") * MIB)];
        let sets = windows(own, 300, asked);
        groups.push(Group { name: format!("nfcore {name}, fullest 5 min"), sets: largest(&sets) });
        every.extend(sets);
    }
    groups.push(Group { name: "nfcore, each 5 min of all six".into(), sets: every });
    Ok(groups)
}

/// Recorded workflows: the tasks of each level, whose parents have all ended.
fn workflows(traces: &Path) -> anyhow::Result<Vec<Group>> {
    let folder = traces.join("workflows");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {folder:?}"))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let (mut fullest, mut every) = (Vec::new(), Vec::new());
    for path in paths.iter().filter(|path| path.file_stem().is_some_and(|name| name != "INDEX")) {
        let levels = levels(&Table::read(path)?);
        fullest.extend(largest(&levels));
        every.extend(levels);
    }
    Ok(vec![
        Group { name: "27 workflows, fullest level of each".into(), sets: fullest },
        Group { name: "27 workflows, every level".into(), sets: every },
    ])
}

/// A task's level is one more than the highest of its parents, which stand before it or after it.
fn levels(table: &Table) -> Vec<Vec<Resources>> {
    let parents: Vec<Vec<usize>> = table
        .rows()
        .map(|row| {
            row.text("parents").split(';').filter_map(|parent| parent.parse().ok()).collect()
        })
        .collect();
    let mut level = vec![0; parents.len()];
    loop {
        let next = |parents: &Vec<usize>| parents.iter().map(|p| level[*p] + 1).max().unwrap_or(0);
        let raised: Vec<usize> = parents.iter().map(next).collect();
        if raised == level {
            break;
        }
        level = raised;
    }
    let mut levels: BTreeMap<usize, Vec<Resources>> = BTreeMap::new();
    for (row, level) in table.rows().zip(level) {
        levels.entry(level).or_default().push(task(row));
    }
    levels.into_values().collect()
}

/// Cores as recorded or as used; memory as used, in steps of 64 MiB, or 2 GiB a core where the trace
/// does not say.
fn task(row: Row<'_>) -> Resources {
    let used = whole((row.number("avg_cpu_pct").unwrap_or(100.0) / 100.0).ceil());
    let cores = row.number("cores").map_or(used, whole).max(1);
    let step = 64 * MIB;
    let memory = row.number("memory_bytes").map_or(cores * 2048 * MIB, whole);
    request(cores, memory.div_ceil(step) * step)
}

/// The busiest times of a week of RICC: each process of a job asks for itself.
fn ricc(traces: &Path) -> anyhow::Result<Vec<Group>> {
    let table = Table::read(&traces.join("ricc-2010-burst-week.csv.gz"))?;
    let asked = |row: Row<'_>| {
        let one = request(1, row.whole("mem_request_kib_per_proc") << 10);
        let processes = usize::try_from(row.whole("procs")).unwrap_or(0);
        vec![one; processes]
    };
    let of = |seconds| largest(&windows(table.rows(), seconds, asked));
    Ok(vec![
        Group { name: "RICC, fullest 5 min".into(), sets: of(300) },
        Group { name: "RICC, fullest hour".into(), sets: of(3600) },
    ])
}

/// Pods of a cluster with GPUs.
fn alibaba(traces: &Path) -> anyhow::Result<Vec<Group>> {
    let table = Table::read(&traces.join("alibaba-openb-pods.csv.gz"))?;
    let asked = |row: Row<'_>| {
        let mut one = request(1, row.whole("memory_mib") * MIB);
        one.cpu = row.whole("cpu_milli").max(1);
        if row.whole("gpus") > 0 {
            one.features.insert("gpu".into(), row.whole("gpus"));
        }
        vec![one]
    };
    let hours = windows(table.rows(), 6 * 3600, asked);
    let all = windows(table.rows(), u64::MAX, asked);
    Ok(vec![
        Group { name: "alibaba GPU pods, fullest 6 h".into(), sets: largest(&hours) },
        Group { name: "alibaba GPU pods, all at once".into(), sets: all },
    ])
}

/// 0.5 to 16 cores with 0.5 to 8 GiB each, no two alike.
fn made_up(name: &str, count: u64) -> Group {
    let mut seed = 1_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut one = || {
        let cpu = 500 + next(15_500);
        Resources { cpu, memory: cpu * (MIB / 2 + next(15 * MIB / 2)), ..Resources::default() }
    };
    Group { name: name.to_owned(), sets: vec![(0..count).map(|_| one()).collect()] }
}
