//! The demo's workflow: count words. One exec a text sorts its words, all at once (fan-out); one more
//! merges and counts them (fan-in). An exec that is lost is run again in another alloc.

use super::cluster::Cluster;
use anyhow::{Context, bail};
use driver::{AllocOptions, Driver, DriverError, ExecEnd};
use futures::StreamExt;
use schema::event::ExecConfig;
use schema::id::DriverId;
use schema::requirements::Requirements;
use schema::resources::Resources;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

/// The texts: name and content.
pub(crate) const TEXTS: [(&str, &str); 6] = [
    ("harbour", include_str!("../../demo/harbour.txt")),
    ("mill", include_str!("../../demo/mill.txt")),
    ("ledger", include_str!("../../demo/ledger.txt")),
    ("orchard", include_str!("../../demo/orchard.txt")),
    ("clock", include_str!("../../demo/clock.txt")),
    ("bridge", include_str!("../../demo/bridge.txt")),
];

/// Each text is counted in this many parts.
const PARTS: usize = 3;
const TRIES: u32 = 6;

/// Words and how often each occurs, most frequent first.
pub(crate) type Counts = Vec<(String, u64)>;

/// What came of one driver's workflow.
pub(crate) struct Outcome {
    pub(crate) counted: Counts,
    pub(crate) expected: Counts,
    pub(crate) execs: u32,
    pub(crate) again: u32,
}

struct Work {
    driver: Driver,
    dir: PathBuf,
    execs: AtomicU32,
    again: AtomicU32,
    heard: UnboundedSender<String>,
}

/// Starts one driver's workflow.
pub(crate) fn spawn(
    cluster: &Cluster,
    name: &'static str,
    texts: &'static [(&'static str, &'static str)],
    heard: UnboundedSender<String>,
) -> JoinHandle<anyhow::Result<Outcome>> {
    let options = DriverId::new(name).map(|id| cluster.join_options(id));
    let dir = cluster.dir.0.join(name);
    tokio::spawn(async move { count(options?, dir, texts, heard).await })
}

async fn count(
    options: driver::JoinOptions,
    dir: PathBuf,
    texts: &[(&str, &str)],
    heard: UnboundedSender<String>,
) -> anyhow::Result<Outcome> {
    std::fs::create_dir_all(&dir)?;
    let driver = Driver::join(options).await?;
    let counters = || AtomicU32::new(0);
    let work = Work { driver, dir, execs: counters(), again: counters(), heard };
    let work = Arc::new(work);
    let mut parts = Vec::new();
    for (name, text) in texts {
        let lines: Vec<&str> = text.lines().collect();
        for (index, part) in lines.chunks(lines.len().div_ceil(PARTS)).enumerate() {
            let path = work.dir.join(format!("{name}-{index}"));
            std::fs::write(&path, part.join("\n"))?;
            parts.push(path);
        }
    }
    let sorts = parts.iter().enumerate().map(|(index, part)| {
        let pause = 1 + index % PARTS;
        let what = part.file_name().unwrap_or_default().to_string_lossy().into_owned();
        work.clone().run(sort(part, pause), format!("{what} is sorted"))
    });
    for done in futures::future::join_all(sorts).await {
        done?;
    }
    let merged = work.clone().run(merge(&parts), "merged".into()).await?;
    let work = Arc::into_inner(work).context("the workflow still runs")?;
    work.driver.leave().await?;
    Ok(Outcome {
        counted: parse(&merged)?,
        expected: expected(texts),
        execs: work.execs.into_inner(),
        again: work.again.into_inner(),
    })
}

/// Words of a part, one a line, sorted; pauses first, so that there is something to disturb. The
/// result appears whole or not at all: an exec that is lost half-way leaves nothing to be merged.
fn sort(part: &Path, pause: usize) -> String {
    let part = part.display();
    format!(
        "sleep {pause}; tr -cs 'A-Za-z' '\\n' < {part} | tr 'A-Z' 'a-z' | grep . | sort > {part}.$$ && mv {part}.$$ {part}.words"
    )
}

fn merge(parts: &[PathBuf]) -> String {
    let files: Vec<String> = parts.iter().map(|part| format!("{}.words", part.display())).collect();
    format!("sort -m {} | uniq -c", files.join(" "))
}

impl Work {
    /// Runs a script in an alloc of its own; once more in another one if it is lost.
    async fn run(self: Arc<Work>, script: String, what: String) -> anyhow::Result<String> {
        for _ in 0..TRIES {
            match self.attempt(&script).await? {
                Some(output) => {
                    let _ = self.heard.send(what);
                    return Ok(output);
                }
                None => self.again.fetch_add(1, Ordering::Relaxed),
            };
        }
        bail!("{what}: lost {TRIES} times")
    }

    /// The output; none if the exec was lost with its alloc.
    async fn attempt(&self, script: &str) -> anyhow::Result<Option<String>> {
        let need = Resources { cpu: 500, memory: 256 << 20, ..Resources::default() };
        let options = AllocOptions::new(Requirements::exactly(need));
        let alloc = match self.driver.alloc(options).await?.granted().await {
            Ok(alloc) => alloc,
            Err(DriverError::Over(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let command =
            ["sh", "-c", &format!("export LC_ALL=C; {script}")].map(str::to_owned).to_vec();
        let config = ExecConfig { command, ..ExecConfig::default() };
        let Ok(exec) = alloc.exec(config).await else { return Ok(None) };
        self.execs.fetch_add(1, Ordering::Relaxed);
        let (end, _) = exec.wait().await?;
        let output = match end {
            ExecEnd::Exited { code: 0, .. } => read(&exec).await,
            ExecEnd::Exited { .. } | ExecEnd::Failed { .. } | ExecEnd::Lost(_) => None,
        };
        // An alloc that is over has nothing to give back.
        let _ = alloc.free().await;
        Ok(output)
    }
}

/// All that an exec wrote; none if its instance has gone since.
async fn read(exec: &driver::Exec) -> Option<String> {
    let mut stream = exec.logs(driver::logs::Which::Stdout, 0, true).ok()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn parse(text: &str) -> anyhow::Result<Counts> {
    let pair = |line: &str| {
        let (count, word) = line.trim().split_once(' ').context("no count on a line")?;
        Ok((word.to_owned(), count.parse()?))
    };
    text.lines().map(pair).collect::<anyhow::Result<Counts>>().map(by_count)
}

fn by_count(mut counts: Counts) -> Counts {
    counts.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    counts
}

/// The same counts, computed here.
fn expected(texts: &[(&str, &str)]) -> Counts {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (_, text) in texts {
        let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
        for word in words {
            *counts.entry(word.to_ascii_lowercase()).or_default() += 1;
        }
    }
    by_count(counts.into_iter().collect())
}
