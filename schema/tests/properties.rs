//! Properties of ids, subjects and records, over whatever text and bytes there may be.

use proptest::prelude::*;
use schema::codec;
use schema::event::{AllocFreed, AllocWithdrawn, DriverLeft, Event, ExecKillRequested};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, ExecId, InstanceId, check};
use schema::record::Record;
use schema::resources::{parse_bytes, parse_cpu};
use schema::subject::{Subject, fits};
use schema::unit::{Epoch, Seq};
use uuid::Uuid;

const ID: &str = "[a-z0-9-]{1,64}";

fn event() -> impl Strategy<Value = Event> {
    (ID, ID, ID, ID, any::<i32>(), 0..4_u8).prop_map(|(a, d, i, x, signal, which)| {
        let alloc = AllocId::new(a).expect("an id");
        let driver = DriverId::new(d).expect("an id");
        let instance = InstanceId::new(i).expect("an id");
        let exec = ExecId::new(x).expect("an id");
        match which {
            0 => AllocWithdrawn { alloc, driver }.into(),
            1 => AllocFreed { alloc, driver, instance }.into(),
            2 => ExecKillRequested { exec, alloc, driver, instance, signal }.into(),
            _ => DriverLeft { driver }.into(),
        }
    })
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
        let _ = codec::decode(&bytes);
    }

    #[test]
    fn any_text_is_an_amount_or_a_reason(text in ".{0,40}") {
        let _ = (parse_bytes(&text), parse_cpu(&text));
    }
}
