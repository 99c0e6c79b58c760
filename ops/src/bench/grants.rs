//! From a request to its grant, beside one publish and its acknowledgement; and how many grants a
//! second, beside appending as many requests and grants without deciding anything.

use super::fleet::Fleet;
use super::measure::{Aside, Figure, milliseconds, per_second, quantile};
use driver::{Alloc, AllocOptions, AllocRequest, Driver};
use futures::future::try_join_all;
use schema::requirements::Requirements;
use schema::resources::Resources;
use std::time::{Duration, Instant};

const SINGLE: usize = 300;
const MANY: usize = 2000;

fn small() -> AllocOptions {
    let amount = Resources { cpu: 100, memory: 1 << 20, ..Resources::default() };
    AllocOptions::new(Requirements::exactly(amount))
}

pub(super) async fn grants(url: &str) -> anyhow::Result<[Figure; 3]> {
    let fleet = Fleet::start(url).await?;
    let driver = fleet.driver("bench").await?;
    let aside = Aside::open(url).await?;
    // The instance is up and everything has been used once.
    driver.alloc(small()).await?.granted().await?.free().await?;
    let (mut granting, mut publishing) = (Vec::new(), Vec::new());
    for _ in 0..SINGLE {
        publishing.push(aside.publish(1).await?);
        let since = Instant::now();
        let alloc = driver.alloc(small()).await?.granted().await?;
        granting.push(since.elapsed());
        alloc.free().await?;
    }
    let ack = milliseconds(quantile(&mut publishing, 0.5));
    let against = "one publish and its acknowledgement, median";
    let latency = |name: &str, share: f64, target, all: &mut [Duration]| Figure {
        name: name.into(),
        value: milliseconds(quantile(all, share)),
        unit: "ms",
        limit: ack,
        against,
        target,
    };
    let p50 = latency("grant_p50", 0.5, "<= 3", &mut granting);
    let p99 = latency("grant_p99", 0.99, "-", &mut granting);
    let rate = rate(&driver, &aside).await?;
    driver.leave().await?;
    fleet.stop().await?;
    Ok([p50, p99, rate])
}

/// Many requests at once, until the last of them is granted.
async fn rate(driver: &Driver, aside: &Aside) -> anyhow::Result<Figure> {
    let floor = aside.publish(2 * MANY).await?;
    let since = Instant::now();
    let requests = try_join_all((0..MANY).map(|_| driver.alloc(small()))).await?;
    let allocs = try_join_all(requests.into_iter().map(AllocRequest::granted)).await?;
    let took = since.elapsed();
    try_join_all(allocs.into_iter().map(Alloc::free)).await?;
    Ok(Figure {
        name: "grants".into(),
        value: per_second(MANY, took),
        unit: "grants/s",
        limit: per_second(MANY, floor),
        against: "as many records appended in full rounds, and nothing decided",
        target: "-",
    })
}
