//! One exec from its order to its end, as its runtime tells it: started or found again, and how it
//! ended.

use crate::logs;
use crate::runtime::{End, Failure, Runtime, Spec};
use crate::turn::Heard;
use agent_core::exec::Said;
use schema::event::LogDigest;
use schema::unit::Millis;
use smol_str::SmolStr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How an exec comes to be seen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It is started, or found by its runtime.
    Start,
    /// It was started in an earlier life.
    Find,
}

/// Sees an exec to its end.
pub(crate) async fn see(
    spec: Spec,
    how: How,
    runtime: Arc<dyn Runtime>,
    tell: mpsc::UnboundedSender<Heard>,
) {
    // Nobody listens any more once the agent has gone.
    let say = |said| drop(tell.send(Heard::Exec(spec.exec.clone(), said)));
    let end = to_its_end(&spec, how, &*runtime, say).await;
    runtime.settle(&spec).await;
    say(match end {
        Ok(end) => Said::Ended(end, digest(&spec).await),
        Err(failure) => Said::Failed(failure),
    });
}

async fn to_its_end(
    spec: &Spec,
    how: How,
    runtime: &dyn Runtime,
    say: impl Fn(Said),
) -> Result<End, Failure> {
    let handle = match how {
        How::Start => runtime.start(spec).await?,
        How::Find => SmolStr::default(),
    };
    let age = match spec.config.timeout {
        Some(_) => runtime.age(&spec.exec).await,
        None => Millis(0),
    };
    say(Said::Started { handle, age });
    runtime.wait(spec).await
}

async fn digest(spec: &Spec) -> LogDigest {
    let (stdout, stderr) = (spec.stdout.clone(), spec.stderr.clone());
    let read = tokio::task::spawn_blocking(move || logs::digest(&stdout, &stderr)).await;
    read.unwrap_or_default()
}
