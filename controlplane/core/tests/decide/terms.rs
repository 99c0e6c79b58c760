//! A replica that leads again: what it buys is priced by its own settings, whatever was written meanwhile.

use crate::world::{World, cores, id, offering};
use controlplane_core::Moment;
use controlplane_core::prices::Prices;
use controlplane_core::replica::{Do, Replica};
use controlplane_core::round::{Answer, Me};
use replay_core::author::Line;
use replay_core::snapshot::FOLD_VERSION;
use replay_core::state::launch::key;
use replay_core::{Message, State};
use schema::codec;
use schema::event::{
    CloudConfigured, Event, LeaderChallenged, LeaderElected, LeaderResigned, PriceSeen, PriceSource,
};
use schema::policy::{Offering, Policy};
use schema::record::Record;
use schema::unit::{Epoch, LogTime, Micros, Seq};
use uuid::Uuid;

/// One replica, what others put on its log, and the clock of both.
struct One {
    replica: Replica,
    now: u64,
    others: u64,
}

impl One {
    fn put(&mut self, subject: &str, payload: &[u8]) {
        let seq = self.replica.state().head.applied.next();
        let time = LogTime(2_000_000_000_000_000 + self.now * 1_000_000);
        let message = Message { seq, time, subject, payload };
        self.replica.fold(Moment(self.now), message, codec::decode(payload));
        self.replica.folded(0);
    }

    /// Another replica writes this.
    fn other(&mut self, epoch: Epoch, event: impl Into<Event>) {
        self.others += 1;
        let record = Record {
            version: schema::SCHEMA_VERSION,
            author: id("r-3"),
            incarnation: Uuid::from_u128(3),
            number: self.others,
            cause: Seq(0),
            epoch,
            must_understand: false,
            event: event.into(),
        };
        let Line { subject, payload } = Line::of(&id("test"), &record).expect("a line");
        self.put(&subject, &payload);
    }

    /// Lets it do what it wants for so long; the log takes all that it writes.
    fn run(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            self.now += 10;
            let wanted = self.replica.step(Moment(self.now), self.now).expect("it goes on");
            for wanted in wanted {
                let Do::Append(append) = wanted else { continue };
                for Line { subject, payload } in append.lines.iter() {
                    self.put(subject, payload);
                }
                let end = self.replica.state().head.applied;
                self.replica.answered(Moment(self.now), Answer::Stored(end));
            }
            self.replica.folded(0);
        }
    }

    fn price(&self, of: &Offering) -> Option<u64> {
        self.replica.state().market.get(&key(of)).map(|seen| seen.offering.price.0)
    }
}

#[test]
fn whoever_leads_again_writes_its_own_prices_beside_its_own_settings() {
    let mut w = World::new();
    w.say(LeaderResigned {});
    let state = State::restore(&w.state.snapshot()).expect("a snapshot");
    let me = Me { cluster: id("test"), replica: id("r-2"), incarnation: Uuid::from_u128(2) };
    let mut replica = Replica::resume(Moment(0), me, Policy::default(), state);
    let mine = offering("m7g.large", cores(2), 80);
    replica.settings("small volumes".into());
    replica.prices(Prices::of(PriceSource::Shipped, [mine.clone()]));
    let mut one = One { replica, now: 0, others: 0 };
    one.run(1000);
    assert_eq!((one.price(&mine), one.replica.leads()), (Some(80), Some(Epoch(2))));
    // It is cut off: another leads, with larger volumes, and resigns.
    one.other(Epoch(0), LeaderChallenged { replica: id("r-3"), epoch: Epoch(2) });
    one.now += 5000;
    one.other(Epoch(3), LeaderElected { replica: id("r-3"), epoch: Epoch(3), fold: FOLD_VERSION });
    one.other(Epoch(3), CloudConfigured { settings: "large volumes".into(), fingerprint: None });
    let (source, zone) = (PriceSource::Shipped, mine.zone.clone());
    let theirs = vec![Offering { price: Micros(200), ..mine.clone() }];
    let (withdrawn, scores, types) = (Vec::new(), Vec::new(), Vec::new());
    one.other(Epoch(3), PriceSeen { source, zone, offerings: theirs, withdrawn, scores, types });
    one.other(Epoch(3), LeaderResigned {});
    assert_eq!(one.price(&mine), Some(200));
    one.run(1000);
    let state = one.replica.state();
    assert_eq!(
        (one.replica.leads(), state.settings_now()),
        (Some(Epoch(4)), Some("small volumes"))
    );
    assert_eq!(one.price(&mine), Some(80));
}
