//! Plain processes from submission to end, beside a shell tool that does nothing but spawn them.

use super::fleet::Fleet;
use super::measure::{Figure, per_second};
use anyhow::{Context, ensure};
use driver::{Alloc, AllocOptions, ExecEnd};
use futures::{StreamExt, TryStreamExt};
use schema::event::ExecConfig;
use schema::requirements::Requirements;
use schema::resources::Resources;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const EXECS: usize = 2000;
const TURNS: usize = 3;
/// Submissions that a driver has under way at a time.
const AT_ONCE: usize = 500;

pub(super) async fn execs(url: &str) -> anyhow::Result<Figure> {
    let fleet = Fleet::start(url).await?;
    let driver = fleet.driver("bench").await?;
    let amount = Resources { cpu: 2000, memory: 1 << 30, ..Resources::default() };
    let options = AllocOptions::new(Requirements::exactly(amount));
    let alloc = driver.alloc(options).await?.granted().await?;
    all(&alloc, AT_ONCE).await?;
    let (mut running, mut spawning) = (Duration::MAX, Duration::MAX);
    for _ in 0..TURNS {
        spawning = spawning.min(xargs(EXECS)?);
        running = running.min(all(&alloc, EXECS).await?);
    }
    alloc.free().await?;
    driver.leave().await?;
    fleet.stop().await?;
    Ok(Figure {
        name: "process_execs".into(),
        value: per_second(EXECS, running),
        unit: "execs/s",
        limit: per_second(EXECS, spawning),
        against: "xargs -P2 spawning `true`",
        target: ">= 0.5",
    })
}

async fn all(alloc: &Alloc, count: usize) -> anyhow::Result<Duration> {
    let since = Instant::now();
    let config = ExecConfig { command: vec!["true".into()], ..ExecConfig::default() };
    let one = |_| {
        let config = config.clone();
        async move {
            let (end, _) = alloc.exec(config).await?.wait().await?;
            ensure!(matches!(end, ExecEnd::Exited { code: 0, .. }), "{end:?}");
            anyhow::Ok(())
        }
    };
    futures::stream::iter(0..count).map(one).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(since.elapsed())
}

fn xargs(count: usize) -> anyhow::Result<Duration> {
    let since = Instant::now();
    let mut xargs = Command::new("xargs");
    xargs.args(["-P2", "-n1", "true"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = xargs.spawn().context("cannot run xargs")?;
    if let Some(mut lines) = child.stdin.take() {
        lines.write_all("x\n".repeat(count).as_bytes())?;
    }
    ensure!(child.wait()?.success(), "xargs failed");
    Ok(since.elapsed())
}
