//! What all handles of one driver share: its [core](driver_core::driver), its author, and who waits
//! for what.

use crate::driver::DriverError;
use driver_core::Driver as Core;
use driver_core::view::{AllocView, Changed, ExecView, Given, View};
use replay::author::Author;
use replay::log::{Batch, Log, Reader};
use schema::event::{AllocsKept, Event};
use schema::id::{AllocId, ClusterId, DriverId, ExecId};
use schema::unit::{Millis, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

pub(crate) struct Shared {
    pub(crate) cluster: ClusterId,
    pub(crate) driver: DriverId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) http: reqwest::Client,
    pub(crate) lease: Millis,
    /// When allocs must be kept next, by [`Clock`].
    pub(crate) due: watch::Sender<Option<Millis>>,
    pub(crate) clock: Clock,
    author: Author,
    tables: Mutex<Tables>,
    /// The last record that was folded.
    applied: watch::Sender<Seq>,
    failed: watch::Sender<Option<DriverError>>,
}

/// This process's monotonic clock.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    pub(crate) fn now(self) -> Millis {
        Millis::of(self.0.elapsed())
    }

    /// When it is this late; never, if that is beyond all clocks.
    pub(crate) async fn reaches(self, moment: Option<Millis>) {
        match moment.and_then(|moment| self.0.checked_add(moment.duration())) {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }
}

struct Tables {
    core: Core,
    /// Who waits for what; nobody for what has ended.
    allocs: BTreeMap<AllocId, watch::Sender<AllocView>>,
    execs: BTreeMap<ExecId, watch::Sender<ExecView>>,
}

/// What a driver is made of.
pub(crate) struct Parts {
    pub(crate) cluster: ClusterId,
    pub(crate) driver: DriverId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) http: reqwest::Client,
    pub(crate) lease: Millis,
    pub(crate) author: Author,
    pub(crate) clock: Clock,
    pub(crate) core: Core,
}

/// Folds a batch; returns what it changed.
pub(crate) fn fold(core: &mut Core, batch: &Batch) -> Vec<Changed> {
    let records = batch.records.iter();
    records.flat_map(|r| core.fold(r.seq, r.time, &r.subject, &r.payload)).collect()
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Shared {
        let Parts { cluster, driver, log, http, lease, author, clock, core } = parts;
        let due = watch::Sender::new(core.due());
        let tables = Tables { core, allocs: BTreeMap::new(), execs: BTreeMap::new() };
        Shared {
            cluster,
            driver,
            log,
            http,
            lease,
            due,
            clock,
            author,
            tables: Mutex::new(tables),
            applied: watch::Sender::new(Seq(0)),
            failed: watch::Sender::new(None),
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this life's joining has come back from the log.
    pub(crate) fn joined(&self) -> bool {
        self.tables().core.joined()
    }

    /// Looks at what is known now.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(self.tables().core.view())
    }

    /// Writes a record; gives up when the driver cannot go on.
    pub(crate) async fn write(&self, event: impl Into<Event>) -> Result<Seq, DriverError> {
        let failed = self.failed.borrow().clone();
        if let Some(why) = failed {
            return Err(why);
        }
        tokio::select! {
            biased;
            written = self.author.write(event, Seq(0)) => Ok(written?),
            why = self.failed() => Err(why),
        }
    }

    /// Waits until a record of this driver has been folded.
    pub(crate) async fn reached(&self, seq: Seq) -> Result<(), DriverError> {
        let mut applied = self.applied.subscribe();
        tokio::select! {
            _ = applied.wait_for(|at| *at >= seq) => Ok(()),
            why = self.failed() => Err(why),
        }
    }

    /// Waits until this driver cannot go on, and says why.
    pub(crate) async fn failed(&self) -> DriverError {
        let mut failed = self.failed.subscribe();
        match failed.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            _ => DriverError::Read("the driver has stopped".into()),
        }
    }

    /// The driver cannot go on: whoever waits is woken by the end of their channel.
    pub(crate) fn fail(&self, why: DriverError) {
        self.failed.send_replace(Some(why));
        let mut tables = self.tables();
        tables.allocs.clear();
        tables.execs.clear();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.borrow().is_some()
    }

    pub(crate) fn watch_new_alloc(&self, id: &AllocId) -> watch::Receiver<AllocView> {
        let mut tables = self.tables();
        let sender = tables.allocs.entry(id.clone());
        sender.or_insert_with(|| watch::Sender::new(AllocView::Waiting(None))).subscribe()
    }

    pub(crate) fn watch_alloc(
        &self,
        id: &AllocId,
    ) -> Result<watch::Receiver<AllocView>, DriverError> {
        let mut tables = self.tables();
        let view = tables.core.view().allocs.get(id).cloned();
        let view = view.ok_or_else(|| DriverError::Unknown(id.to_string()))?;
        if settled(&view) {
            return Ok(watch::Sender::new(view).subscribe());
        }
        let sender = tables.allocs.entry(id.clone()).or_insert_with(|| watch::Sender::new(view));
        Ok(sender.subscribe())
    }

    pub(crate) fn watch_new_exec(&self, id: &ExecId, alloc: &AllocId) -> watch::Receiver<ExecView> {
        let new = ExecView { alloc: alloc.clone(), started: false, oom: None, end: None };
        let mut tables = self.tables();
        let sender = tables.execs.entry(id.clone());
        sender.or_insert_with(|| watch::Sender::new(new)).subscribe()
    }

    /// What is known of an exec, if the log has it.
    pub(crate) fn watch_exec(&self, id: &ExecId) -> Option<watch::Receiver<ExecView>> {
        let mut tables = self.tables();
        let view = tables.core.view().execs.get(id).cloned()?;
        if view.end.is_some() {
            return Some(watch::Sender::new(view).subscribe());
        }
        let sender = tables.execs.entry(id.clone()).or_insert_with(|| watch::Sender::new(view));
        Some(sender.subscribe())
    }

    /// What was given under this alloc, if it ever was.
    pub(crate) fn given(&self, id: &AllocId) -> Result<Given, DriverError> {
        let given = self.look(|view| view.given.get(id).cloned());
        given.ok_or_else(|| DriverError::Unknown(id.to_string()))
    }

    /// Reads and folds a batch.
    pub(crate) async fn read(
        &self,
        reader: &mut dyn Reader,
        wait: Duration,
    ) -> Result<(), DriverError> {
        let batch = reader.next_batch(wait).await?;
        let mut tables = self.tables();
        let mut changed = fold(&mut tables.core, &batch);
        changed.extend(tables.core.expire(self.clock.now()));
        let news = tables.news(changed);
        let (taken_over, due) = (tables.core.taken_over(), tables.core.due());
        // Told without the lock: whoever looks at what is told may be waiting for the tables.
        drop(tables);
        news.into_iter().for_each(News::tell);
        if taken_over {
            return Err(DriverError::TakenOver(self.driver.clone()));
        }
        self.keep_at(due);
        let last = batch.records.last().map_or(Seq(0), |stored| stored.seq);
        self.applied.send_if_modified(|at| last > std::mem::replace(at, last.max(*at)));
        Ok(())
    }

    /// What to write now to keep allocs alive.
    pub(crate) fn keepalive(&self) -> Vec<AllocsKept> {
        let mut tables = self.tables();
        let records = tables.core.keep(self.clock.now());
        self.keep_at(tables.core.due());
        records
    }

    /// All of the keepalive has landed.
    pub(crate) fn kept(&self) {
        let mut tables = self.tables();
        tables.core.kept(self.clock.now());
        self.keep_at(tables.core.due());
    }

    fn keep_at(&self, due: Option<Millis>) {
        self.due.send_if_modified(|known| std::mem::replace(known, due) != due);
    }
}

fn settled(view: &AllocView) -> bool {
    matches!(view, AllocView::Refused(_) | AllocView::Over(_))
}

/// What somebody waits for.
enum News {
    Alloc(watch::Sender<AllocView>, AllocView),
    Exec(watch::Sender<ExecView>, ExecView),
}

impl News {
    fn tell(self) {
        match self {
            News::Alloc(watch, view) => drop(watch.send_replace(view)),
            News::Exec(watch, view) => drop(watch.send_replace(view)),
        }
    }
}

impl Tables {
    /// What is to be told, in order, of what has changed: of each the last, and once. Were it told twice,
    /// who has heard the first and looks at it would hold up the second, and all that is read after it.
    fn news(&mut self, changed: Vec<Changed>) -> Vec<News> {
        let mut told = BTreeSet::new();
        let once = changed.into_iter().filter(|change| told.insert(change.clone()));
        let news = once.filter_map(|change| match change {
            Changed::Alloc(id) => self.news_of_alloc(&id),
            Changed::Exec(id) => self.news_of_exec(&id),
        });
        news.collect()
    }

    fn news_of_alloc(&mut self, id: &AllocId) -> Option<News> {
        let view = self.core.view().allocs.get(id)?;
        let watch =
            if settled(view) { self.allocs.remove(id) } else { self.allocs.get(id).cloned() };
        Some(News::Alloc(watch?, view.clone()))
    }

    fn news_of_exec(&mut self, id: &ExecId) -> Option<News> {
        let view = self.core.view().execs.get(id)?;
        let ended = view.end.is_some();
        let watch = if ended { self.execs.remove(id) } else { self.execs.get(id).cloned() };
        Some(News::Exec(watch?, view.clone()))
    }
}
