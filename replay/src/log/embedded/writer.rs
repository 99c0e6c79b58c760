//! The one writer: takes everything that waits, in order, writes it, makes it durable once, and only
//! then acknowledges it and shows it to readers.

use super::super::{AppendError, Entry, Fence};
use super::store::Store;
use schema::unit::Seq;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use tokio::sync::{oneshot, watch};

/// Most appends that share one fsync.
const GROUP: usize = 4096;

pub(super) enum Ask {
    Append(Append),
    Seal { answer: oneshot::Sender<Result<(), String>> },
}

pub(super) struct Append {
    pub(super) round: Vec<Entry>,
    pub(super) fence: Option<Fence>,
    /// What the last sequence of the whole log must be.
    pub(super) expected: Option<Seq>,
    pub(super) answer: oneshot::Sender<Result<Seq, AppendError>>,
}

/// Makes the log misbehave, as networks and servers do.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    lose_acks: Arc<AtomicU32>,
    refuse: Arc<AtomicU32>,
}

impl Faults {
    /// The next `count` appends are stored, and their acknowledgements are lost.
    pub fn lose_acks(&self, count: u32) {
        self.lose_acks.store(count, Ordering::SeqCst);
    }

    /// The next `count` appends are not stored, and are told to try again.
    pub fn refuse(&self, count: u32) {
        self.refuse.store(count, Ordering::SeqCst);
    }

    fn take(counter: &AtomicU32) -> bool {
        counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
    }
}

type Acknowledgement = (oneshot::Sender<Result<Seq, AppendError>>, Result<Seq, AppendError>);

pub(super) struct Writer {
    store: Arc<Store>,
    tail: watch::Sender<Seq>,
    faults: Faults,
    next: Seq,
    /// Once the disk has failed nothing more is taken: what is on it must be read again first.
    failed: watch::Sender<Option<String>>,
}

impl Writer {
    pub(super) fn spawn(
        store: Arc<Store>,
        inbox: Receiver<Ask>,
        tail: watch::Sender<Seq>,
        faults: Faults,
        failed: watch::Sender<Option<String>>,
    ) -> std::io::Result<JoinHandle<()>> {
        let next = store.loaded().next();
        let writer = Writer { store, tail, faults, next, failed };
        let thread = std::thread::Builder::new().name("fleetlog-log".into());
        thread.spawn(move || writer.run(&inbox))
    }

    fn run(mut self, inbox: &Receiver<Ask>) {
        while let Ok(first) = inbox.recv() {
            let group: Vec<Ask> =
                std::iter::once(first).chain(inbox.try_iter().take(GROUP)).collect();
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<Ask>) {
        let before = self.next;
        let mut acknowledgements: Vec<Acknowledgement> = Vec::with_capacity(group.len());
        for ask in group {
            match ask {
                Ask::Append(append) => {
                    let result = self.write(&append);
                    acknowledgements.push((append.answer, result));
                }
                Ask::Seal { answer } => {
                    let _ = answer.send(self.store.seal());
                }
            }
        }
        if self.next != before {
            self.make_durable(&mut acknowledgements);
        }
        for (answer, result) in acknowledgements {
            let lost = result.is_ok() && Faults::take(&self.faults.lose_acks);
            let result = if lost {
                Err(AppendError::Unresolved("the answer was lost".into()))
            } else {
                result
            };
            let _ = answer.send(result);
        }
    }

    fn write(&mut self, append: &Append) -> Result<Seq, AppendError> {
        let Append { round, fence, expected, .. } = append;
        if let Some(reason) = &*self.failed.borrow() {
            return Err(AppendError::Refused(format!("the disk failed before: {reason}")));
        }
        if Faults::take(&self.faults.refuse) {
            return Err(AppendError::Busy("told to be".into()));
        }
        if self.store.sealed() {
            return Err(AppendError::WrongLog("this generation has ended".into()));
        }
        let last = Seq(self.next.0 - 1);
        if let Some(expected) = expected.filter(|expected| *expected != last) {
            return Err(AppendError::Fenced { subject: ">".into(), seq: expected });
        }
        if let Some(fence) = fence
            && self.store.last_on(&fence.subject) != fence.seq
        {
            return Err(AppendError::Fenced { subject: fence.subject.clone(), seq: fence.seq });
        }
        if let Err(reason) = self.store.write(self.next, round) {
            self.failed.send_replace(Some(reason.clone()));
            return Err(AppendError::Unresolved(reason));
        }
        let last = Seq(self.next.0 + round.len() as u64 - 1);
        self.next = last.next();
        Ok(last)
    }

    fn make_durable(&mut self, acknowledgements: &mut [Acknowledgement]) {
        match self.store.sync() {
            Ok(()) => {
                let last = Seq(self.next.0 - 1);
                self.tail.send_replace(last);
            }
            Err(reason) => {
                for (_, result) in acknowledgements.iter_mut().filter(|(_, r)| r.is_ok()) {
                    *result = Err(AppendError::Unresolved(reason.clone()));
                }
                self.failed.send_replace(Some(reason));
            }
        }
    }
}
