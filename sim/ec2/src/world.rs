//! What the proxy knows, and how it asks moto.

use crate::bucket::Buckets;
use crate::clock::Clock;
use crate::error::{Error, unknown_instances};
use crate::life::{Death, Fate, Life, Seen};
use crate::market::SpotMarket;
use crate::page::Pages;
use crate::record::{Call, Truth};
use crate::request::Request;
use crate::rule::{Script, subnet};
use crate::shelf::Shelf;
use crate::token::Tokens;
use crate::xml::{self, Element};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) struct World {
    moto: String,
    client: reqwest::Client,
    pub(crate) clock: Clock,
    /// `None` if nothing is throttled.
    pub(crate) buckets: Mutex<Option<Buckets>>,
    pub(crate) script: Mutex<Script>,
    pub(crate) tokens: Tokens,
    pub(crate) pages: Mutex<Pages>,
    pub(crate) market: Mutex<SpotMarket>,
    pub(crate) shelf: Mutex<Shelf>,
    /// What is left of lists, by the token of the page behind.
    pub(crate) lists: Mutex<BTreeMap<String, Vec<Element>>>,
    /// Instances of types that moto does not know, by what those are called.
    pub(crate) invented: Mutex<BTreeMap<String, String>>,
    pub(crate) calls: Mutex<Vec<Call>>,
    lives: Mutex<BTreeMap<String, Life>>,
    zones: Mutex<BTreeMap<String, String>>,
    /// Those that were ever asked for.
    regions: Mutex<BTreeSet<String>>,
    numbers: AtomicU64,
}

/// Nothing is left half-changed under any of these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(moto: &str, held: bool, throttle: bool) -> World {
        World {
            moto: moto.to_owned(),
            client: reqwest::Client::new(),
            clock: Clock::new(held),
            buckets: Mutex::new(throttle.then(Buckets::default)),
            script: Mutex::default(),
            tokens: Tokens::default(),
            pages: Mutex::default(),
            market: Mutex::default(),
            shelf: Mutex::default(),
            lists: Mutex::default(),
            invented: Mutex::default(),
            calls: Mutex::default(),
            lives: Mutex::default(),
            zones: Mutex::default(),
            regions: Mutex::default(),
            numbers: AtomicU64::new(0),
        }
    }

    /// The number of a new call, and where to look for what comes of it.
    pub(crate) fn number(&self, region: &str) -> u64 {
        lock(&self.regions).insert(region.to_owned());
        self.numbers.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// What moto answers, if it is not an error.
    pub(crate) async fn pass(&self, request: &Request) -> Result<String, Error> {
        let (region, service) = (&request.region, request.service.name());
        let scope = format!("Credential=proxy/20260101/{region}/{service}/aws4_request");
        let sent = self
            .client
            .post(&self.moto)
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}"))
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .body(request.encode());
        let answer = sent.send().await.map_err(|error| gone(&error))?;
        let well = answer.status().is_success();
        let text = answer.text().await.map_err(|error| gone(&error))?;
        if well {
            return Ok(text);
        }
        let cannot = || Error::new("MotoCannot", format!("moto cannot {}", request.action));
        let root = xml::parse(&text).map_err(|_| cannot())?;
        // IAM's stands alone.
        let error = root.items("Errors").next().or_else(|| root.child("Error"));
        let error = error.ok_or_else(cannot)?;
        Err(Error::new(error.at(&["Code"]), error.at(&["Message"])))
    }

    /// The same as a tree.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Element, Error> {
        let text = self.pass(request).await?;
        xml::parse(&text).map_err(|error| Error::new("MotoCannot", error.to_string()))
    }

    /// All items of moto's answer to a look at instances, each beside its reservation.
    pub(crate) async fn rows(&self, mut request: Request) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        loop {
            let answer = self.ask(&request).await?;
            for reservation in answer.items("reservationSet") {
                let shell = Row::shell(reservation);
                let items = reservation.items("instancesSet").cloned().map(|mut item| {
                    self.call(&mut item);
                    item
                });
                rows.extend(items.map(|item| Row { shell: shell.clone(), item }));
            }
            let statuses = answer.items("instanceStatusSet");
            rows.extend(statuses.map(|item| Row { shell: Element::default(), item: item.clone() }));
            match answer.at(&["nextToken"]) {
                "" => return Ok(rows),
                token => request = request.with("NextToken", token),
            }
        }
    }

    /// Shows an instance as one of the type that was asked for.
    pub(crate) fn call(&self, item: &mut Element) {
        let named = lock(&self.invented).get(item.at(&["instanceId"])).cloned();
        if let Some(text) = named {
            item.put(Element::text("instanceType", &text));
        }
    }

    /// The zone that a request asks for, by name; `None` if it leaves that to EC2.
    pub(crate) async fn zone(&self, request: &Request) -> Option<String> {
        let Some(id) = subnet(request) else {
            let named = request.get("Placement.AvailabilityZone");
            return named.filter(|zone| !zone.is_empty()).map(str::to_owned);
        };
        if let Some(zone) = lock(&self.zones).get(id) {
            return Some(zone.clone());
        }
        let asked = Request::new("DescribeSubnets", &request.region).with("SubnetId.1", id);
        let answer = self.ask(&asked).await.ok()?;
        let zone = answer.items("subnetSet").next()?.at(&["availabilityZone"]).to_owned();
        lock(&self.zones).insert(id.to_owned(), zone.clone());
        Some(zone)
    }

    pub(crate) fn born(&self, ids: &[String], region: &str, fate: &Fate) {
        let now_ms = self.clock.now_ms();
        let life = |id: &String| (id.clone(), Life::new(region, fate.clone(), now_ms));
        lock(&self.lives).extend(ids.iter().map(life));
    }

    /// What there is to say of an instance; `None` of one that was not launched through the proxy.
    pub(crate) fn life(&self, id: &str) -> Option<Life> {
        lock(&self.lives).get(id).cloned()
    }

    /// What was to be seen of an instance at a time, or before the proxy began.
    pub(crate) fn seen(&self, id: &str, at_ms: Option<u64>) -> Option<Seen> {
        let life = self.life(id)?;
        Some(at_ms.map_or(Seen::Unknown, |at_ms| life.seen(at_ms)))
    }

    /// Lets an instance end; `false` if it was not launched through the proxy.
    pub(crate) fn kill(&self, id: &str, death: &Death, settled: bool) -> bool {
        let now_ms = self.clock.now_ms();
        let mut lives = lock(&self.lives);
        let Some(life) = lives.get_mut(id) else { return false };
        life.die(death, now_ms);
        life.settled |= settled;
        true
    }

    /// Fails if an instance that a request names was unknown at a time.
    pub(crate) fn known(&self, request: &Request, at_ms: Option<u64>) -> Result<(), Error> {
        let mut unknown = request.instances();
        unknown.retain(|id| self.seen(id, at_ms) == Some(Seen::Unknown));
        if unknown.is_empty() { Ok(()) } else { Err(unknown_instances(&unknown)) }
    }

    /// Lets moto end what has ended by itself.
    pub(crate) async fn settle(&self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let mut due: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, life) in lock(&self.lives).iter().filter(|(_, life)| life.is_due(now_ms)) {
            due.entry(life.region.clone()).or_default().push(id.clone());
        }
        for (region, ids) in due {
            let request = Request::new("TerminateInstances", &region);
            self.pass(&request.with_list("InstanceId", &ids)).await?;
            let mut lives = lock(&self.lives);
            for id in ids {
                lives.entry(id).and_modify(|life| life.settled = true);
            }
        }
        Ok(())
    }

    /// Every instance in every region that was ever asked for, as moto has it.
    pub(crate) async fn truth(&self) -> io::Result<Vec<Truth>> {
        let wrong = |error: Error| io::Error::other(format!("{}: {}", error.code, error.message));
        self.settle().await.map_err(wrong)?;
        let regions = lock(&self.regions).clone();
        let mut found = Vec::new();
        for region in regions {
            let request = Request::new("DescribeInstances", &region).with("MaxResults", "1000");
            let rows = self.rows(request).await.map_err(wrong)?;
            found.extend(rows.iter().map(|row| truth(&row.item)));
        }
        Ok(found)
    }
}

/// An instance, or its status, and the reservation around it without its instances.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) shell: Element,
    pub(crate) item: Element,
}

impl Row {
    fn shell(reservation: &Element) -> Element {
        let mut shell = reservation.clone();
        shell.remove("instancesSet");
        shell
    }

    pub(crate) fn id(&self) -> &str {
        self.item.at(&["instanceId"])
    }
}

fn gone(error: &reqwest::Error) -> Error {
    Error::new("MotoGone", format!("moto does not answer: {error}"))
}

fn truth(item: &Element) -> Truth {
    let tag = |tag: &Element| (tag.at(&["key"]).to_owned(), tag.at(&["value"]).to_owned());
    Truth {
        id: item.at(&["instanceId"]).to_owned(),
        state: item.at(&["instanceState", "name"]).to_owned(),
        token: item.at(&["clientToken"]).to_owned(),
        instance_type: item.at(&["instanceType"]).to_owned(),
        zone: item.at(&["placement", "availabilityZone"]).to_owned(),
        spot: item.at(&["instanceLifecycle"]) == "spot",
        tags: item.items("tagSet").map(tag).collect(),
    }
}
