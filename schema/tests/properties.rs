//! Properties of ids, subjects and records, over whatever text and bytes there may be.

use proptest::prelude::*;
use proptest::sample::Index;
use schema::codec;
use schema::event::Event;
use schema::id::{AuthorId, ClusterId, check};
use schema::record::Record;
use schema::resources::{parse_bytes, parse_cpu, show_cpu};
use schema::subject::{Subject, fits};
use schema::unit::{Epoch, Seq};
use targets::dice::Dice;
use targets::{events, record as target, text};
use uuid::Uuid;

const ID: &str = "[a-z0-9-]{1,64}";

/// Any event, of any kind.
fn event() -> impl Strategy<Value = Event> {
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    (0..Event::KINDS.len(), bytes).prop_map(|(kind, bytes)| {
        events::event(Event::KINDS[kind], &mut Dice::wild(&bytes)).expect("a kind that there is")
    })
}

fn record(event: Event) -> Record {
    Record {
        version: 1,
        author: AuthorId::new("me").expect("an id"),
        incarnation: Uuid::from_u128(7),
        number: 1,
        cause: Seq(3),
        epoch: Epoch(2),
        must_understand: false,
        event,
    }
}

proptest! {
    #[test]
    fn subjects_parse_to_what_was_printed(cluster in ID, author in ID, event in event()) {
        let cluster = ClusterId::new(cluster).expect("an id");
        let author = AuthorId::new(author).expect("an id");
        let subject = Subject::of(&cluster, &author, &event);
        let text = subject.to_string();
        prop_assert_eq!(Subject::parse(&text), Ok(subject));
        prop_assert!(fits(&text, Some(&cluster), &author, &event));
        let longer = format!("{text}.x");
        prop_assert!(!fits(&longer, Some(&cluster), &author, &event));
        prop_assert!(!fits(&text[..text.len() - 1], Some(&cluster), &author, &event));
    }

    #[test]
    fn a_subject_that_parses_prints_as_it_was(text in "fl\\.[a-z]{1,3}\\.log\\.(ctl|agent|x)\\.[a-z_*>.]{1,20}") {
        if let Ok(subject) = Subject::parse(&text) {
            prop_assert_eq!(subject.to_string(), text);
        }
    }

    #[test]
    fn only_plain_names_are_ids(text in ".{0,70}") {
        let plain = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        prop_assert_eq!(check(&text).is_ok(), plain);
    }

    #[test]
    fn records_are_read_as_they_were_written(
        author in ID, inc in any::<u128>(), number in any::<u64>(), cause in any::<u64>(),
        epoch in any::<u64>(), must_understand in any::<bool>(), event in event(),
    ) {
        let record = Record {
            version: 1,
            author: AuthorId::new(author).expect("an id"),
            incarnation: Uuid::from_u128(inc),
            number,
            cause: Seq(cause),
            epoch: Epoch(epoch),
            must_understand,
            event,
        };
        let bytes = codec::encode(&record).expect("encodes");
        prop_assert_eq!(codec::decode(&bytes), Ok(record));
        for cut in 0..bytes.len() {
            prop_assert!(codec::decode(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_a_record_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        target::record(&bytes);
        target::subject(&bytes);
        target::heartbeat(&bytes);
    }

    /// Bytes that are nearly a record, too.
    #[test]
    fn a_spoilt_record_is_a_record_or_a_reason(
        event in event(), at in any::<Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = codec::encode(&record(event)).expect("encodes");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        target::record(&bytes);
    }

    #[test]
    fn any_line_is_a_subject_or_a_reason(text in "fl\\.[a-z0-9-]{0,3}\\.log\\..{0,40}") {
        target::subject(text.as_bytes());
    }

    #[test]
    fn any_text_is_an_amount_or_a_reason(text in ".{0,40}") {
        text::amount(text.as_bytes());
        text::id(text.as_bytes());
    }

    #[test]
    fn amounts_are_read_as_they_are_shown(whole in 0..1_000_000_u64, unit in 0..5_u32) {
        let bytes = whole << (10 * unit.min(3));
        prop_assert_eq!(parse_bytes(&bytes.to_string()), Ok(bytes));
        let named = format!("{whole}{}", ["", "KiB", "MiB", "GiB", "B"][unit as usize]);
        let scale = if unit == 4 { 1 } else { 1 << (10 * unit) };
        prop_assert_eq!(parse_bytes(&named), Ok(whole * scale));
        prop_assert_eq!(parse_cpu(&format!("{whole}m")), Ok(whole));
        prop_assert_eq!(parse_cpu(&show_cpu(whole)), Ok(whole));
    }
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    for kind in Event::KINDS {
        for seed in 0..200 {
            let bytes = targets::seeds::noise(seed, 300);
            let event = events::event(kind, &mut Dice::wild(&bytes)).expect("a kind that there is");
            assert_eq!(event.kind(), *kind);
            let record = record(event);
            let bytes = codec::encode(&record).expect("encodes");
            assert_eq!(codec::decode(&bytes), Ok(record));
        }
    }
}

/// What a sender nests in fields that nobody knows is skipped or refused, on a small stack too.
#[test]
fn deep_nesting_is_refused() {
    for opening in [&[0x91][..], &[0x81, 0xa0]] {
        let deep = opening.repeat(400_000);
        assert!(codec::decode(&deep).is_err());
        let unknown = [&[0x82, 0xa1, b'v', 1, 0xa1, b'x'][..], &deep].concat();
        assert!(codec::decode(&unknown).is_err());
        // A reason is an enum told by a tag, which is read whole before it is understood.
        let why = events::event("alloc-pending", &mut Dice::tame(&[])).expect("a kind");
        let bytes = codec::encode(&record(why)).expect("encodes");
        let at = bytes.windows(4).position(|bytes| bytes == b"why\x83").map(|at| at + 3);
        let body = [&bytes[..at.unwrap_or(bytes.len())], &deep[..]].concat();
        assert!(codec::decode(&body).is_err());
    }
}
