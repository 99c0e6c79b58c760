//! `docs/ec2.md` beside what it tells of: every setting with its default, every code that EC2 may refuse with.

use crate::world::plain;
use ec2_core::Config;
use ec2_core::cloudinit::{CloudFile, CloudUnit, Flavour};
use ec2_core::config::{Data, PriceList};
use ec2_core::refusal::{CODES, Class};
use schema::why::RefusalScope;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = include_str!("../../../../../docs/ec2.md");

/// The cells of each row of the table with these heads.
fn table(heads: &str) -> Vec<Vec<String>> {
    let rows = PAGE.split(heads).nth(1).expect("the table").trim_start().lines().skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells =
        |line: &str| line.trim_matches('|').split(" | ").map(|c| c.trim().to_owned()).collect();
    rows.map(cells).collect()
}

fn bare(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// What serde names when it meets a key that nobody has.
fn names(text: &Value) -> Vec<String> {
    let error =
        serde_json::from_value::<Config>(text.clone()).expect_err("no such key").to_string();
    let expected = error.split_once("expected").expect("it names what it knows").1.to_owned();
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Where parts of the settings are, as a key of the page and as what holds an unknown key.
fn parts() -> Vec<(&'static str, Value)> {
    let nobodys = || json!({ "nobodys": 0 });
    vec![
        ("", nobodys()),
        ("subnets.", json!({ "subnets": [nobodys()] })),
        ("images.A.", json!({ "images": { "arm64": nobodys() } })),
        ("images.A.newest.", json!({ "images": { "arm64": { "newest": nobodys() } } })),
        ("root.", json!({ "root": nobodys() })),
        ("data.", json!({ "data": nobodys() })),
        ("data.slicing.", json!({ "data": { "slicing": nobodys() } })),
        ("agent.A.", json!({ "agent": { "arm64": nobodys() } })),
        ("node_exporter.A.", json!({ "node_exporter": { "arm64": nobodys() } })),
        ("log.", json!({ "log": nobodys() })),
        ("files.", json!({ "files": [nobodys()] })),
        ("units.", json!({ "units": [nobodys()] })),
        ("metadata.", json!({ "metadata": nobodys() })),
        ("price_list.", json!({ "price_list": nobodys() })),
    ]
}

#[test]
fn every_setting_is_on_the_page_and_nothing_else() {
    let parts = parts();
    let all = parts.iter().flat_map(|(under, text)| {
        names(text).into_iter().map(move |name| format!("{under}{name}"))
    });
    // What has a row for each of its parts needs none of its own, unless it may be left out.
    let split = |key: &String| {
        parts
            .iter()
            .any(|(under, _)| under.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    };
    let whole = ["data", "price_list"];
    let known: BTreeSet<String> =
        all.filter(|key| whole.contains(&key.as_str()) || !split(key)).collect();
    let rows = table("| key | default | what it says |");
    let shown: Vec<String> = rows.iter().map(|row| bare(&row[0]).to_owned()).collect();
    assert_eq!(shown.iter().cloned().collect::<BTreeSet<_>>(), known);
    assert_eq!(shown.len(), known.len(), "each once");
}

#[test]
fn the_defaults_on_the_page_are_those_that_there_are() {
    let value = |text: &Value| serde_json::to_value(text).expect("JSON");
    let mut defaults = serde_json::to_value(plain(Flavour::Flatcar)).expect("JSON");
    let data = serde_json::to_value(Data::default()).expect("JSON");
    let file: CloudFile =
        serde_json::from_value(json!({ "path": "", "content": "" })).expect("a file");
    let unit: CloudUnit =
        serde_json::from_value(json!({ "name": "", "content": "" })).expect("a unit");
    // Not written where it is as usual.
    let every = 5000;
    let usual = plain(Flavour::Flatcar).list_every.0;
    assert_eq!(usual, every);
    defaults["list_every"] = json!(every);
    defaults["price_list"] = json!(null);
    let list: PriceList = serde_json::from_value(json!({})).expect("a price list");
    let parts = json!({ "data": data, "files": file, "units": unit, "price_list": list });
    for row in table("| key | default | what it says |") {
        let (key, told) = (bare(&row[0]), &row[1]);
        let pointer = format!("/{}", key.replace('.', "/"));
        let split =
            ["data.", "files.", "units.", "price_list."].iter().any(|under| key.starts_with(under));
        let from = if split { value(&parts) } else { defaults.clone() };
        if told == "-" {
            // Nothing is there by itself: what `plain` has, it had to name.
            let without = serde_json::from_value::<Config>(without(&defaults, key));
            assert!(key.contains('.') || without.is_err(), "{key} may be left out");
            continue;
        }
        let told: Value = serde_json::from_str(bare(told)).unwrap_or_else(|e| panic!("{key}: {e}"));
        assert_eq!(from.pointer(&pointer), Some(&told), "{key}");
    }
}

fn without(settings: &Value, key: &str) -> Value {
    let mut settings = settings.clone();
    settings.as_object_mut().expect("an object").remove(key);
    settings
}

#[test]
fn every_code_is_on_the_page_as_it_is_taken() {
    let mut told = BTreeMap::new();
    for row in table("| class | reach | rests | codes |") {
        let [class, reach, rests, codes] = &row[..] else { panic!("{row:?}") };
        for code in codes.split(", ") {
            let before =
                told.insert(bare(code).to_owned(), (class.clone(), reach.clone(), rests.clone()));
            assert_eq!(before, None, "{code} twice");
        }
    }
    let taken = CODES.iter().map(|(code, class, scope, seconds)| {
        let reach = if *seconds == 0 { "-" } else { words(*scope) };
        let rests = match seconds {
            0 => "-".to_owned(),
            hours if hours % 3600 == 0 => format!("{} h", hours / 3600),
            minutes => format!("{} min", minutes / 60),
        };
        ((*code).to_owned(), (format!("{class:?}").to_lowercase(), reach.to_owned(), rests))
    });
    assert_eq!(told, taken.collect());
    let classes = table("| class | what the leader does | what is said | what to do |");
    let classes: BTreeSet<String> = classes.into_iter().map(|mut row| row.swap_remove(0)).collect();
    let known = CODES.iter().map(|(_, class, ..)| format!("{class:?}").to_lowercase());
    assert_eq!(classes, known.collect(), "each class once");
    assert!(classes.contains(&format!("{:?}", Class::Mismatch).to_lowercase()));
}

fn words(scope: RefusalScope) -> &'static str {
    match scope {
        RefusalScope::Offering => "offering",
        RefusalScope::TypeInZone => "type in zone",
        RefusalScope::Zone => "zone",
        RefusalScope::QuotaGroup => "quota group",
        RefusalScope::Account => "account",
        RefusalScope::Unknown => "unknown",
    }
}
