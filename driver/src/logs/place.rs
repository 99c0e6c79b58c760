//! Where the data plane of an instance answers: an agent that comes back may answer elsewhere, and
//! says so in a record that names no driver.

use replay::log::{Log, read_to_end};
use schema::codec;
use schema::event::Event;
use schema::id::{ClusterId, InstanceId};
use schema::subject::{self, Aggregate};
use schema::unit::Seq;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// An instance, and the log that tells where it is.
pub(crate) struct Place {
    pub(crate) cluster: ClusterId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) instance: InstanceId,
}

impl Place {
    /// Where it said last that it answers; nothing if that cannot be read now.
    pub(crate) async fn address(&self) -> Option<String> {
        let filter = subject::about(&self.cluster, Aggregate::Instance, self.instance.as_str());
        let records = read_to_end(&*self.log, Seq(1), Some(&filter)).await.ok()?;
        let mut said: BTreeMap<Seq, (Uuid, u64, String)> = BTreeMap::new();
        let mut verified = BTreeSet::new();
        for stored in records {
            let Ok(record) = codec::decode(&stored.payload) else { continue };
            let author = record.author.as_str() == self.instance.as_str();
            let cluster = Some(&self.cluster);
            let fits = subject::fits(&stored.subject, cluster, &record.author, &record.event);
            match record.event {
                Event::InstanceBooted(booted) if author && fits => {
                    said.insert(stored.seq, (record.incarnation, record.number, booted.address));
                }
                Event::InstanceVerified(e) if fits => drop(verified.insert(e.boot)),
                _ => {}
            }
        }
        // Where agents have to prove themselves, what others say in their names is none.
        said.retain(|seq, _| verified.is_empty() || verified.contains(seq));
        said.into_values().max().map(|(_, _, address)| address)
    }
}
