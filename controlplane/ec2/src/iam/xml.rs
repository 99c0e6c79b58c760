//! IAM's answers as trees of elements.

use quick_xml::events::{BytesRef, Event};
use quick_xml::{Reader, escape};

/// An element: its text, and what is in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    name: String,
    text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first of this name, however deep.
    pub(super) fn find(&self, name: &str) -> Option<&Element> {
        self.child(name).or_else(|| self.children.iter().find_map(|child| child.find(name)))
    }

    /// The text at the end of a path; empty if there is none.
    pub(super) fn text(&self, path: &[&str]) -> &str {
        let found = path.iter().try_fold(self, |element, name| element.child(name));
        found.map_or("", |element| element.text.trim())
    }
}

/// The root of an answer; nothing if it is no whole XML.
pub(super) fn parse(text: &str) -> Option<Element> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => open.push(named(start.name().as_ref())),
            Event::Empty(start) => open.last_mut()?.children.push(named(start.name().as_ref())),
            Event::Text(part) => open.last_mut()?.text.push_str(&part),
            Event::GeneralRef(part) => open.last_mut()?.text.push_str(&resolve(&part)?),
            Event::End(_) => {
                let done = open.pop()?;
                open.last_mut()?.children.push(done);
            }
            Event::Eof => break,
            Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
    match (open.pop(), open.pop()) {
        (Some(mut whole), None) => whole.children.pop(),
        _ => None,
    }
}

fn named(name: &str) -> Element {
    Element { name: name.to_owned(), ..Element::default() }
}

fn resolve(part: &BytesRef<'_>) -> Option<String> {
    match part.resolve_char_ref().ok()? {
        Some(letter) => Some(letter.to_string()),
        None => escape::resolve_predefined_entity(part).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_is_asked_for_is_found_and_half_an_answer_is_none() {
        let text = "<a xmlns='x'><b><c>1 &lt; &#50;</c></b><c>other</c><d/></a>";
        let root = parse(text).expect("XML");
        assert_eq!(root.text(&["b", "c"]), "1 < 2");
        assert_eq!(root.find("c").map(|c| c.text.as_str()), Some("other"), "the nearest");
        assert_eq!((root.text(&["d"]), root.text(&["e"])), ("", ""));
        for wrong in ["", "<a>", "</a>", "<a>&b;</a>", &text[..20]] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
