//! EC2's API for tests: a real moto server, and before it a proxy that gives what EC2 has and moto has
//! not, and every fault that a script asks for. Point `AWS_ENDPOINT_URL` at [`Proxy::url`].
//!
//! # What of EC2 it gives
//! - Client tokens of `RunInstances`: same token and parameters, same instances, as they are now, also
//!   when they have ended; other parameters, `IdempotentParameterMismatch`; two at once, one launch. A
//!   token counts in the zone if a zone or a subnet is asked for, else in the region. Unlike EC2, it is
//!   never forgotten, and it stays bound to its parameters even if the launch failed: nobody who gets on
//!   with this relies on more than EC2 promises.
//! - `MaxCount`, or between that and `MinCount` what a script says; user data of at most 16 KiB, base64.
//! - `DescribeInstances` and `DescribeInstanceStatus` in pages of 5 to 1000, with the filters
//!   `client-token`, `instance-lifecycle` and those of states; the same page twice if it is asked for
//!   twice. Instances that other calls do not know yet, states that are old, states on their way, ends
//!   with their reasons, and, an hour later, nothing.
//! - `GetSpotPlacementScores` and `DescribeSpotPriceHistory` from a table; scores are the table's, none
//!   follows from the number of types or from what is in use.
//! - `DescribeInstanceTypes` and `DescribeInstanceTypeOfferings` of what moto has, page by page, with types
//!   beside it that are invented, and without what a table says is not sold any more; moto launches what an
//!   invented type is like, and everybody is shown its own name. `GetProducts` of the price list, in JSON.
//! - Throttling with the published bucket sizes. A look by ids alone counts as one at everything.
//! - Errors as EC2 writes them, with its statuses; lost requests, lost and cut answers, slow ones. Errors
//!   that EC2 gives before it looks at a request also meet the repetition of a launch; others do not.
//!
//! # What it does not give
//! - IAM's actions, `CreateFleet`, `RequestSpotInstances` and all else go to moto as they are: their tokens mean
//!   nothing, and what they launch follows no script.
//! - Nobody checks signatures, permissions, quotas, images, subnets' free addresses, or prices. Moto
//!   takes any image id; spot instances have no request of their own.
//! - Nothing boots: no user data runs, no metadata service answers, no interruption is announced there,
//!   and what is ended keeps its addresses and volumes in answers.
//! - Looks at anything but instances are never late. Only moto's own filters are known there, and most
//!   lists ignore `MaxResults` and come whole.
//! - Where moto itself fails, the code is `MotoCannot` or `MotoGone`, which EC2 has not: such an answer
//!   says something about this crate, not about who asked.

mod bucket;
mod clock;
mod control;
mod error;
mod instances;
mod launch;
mod life;
mod market;
pub mod moto;
mod page;
mod record;
mod request;
mod rule;
mod serve;
mod shelf;
mod token;
mod work;
mod world;
mod xml;

pub use life::{Death, FOREVER, Fate};
pub use market::{Price, Score, SpotMarket};
pub use moto::Moto;
pub use record::{Answered, Call, Ledger, Truth};
pub use request::Parameters;
pub use rule::{Applied, Effect, Failure, Market, Often, Rule, When};
pub use shelf::{Gone, Kind, Product, Shelf};

use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use world::{World, lock};

/// How a proxy begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// On loopback; 0 for one that is free.
    pub port: u16,
    /// Throttles as EC2 does.
    pub throttle: bool,
    /// Its clock stands still, but for [`Proxy::advance`].
    pub held: bool,
}

/// A proxy on loopback; it ends, with all connections, when dropped.
pub struct Proxy {
    world: Arc<World>,
    url: String,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// Begins to serve before the moto server at this address.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(moto: &str, options: Options) -> io::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let world = Arc::new(World::new(moto, options.held, options.throttle));
        let serving = tokio::spawn(serve::serve(listener, world.clone()));
        Ok(Proxy { world, url, serving })
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Adds a rule after those there are.
    pub fn add(&self, rule: Rule) {
        control::add(&self.world, rule);
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        lock(&self.world.script).0.clear();
    }

    /// All rules, and how often each applied.
    #[must_use]
    pub fn rules(&self) -> Vec<Applied> {
        lock(&self.world.script).0.clone()
    }

    /// Lets time pass, in milliseconds.
    pub fn advance(&self, ms: u64) {
        self.world.clock.advance(ms);
    }

    /// Throttles as EC2 does, from full buckets on; or not at all.
    pub fn throttle(&self, on: bool) {
        control::throttle(&self.world, on);
    }

    /// Puts this in the place of what was known of the spot market.
    pub fn market(&self, market: SpotMarket) {
        *lock(&self.world.market) = market;
    }

    /// Puts this in the place of what was sold beside what moto has.
    pub fn shelf(&self, shelf: Shelf) {
        *lock(&self.world.shelf) = shelf;
    }

    /// Lets an instance end, from now on; `false` if it was not launched through this proxy.
    #[must_use]
    pub fn kill(&self, instance: &str, death: &Death) -> bool {
        self.world.kill(instance, death, false)
    }

    /// All calls that have been answered, or were not to be.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger { calls: lock(&self.world.calls).clone() }
    }

    /// Every instance in every region that was asked for, from moto itself.
    ///
    /// # Errors
    /// Moto does not answer.
    pub async fn truth(&self) -> io::Result<Vec<Truth>> {
        self.world.truth().await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
