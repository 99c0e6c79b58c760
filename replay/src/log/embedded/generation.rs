//! One generation that is open: its files, and the thread that alone writes to them. Ends with its
//! last handle, readers included, once all that was asked for is done.

use super::super::{AppendError, Entry, Fence, Identity};
use super::directory::Directory;
use super::store::Store;
use super::writer::{Append, Ask, Faults, Writer};
use schema::unit::Seq;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::{oneshot, watch};

pub(super) struct Generation {
    pub(super) store: Arc<Store>,
    pub(super) tail: watch::Receiver<Seq>,
    /// Why nothing more is taken, once the disk has failed.
    pub(super) failed: watch::Receiver<Option<String>>,
    pub(super) faults: Faults,
    directory: Arc<Directory>,
    asks: Option<mpsc::Sender<Ask>>,
    writer: Option<JoinHandle<()>>,
}

impl Generation {
    pub(super) fn start(directory: Arc<Directory>, store: Store) -> std::io::Result<Generation> {
        let store = Arc::new(store);
        let faults = Faults::default();
        let (asks, inbox) = mpsc::channel();
        let (mark, tail) = watch::channel(store.loaded());
        let (failure, failed) = watch::channel(None);
        let writer = Writer::spawn(store.clone(), inbox, mark, faults.clone(), failure)?;
        let (asks, writer) = (Some(asks), Some(writer));
        Ok(Generation { store, tail, failed, faults, directory, asks, writer })
    }

    pub(super) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.store.identity
    }

    /// The last sequence that is durable.
    pub(super) fn last(&self) -> Seq {
        *self.tail.borrow()
    }

    /// Appends, if the fence holds and the whole log ends at `expected`.
    pub(super) async fn append(
        &self,
        round: &[Entry],
        fence: Option<&Fence>,
        expected: Option<Seq>,
    ) -> Result<Seq, AppendError> {
        let (answer, stored) = oneshot::channel();
        let append = Append { round: round.to_vec(), fence: fence.cloned(), expected, answer };
        self.ask(Ask::Append(append)).map_err(AppendError::Refused)?;
        stored.await.unwrap_or_else(|_| Err(AppendError::Unresolved("the writer ended".into())))
    }

    /// Ends it: nothing is stored after what was asked for before.
    pub(super) async fn seal(&self) -> Result<(), String> {
        let (answer, sealed) = oneshot::channel();
        self.ask(Ask::Seal { answer })?;
        sealed.await.unwrap_or_else(|_| Err("the writer ended".into()))
    }

    fn ask(&self, ask: Ask) -> Result<(), String> {
        let sent = self.asks.as_ref().is_some_and(|asks| asks.send(ask).is_ok());
        sent.then_some(()).ok_or_else(|| "the log's writer has ended; see its last words".into())
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.asks = None;
        // The files are free for others once the writer has let go of them.
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
