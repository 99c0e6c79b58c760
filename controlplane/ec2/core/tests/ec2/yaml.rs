//! What is printed is read as what it was, whatever is in it.

use ec2_core::cloudinit::merge::merge;
use ec2_core::cloudinit::yaml::{Node, Scalar, parse, print};
use proptest::prelude::*;

fn scalar() -> impl Strategy<Value = Scalar> {
    let texts = prop_oneof![
        any::<String>(),
        "[ -~\n]{0,40}\n",
        Just("yes".to_owned()),
        Just("0644".to_owned()),
        Just("- a: b # c".to_owned()),
        Just("\u{85}\u{2028}\u{feff}\u{1f600}\u{7f}".to_owned()),
    ];
    let plains = prop_oneof![Just("true"), Just("0644"), Just("1e3"), Just("off"), Just("a b/c")];
    prop_oneof![texts.prop_map(Scalar::text), plains.prop_map(Scalar::plain)]
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = scalar().prop_map(Node::Scalar);
    leaf.prop_recursive(4, 40, 5, |inner| {
        let entry = ("[a-z]{1,4}", inner.clone());
        let entries = prop::collection::vec(entry, 0..5).prop_map(|entries| {
            let mut map: Vec<(Scalar, Node)> = Vec::new();
            for (key, node) in entries {
                if map.iter().all(|(other, _)| other.text != key) {
                    map.push((Scalar::plain(key), node));
                }
            }
            Node::Map(map)
        });
        prop_oneof![prop::collection::vec(inner, 0..5).prop_map(Node::List), entries]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(node in node()) {
        let text = print(&node);
        prop_assert_eq!(parse(&text), Ok(node), "{}", text);
    }

    #[test]
    fn reading_never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }
}

#[test]
fn scalars_stay_as_they_were_written() {
    let text = "a: yes\nb: 'yes'\nc: 0644\nd: \"0644\"\ne:\nf: {g: [1, \"2\"], 'h i': ~}\n";
    let printed = print(&parse(text).expect("YAML"));
    let same = "a: yes\nb: \"yes\"\nc: 0644\nd: \"0644\"\ne: ~\nf:\n  g:\n    - 1\n    - \"2\"\n  \"h i\": ~\n";
    assert_eq!(printed, same);
}

#[test]
fn documents_are_laid_over_one_another() {
    let cases = [
        ("a: 1", "b: 2", Ok("a: 1\nb: 2\n")),
        ("a: 1", "a: 2", Ok("a: 2\n")),
        ("a: [1, 2]", "a: [2, 3]", Ok("a:\n  - 1\n  - 2\n  - 2\n  - 3\n")),
        (
            "a: {b: 1, c: [1]}",
            "a: {c: [2], d: 3}",
            Ok("a:\n  b: 1\n  c:\n    - 1\n    - 2\n  d: 3\n"),
        ),
        ("a: {b: [1]}", "a: {b: {c: 1}}", Err("a.b: a mapping cannot lie over a list")),
        ("a: 1", "- 1", Err("the document: a list cannot lie over a mapping")),
        ("", "", Ok("{}\n")),
    ];
    for (under, over, wanted) in cases {
        let merged = merge(parse(under).expect("YAML"), parse(over).expect("YAML"));
        let found = merged.map(|node| print(&node)).map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), wanted, "{under} {over}");
    }
}
