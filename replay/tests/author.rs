//! Authors on a log that misbehaves: nothing lost, nothing doubled, nothing out of order.

use async_trait::async_trait;
use replay::author::{Author, AuthorError, Forgetful, Identity, Outbox};
use replay::log::{
    AppendError, Entry, Fence, Identity as LogIdentity, Log, OpenError, ReadError, Reader,
};
use schema::codec;
use schema::event::{DriverJoined, Event};
use schema::id::{AuthorId, ClusterId, DriverId};
use schema::unit::{LogTime, Seq};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// What becomes of one append.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Stored, and told so.
    Stored,
    /// Not stored, and told to try again.
    Busy,
    /// Stored, but nobody is told.
    Deaf,
    /// Not stored, and nobody is told.
    Gone,
    /// Nobody is told, and it is stored once the next one has been.
    Late,
    /// Refused for good.
    Refused,
}

const PASSING: [Fate; 5] = [Fate::Stored, Fate::Busy, Fate::Deaf, Fate::Gone, Fate::Late];

#[derive(Default)]
struct Told {
    script: VecDeque<Fate>,
    stored: Vec<Entry>,
    late: Vec<Entry>,
    rounds: Vec<usize>,
}

/// A log that does as a script says, and stores everything once the script is over.
struct Scripted {
    told: Mutex<Told>,
    identity: LogIdentity,
}

impl Scripted {
    fn new(script: &[Fate]) -> Arc<Scripted> {
        let told = Told { script: script.iter().copied().collect(), ..Told::default() };
        let (stream, generation, created) = ("scripted".into(), 1, LogTime(0));
        let identity = LogIdentity { stream, generation, created };
        Arc::new(Scripted { told: Mutex::new(told), identity })
    }

    fn author(self: &Arc<Scripted>, outbox: Box<dyn Outbox>) -> Author {
        let (cluster, author) = ("test".parse().expect("an id"), "d-1".parse().expect("an id"));
        let cluster: ClusterId = cluster;
        let author: AuthorId = author;
        Author::start(self.clone(), Identity::fresh(cluster, author), outbox)
    }

    /// The events as the fold takes them: each number of each life once, in order.
    fn accepted(&self) -> Vec<String> {
        let (mut last, mut accepted) = ((Uuid::nil(), 0), Vec::new());
        for entry in &self.told.lock().expect("unbroken").stored {
            let record = codec::decode(&entry.payload).expect("a record");
            let before = if record.incarnation == last.0 { last.1 } else { 0 };
            if record.incarnation >= last.0 && record.number == before + 1 {
                last = (record.incarnation, record.number);
                accepted.push(said(&record.event));
            }
        }
        accepted
    }

    fn at(&self, seq: Seq) -> String {
        let told = self.told.lock().expect("unbroken");
        let entry = &told.stored[usize::try_from(seq.0).expect("small") - 1];
        said(&codec::decode(&entry.payload).expect("a record").event)
    }
}

#[async_trait]
impl Log for Scripted {
    async fn append(&self, round: &[Entry], _: Option<&Fence>) -> Result<Seq, AppendError> {
        let mut told = self.told.lock().expect("unbroken");
        told.rounds.push(round.len());
        let fate = told.script.pop_front().unwrap_or(Fate::Stored);
        if matches!(fate, Fate::Stored | Fate::Deaf) {
            told.stored.extend_from_slice(round);
        }
        let late = std::mem::take(&mut told.late);
        let last = Seq(told.stored.len() as u64);
        told.stored.extend(late);
        let unknown = || Err(AppendError::Unresolved("no answer came".into()));
        match fate {
            Fate::Stored => Ok(last),
            Fate::Busy => Err(AppendError::Busy("later".into())),
            Fate::Deaf | Fate::Gone => unknown(),
            Fate::Late => {
                told.late = round.to_vec();
                unknown()
            }
            Fate::Refused => Err(AppendError::Refused("never".into())),
        }
    }

    async fn read(&self, _: Seq, _: Option<&str>) -> Result<Box<dyn Reader>, ReadError> {
        Err(ReadError::Refused("nobody reads here".into()))
    }

    async fn last_seq(&self) -> Result<Seq, ReadError> {
        Ok(Seq(self.told.lock().expect("unbroken").stored.len() as u64))
    }

    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    async fn roll_over(&self, _: &Entry) -> Result<Box<dyn Log>, OpenError> {
        Err(OpenError::Broken { url: "scripted".into(), reason: "not here".into() })
    }

    async fn successor(&self) -> Result<Option<Box<dyn Log>>, OpenError> {
        Ok(None)
    }
}

fn event(text: &str) -> Event {
    let driver: DriverId = "d-1".parse().expect("an id");
    DriverJoined { driver, version: text.into() }.into()
}

fn said(event: &Event) -> String {
    match event {
        Event::DriverJoined(e) => e.version.to_string(),
        other => panic!("nobody said {other:?}"),
    }
}

/// Every way in which four appends in a row can go wrong.
fn scripts() -> Vec<Vec<Fate>> {
    let mut scripts = vec![Vec::new()];
    for _ in 0..4 {
        let longer = scripts.iter().flat_map(|script: &Vec<Fate>| {
            PASSING.map(|fate| script.iter().copied().chain([fate]).collect())
        });
        scripts = longer.collect();
    }
    scripts
}

#[tokio::test(start_paused = true)]
async fn whatever_comes_of_appends_each_event_counts_once_and_in_order() {
    for script in scripts() {
        let log = Scripted::new(&script);
        let author = log.author(Box::new(Forgetful));
        let texts = ["one", "two", "three"];
        for text in texts {
            let seq = author.write(event(text), Seq(0)).await.expect("it lands");
            assert_eq!(log.at(seq), text, "{script:?}: its sequence is another record's");
        }
        assert_eq!(log.accepted(), texts, "{script:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_meanwhile_goes_in_one_round() {
    let log = Scripted::new(&[Fate::Busy]);
    let author = log.author(Box::new(Forgetful));
    let texts: Vec<String> = (0..2500).map(|n| n.to_string()).collect();
    let mut landings = Vec::new();
    for text in &texts {
        landings.push(author.post(event(text), Seq(0)).await.expect("taken"));
    }
    for (text, landing) in texts.iter().zip(landings) {
        assert_eq!(log.at(landing.await.expect("told").expect("it lands")), *text);
    }
    assert_eq!(log.accepted(), texts);
    let rounds = log.told.lock().expect("unbroken").rounds.clone();
    assert!(rounds.len() <= 50 && rounds.iter().all(|size| *size <= 1000), "{rounds:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_long_uses_up_no_number() {
    let log = Scripted::new(&[]);
    let author = log.author(Box::new(Forgetful));
    author.write(event("one"), Seq(0)).await.expect("it lands");
    let long = author.write(event(&"x".repeat(2_000_000)), Seq(0)).await;
    assert!(matches!(long, Err(AuthorError::Encode(_))), "{long:?}");
    author.write(event("two"), Seq(0)).await.expect("it lands");
    assert_eq!(log.accepted(), ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_stops_the_author_and_tells_everybody() {
    let log = Scripted::new(&[Fate::Refused]);
    let author = log.author(Box::new(Forgetful));
    let posted = author.post(event("one"), Seq(0)).await.expect("taken");
    assert!(matches!(posted.await, Ok(Err(AuthorError::Log(_)))));
    assert!(author.write(event("two"), Seq(0)).await.is_err());
    assert!(author.landed().await.is_err());
    assert_eq!(log.accepted(), Vec::<String>::new());
}

/// An outbox that tells what was done with it, and fails when told to.
#[derive(Clone, Default)]
struct Noting {
    notes: Arc<Mutex<Vec<String>>>,
    log: Option<Arc<Scripted>>,
    full: bool,
}

impl Noting {
    fn note(&self, what: String) -> Result<(), String> {
        let log = self.log.as_ref().expect("a log").told.lock().expect("unbroken");
        self.notes.lock().expect("unbroken").push(format!("{what}, {} tried", log.rounds.len()));
        if self.full { Err("no space left".into()) } else { Ok(()) }
    }
}

impl Outbox for Noting {
    fn push(&mut self, number: u64, _: &Entry) -> Result<(), String> {
        self.note(format!("push {number}"))
    }
    fn sync(&mut self) -> Result<(), String> {
        self.note("sync".into())
    }
    fn landed(&mut self, up_to: u64) -> Result<(), String> {
        self.note(format!("landed {up_to}"))
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_it_is_durable() {
    let log = Scripted::new(&[Fate::Deaf]);
    let outbox = Noting { log: Some(log.clone()), ..Noting::default() };
    let author = log.author(Box::new(outbox.clone()));
    author.write(event("one"), Seq(0)).await.expect("it lands");
    author.landed().await.expect("landed");
    let notes = outbox.notes.lock().expect("unbroken").clone();
    assert_eq!(notes, ["push 1, 0 tried", "sync, 0 tried", "landed 1, 2 tried"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_author_before_anything_is_sent() {
    let log = Scripted::new(&[]);
    let outbox = Noting { log: Some(log.clone()), full: true, ..Noting::default() };
    let author = log.author(Box::new(outbox));
    let written = author.write(event("one"), Seq(0)).await;
    assert!(written.is_err(), "{written:?}");
    assert!(log.told.lock().expect("unbroken").rounds.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_left_unsent_goes_first() {
    let (cluster, id) = ("test".parse().expect("an id"), "d-1".parse().expect("an id"));
    let identity = Identity::fresh(cluster, id);
    // What an earlier life had kept, as its log never got it.
    let kept = Scripted::new(&[]);
    let incarnation = identity.incarnation;
    let earlier = Author::start(kept.clone(), identity, Box::new(Forgetful));
    for text in ["one", "two"] {
        earlier.write(event(text), Seq(0)).await.expect("it lands");
    }
    let unsent = kept.told.lock().expect("unbroken").stored.clone();
    let (cluster, id) = ("test".parse().expect("an id"), "d-1".parse().expect("an id"));
    let again = Identity {
        incarnation,
        last_number: 2,
        unsent: (1..).zip(unsent).collect(),
        ..Identity::fresh(cluster, id)
    };
    let log = Scripted::new(&[Fate::Gone, Fate::Deaf]);
    let author = Author::start(log.clone(), again, Box::new(Forgetful));
    author.write(event("three"), Seq(0)).await.expect("it lands");
    assert_eq!(log.accepted(), ["one", "two", "three"]);
}
