//! An agent, without its world: what it is told goes in, what it wants done comes out. It folds what
//! names its instance, sees each exec from its order to its end, and says what is to be written.
//! Time, journal, log and runtimes are its caller's.
//!
//! Moments are milliseconds on the agent's own monotonic clock, since whenever that began.

use crate::exec::{self, KILL, Said, Watch};
use crate::orders::Orders;
use crate::plan::{Action, Run, plan};
use schema::codec;
use schema::event::{
    AllocClosed, AllocOpened, Event, ExecExited, ExecFailed, InstanceBooted, InstanceStopping,
    Interruption, InterruptionNoticed,
};
use schema::id::{ClusterId, ExecId, InstanceId};
use schema::record::Record;
use schema::unit::{Millis, Seq};
use schema::why::FailureClass;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// How long an agent that goes tries to bring its last records onto the log.
const LINGER: Millis = Millis::from_secs(10);

/// What an agent wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Do {
    /// Write this, because of that record, after all that was to be written before; and say when it
    /// has landed.
    Write(Box<Event>, Seq),
    /// Start this exec, or find it if its runtime knows it; say so, and how it ended.
    Start(Box<Run>),
    /// This exec was started in an earlier life: say that it has been, and how it ended.
    Find(Box<Run>),
    /// Send this signal to an exec.
    Signal(ExecId, i32),
    /// The log has the end of this exec: its runtime may drop what it keeps of it.
    Forget(ExecId),
    /// The log has its word that the instance is up, and where it has to prove that, the leader's that it
    /// did: it has joined.
    Joined,
    /// Go. So many records may not have landed, and are in the journal.
    Leave(u64),
}

/// Where an agent is, and what it has there.
#[derive(Debug, Clone)]
pub struct Place {
    /// The cluster.
    pub cluster: ClusterId,
    /// The instance.
    pub instance: InstanceId,
    /// Which runtimes there are: `process`, `docker`.
    pub runtimes: Vec<SmolStr>,
    /// Whether it proves that it is the agent of its instance: nothing else that it writes counts before the
    /// leader has said that it is.
    pub proves: bool,
}

/// The record by which an agent says that it is up, and where it has been read: what was sent twice may be there
/// twice, and only one of them counts. Somebody else may have written it with another number, or in other words.
#[derive(Debug)]
struct Word {
    life: Uuid,
    number: u64,
    booted: InstanceBooted,
    copies: BTreeSet<Seq>,
}

impl Word {
    fn is(&self, record: &Record) -> bool {
        let own = (record.incarnation, record.number) == (self.life, self.number);
        own && matches!(&record.event, Event::InstanceBooted(e) if *e == self.booted)
    }
}

/// The agent of one instance.
#[derive(Debug)]
pub struct Agent {
    place: Place,
    orders: Orders,
    /// Execs that are seen to, until their ends are written.
    watched: BTreeMap<ExecId, Watch>,
    /// When the log was last in reach.
    contact: Millis,
    /// How many records were written, those that an earlier life left behind among them, and how many
    /// of them have landed.
    written: u64,
    landed: u64,
    /// Whether what it writes counts.
    trusted: bool,
    /// How it has said that it is up, if it has to prove that.
    said: Option<Word>,
    /// Which of them says that the instance is up, until it has joined.
    boot: Option<u64>,
    /// What has happened, and is not to be written before it is trusted.
    held: Vec<(Event, Seq)>,
    /// Ends that have not landed, by count of what was written.
    ends: BTreeMap<u64, ExecId>,
    /// Since when nothing is left to do but to go.
    idle: Option<Millis>,
    wanted: Vec<Do>,
}

impl Agent {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(now: Millis, place: Place) -> Agent {
        Agent {
            orders: Orders::new(place.instance.clone(), place.proves),
            watched: BTreeMap::new(),
            contact: now,
            written: 0,
            landed: 0,
            trusted: !place.proves,
            said: None,
            boot: None,
            held: Vec::new(),
            ends: BTreeMap::new(),
            idle: None,
            wanted: Vec::new(),
            place,
        }
    }

    /// What is ordered, as folded so far.
    #[must_use]
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Folds the next record that names the instance; says whether it was one.
    pub fn fold(&mut self, seq: Seq, subject: &str, payload: &[u8]) -> bool {
        let record = codec::decode_at(&self.place.cluster, subject, payload);
        match &record {
            Some(record) => {
                self.orders.apply(seq, record);
                self.prove(seq, record);
            }
            None => self.orders.skip(),
        }
        record.is_some()
    }

    /// Follows what it has said of itself until that is verified: then what has happened since is written.
    /// Not before, even if an earlier record of this life is: numbers count from the one that is.
    fn prove(&mut self, seq: Seq, record: &Record) {
        let Some(word) = self.said.as_mut().filter(|_| !self.trusted) else { return };
        if word.is(record) {
            word.copies.insert(seq);
        }
        if let Event::InstanceVerified(e) = &record.event
            && word.copies.contains(&e.boot)
        {
            self.trusted = self.orders.trusted == Some(word.life);
        }
        if self.trusted {
            let held = std::mem::take(&mut self.held);
            self.wanted.extend(held.into_iter().map(|(e, cause)| Do::Write(Box::new(e), cause)));
            self.join();
        }
    }

    /// What an earlier life wrote, and may not have brought onto the log, has happened.
    pub fn left_behind(&mut self, payload: &[u8]) {
        self.written += 1;
        let Ok(record) = codec::decode(payload) else { return };
        self.orders.follow(&record.event);
        if let Event::ExecExited(ExecExited { exec, .. })
        | Event::ExecFailed(ExecFailed { exec, .. }) = record.event
        {
            self.ends.insert(self.written, exec);
        }
    }

    /// A runtime knows of these execs, all orders being folded; returns those that must be killed and
    /// forgotten: their ends are on the log, or their allocs are gone. What has ended for the journal
    /// alone is forgotten once that has landed.
    pub fn known(&mut self, execs: Vec<ExecId>) -> Vec<ExecId> {
        let ending: BTreeSet<&ExecId> = self.ends.values().collect();
        let execs = execs.into_iter().filter(|exec| !ending.contains(exec));
        execs.filter(|exec| !self.orders.begun(exec)).collect()
    }

    /// It is up in this life, and says so as its record of this number, which is the next; unless it must go and
    /// may say what is left to say.
    pub fn boot(&mut self, booted: InstanceBooted, (life, number): (Uuid, u64)) {
        self.trusted |= self.orders.trusted == Some(life);
        let copies = BTreeSet::new();
        let word = Word { life, number, booted: booted.clone(), copies };
        self.said = booted.proof.is_some().then_some(word);
        if !self.orders.stop || !self.trusted {
            self.write(booted, Seq(0));
            self.boot = Some(self.written);
        }
    }

    /// It has joined once its word that it is up is on the log, and it is trusted.
    fn join(&mut self) {
        if self.trusted && self.boot.take_if(|boot| *boot <= self.landed).is_some() {
            self.wanted.push(Do::Joined);
        }
    }

    /// The log was in reach at this moment.
    pub fn contact(&mut self, at: Millis) {
        self.contact = self.contact.max(at);
    }

    /// The instance will be taken away in so long. Each kind of notice is written once in the instance's
    /// life, whoever hears it again, and none of a mere risk once the end is known.
    pub fn interrupted(&mut self, interruption: Interruption, left: Millis) {
        let said = &self.orders.interruptions;
        let idle = interruption == Interruption::Rebalance && !said.is_empty();
        if idle || said.contains(&interruption) {
            return;
        }
        let instance = self.place.instance.clone();
        self.write(InterruptionNoticed { instance, interruption, left }, Seq(0));
    }

    /// It is to go by itself, with its execs.
    pub fn stop(&mut self, reason: String) {
        self.orders.stop = true;
        let instance = self.place.instance.clone();
        self.write(InstanceStopping { instance, reason }, Seq(0));
    }

    /// So many more records have landed, in the order in which they were to be written.
    pub fn landed(&mut self, more: u64) {
        self.landed += more;
        self.join();
        let later = self.ends.split_off(&self.landed.saturating_add(1));
        // Until the log has the end, only the runtime is sure to know it.
        let ends = std::mem::replace(&mut self.ends, later);
        self.wanted.extend(ends.into_values().map(Do::Forget));
    }

    /// What the runtime says of an exec that it was to start or to find.
    pub fn heard(&mut self, now: Millis, id: &ExecId, said: Said) {
        match said {
            Said::Started { handle, age } => self.started(now, id, handle, age),
            Said::Ended(end, logs) => {
                let Some(watch) = self.watched.remove(id) else { return };
                let events = watch.ended(now, &self.place.instance, end, logs);
                self.end(&watch.run, events);
            }
            Said::Failed(failure) => {
                let Some(watch) = self.watched.remove(id) else { return };
                let event = watch.failed(&self.place.instance, failure);
                self.end(&watch.run, vec![event]);
            }
        }
    }

    /// What it wants done now. Call it after everything that it is told, and every now and then.
    pub fn step(&mut self, now: Millis) -> Vec<Do> {
        let cut_off = Millis(now.0.saturating_sub(self.contact.0));
        self.orders.lapse(cut_off);
        for action in plan(&self.orders, |exec| self.watched.contains_key(exec)) {
            self.act(now, action);
        }
        self.limit(now);
        self.leave(now);
        std::mem::take(&mut self.wanted)
    }

    fn act(&mut self, now: Millis, action: Action) {
        let instance = self.place.instance.clone();
        match action {
            Action::Open(alloc, driver, cause) => {
                self.write(AllocOpened { alloc, driver, instance }, cause);
            }
            Action::Close(alloc, driver, cause) => {
                self.write(AllocClosed { alloc, driver, instance }, cause);
            }
            Action::Run(run) => self.run(now, run),
            Action::Kill(exec, signal) => self.signal(now, exec, signal),
            Action::Refuse(run, class) => self.refuse(&run, class),
        }
    }

    fn run(&mut self, now: Millis, run: Box<Run>) {
        if !self.place.runtimes.iter().any(|runtime| runtime == run.runtime()) {
            return self.refuse(&run, FailureClass::NoRuntime);
        }
        self.watched.insert(run.exec.clone(), Watch::new(now, (*run).clone()));
        self.wanted.push(if run.started { Do::Find(run) } else { Do::Start(run) });
    }

    /// Only what runs can be sent a signal.
    fn signal(&mut self, now: Millis, exec: ExecId, signal: i32) {
        let watch = self.watched.get_mut(&exec);
        if let Some(signal) = watch.and_then(|watch| watch.signal(now, signal)) {
            self.wanted.push(Do::Signal(exec, signal));
        }
    }

    /// Ends what has run for too long.
    fn limit(&mut self, now: Millis) {
        let over = self.watched.iter_mut().filter_map(|(id, w)| w.times_out(now).then_some(id));
        for exec in over.cloned().collect::<Vec<_>>() {
            self.signal(now, exec, KILL);
        }
    }

    fn started(&mut self, now: Millis, id: &ExecId, handle: SmolStr, age: Millis) {
        let Some(watch) = self.watched.get_mut(id) else { return };
        watch.started(now, age);
        if !watch.run.started {
            watch.run.started = true;
            let event = exec::started(&watch.run, &self.place.instance, handle);
            let cause = watch.run.cause;
            self.write(event, cause);
        }
    }

    fn refuse(&mut self, run: &Run, class: FailureClass) {
        let event = exec::refused(run, &self.place.instance, class);
        self.write(event, run.cause);
    }

    /// The last of `events` is the end of the exec.
    fn end(&mut self, run: &Run, events: Vec<Event>) {
        for event in events {
            self.write(event, run.cause);
        }
        self.ends.insert(self.written, run.exec.clone());
    }

    /// Writes an own event down; it has happened, whenever it lands.
    fn write(&mut self, event: impl Into<Event>, cause: Seq) {
        let event = event.into();
        self.orders.follow(&event);
        self.written += 1;
        if self.trusted || matches!(event, Event::InstanceBooted(_)) {
            self.wanted.push(Do::Write(Box::new(event), cause));
        } else {
            self.held.push((event, cause));
        }
    }

    /// Goes when it must, all has ended, and the log has all of it or has been out of reach for long.
    fn leave(&mut self, now: Millis) {
        let orders = &self.orders;
        let empty = orders.allocs.is_empty() && orders.execs.is_empty() && self.watched.is_empty();
        if !orders.stop || !empty {
            self.idle = None;
            return;
        }
        let since = *self.idle.get_or_insert(now);
        let unlanded = self.written.saturating_sub(self.landed);
        if unlanded == 0 || now.0.saturating_sub(since.0) > LINGER.0 {
            self.wanted.push(Do::Leave(unlanded));
        }
    }
}
