//! Figures, and what they are held against.

use crate::output::{self, Output, print};
use bytes::Bytes;
use replay::log::{Entry, Log, MAX_ROUND};
use schema::id::ClusterId;
use schema::subject;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a request, and of a grant, as they are on the log.
const RECORD: usize = 400;

/// One figure.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What the value is held against, in the same unit: from the same run, or a fixed one.
    pub(crate) limit: f64,
    /// What the limit is.
    pub(crate) against: &'static str,
    pub(crate) target: &'static str,
}

impl Figure {
    fn ratio(&self) -> f64 {
        self.value / self.limit
    }

    /// As programs read it, in the order in which people would.
    fn line(&self) -> String {
        let Figure { name, value, unit, limit, .. } = self;
        let fields = [
            ("name", json!(name)),
            ("value", json!(value)),
            ("unit", json!(unit)),
            ("limit", json!(limit)),
            ("ratio", json!(self.ratio())),
        ];
        let fields = fields.map(|(key, value)| format!("{}:{value}", json!(key)));
        format!("{{{}}}", fields.join(","))
    }

    fn row(&self) -> [String; 6] {
        [
            self.name.clone(),
            format!("{} {}", amount(self.value), self.unit),
            format!("{} {}", amount(self.limit), self.unit),
            format!("{:.*}", if self.ratio() < 0.1 { 3 } else { 2 }, self.ratio()),
            self.target.to_owned(),
            self.against.to_owned(),
        ]
    }
}

/// Three significant digits are all that a second run would confirm.
fn amount(value: f64) -> String {
    match value {
        small if small < 10.0 => format!("{small:.2}"),
        middle if middle < 1000.0 => format!("{middle:.1}"),
        large => format!("{large:.0}"),
    }
}

pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from) / took.as_secs_f64()
}

pub(crate) fn milliseconds(length: Duration) -> f64 {
    length.as_secs_f64() * 1000.0
}

/// The value that this share (of 1) of all does not exceed.
pub(crate) fn quantile(all: &mut [Duration], share: f64) -> Duration {
    all.sort_unstable();
    let last = u32::try_from(all.len().saturating_sub(1)).map_or(0.0, f64::from);
    // Not negative, and no more than the index of the last.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in bounds")]
    let index = (last * share).round() as usize;
    all.get(index).copied().unwrap_or_default()
}

/// A cluster that nobody else has on the server.
pub(crate) fn fresh_cluster() -> anyhow::Result<ClusterId> {
    Ok(format!("bench-{}", uuid::Uuid::now_v7().simple()).parse()?)
}

/// A log that nobody folds, on the same server.
pub(crate) struct Aside {
    log: Arc<dyn Log>,
    subject: String,
}

impl Aside {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Aside> {
        let cluster = fresh_cluster()?;
        let (log, _) = replay::log::open(url, &cluster, true).await?;
        Ok(Aside { log, subject: subject::election(&cluster) })
    }

    /// Appends this many records, in rounds as large as a log takes.
    pub(crate) async fn publish(&self, count: usize) -> anyhow::Result<Duration> {
        let payload = Bytes::from(vec![0; RECORD]);
        let all = vec![Entry { subject: self.subject.clone(), payload }; count];
        let since = Instant::now();
        for round in all.chunks(MAX_ROUND) {
            self.log.append(round, None).await?;
        }
        Ok(since.elapsed())
    }
}

/// Prints them.
pub(crate) fn show(output: Output, figures: &[Figure]) {
    if output == Output::Json {
        for figure in figures {
            print(&figure.line());
        }
        return;
    }
    let rows: Vec<[String; 6]> = figures.iter().map(Figure::row).collect();
    let heads = ["name", "value", "limit", "ratio", "target", "the limit is"];
    output::table(&heads, rows.iter().map(|row| &row[..]));
}
