//! EC2's answers as trees of elements, so that the proxy can change what moto says.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, escape};

/// An element: either text or children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

/// What was to be XML and is not.
#[derive(Debug, thiserror::Error)]
#[error("not XML of the kind that EC2 writes")]
pub(crate) struct Malformed;

impl Element {
    pub(crate) fn new(name: &str) -> Element {
        Element { name: name.to_owned(), ..Element::default() }
    }

    /// The root of an answer.
    pub(crate) fn answer(action: &str) -> Element {
        let mut root = Element::new(&format!("{action}Response"));
        let space = "http://ec2.amazonaws.com/doc/2016-11-15/".to_owned();
        root.attributes.push(("xmlns".to_owned(), space));
        root.leaf("requestId", &uuid::Uuid::new_v4().to_string())
    }

    /// One that holds text.
    pub(crate) fn text(name: &str, text: &str) -> Element {
        Element { text: text.to_owned(), ..Element::new(name) }
    }

    pub(crate) fn with(mut self, child: Element) -> Element {
        self.children.push(child);
        self
    }

    /// Adds a child that holds text.
    pub(crate) fn leaf(self, name: &str, text: &str) -> Element {
        self.with(Element::text(name, text))
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// What a child holds that is there; nothing if it is not.
    pub(crate) fn items(&self, name: &str) -> impl Iterator<Item = &Element> {
        let children = self.child(name).map(|set| set.children.as_slice());
        children.unwrap_or_default().iter()
    }

    /// The text at the end of a path of names; empty if there is none.
    pub(crate) fn at(&self, path: &[&str]) -> &str {
        let found = path.iter().try_fold(self, |element, name| element.child(name));
        found.map_or("", |element| &element.text)
    }

    /// Puts a child in the place of the one with its name, or at the end.
    pub(crate) fn put(&mut self, child: Element) {
        match self.children.iter_mut().find(|there| there.name == child.name) {
            Some(there) => *there = child,
            None => self.children.push(child),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.children.retain(|child| child.name != name);
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        text.push_str(&format!("<{}", self.name));
        for (name, value) in &self.attributes {
            text.push_str(&format!(" {name}=\"{}\"", escape::escape(value.as_str())));
        }
        text.push('>');
        text.push_str(&escape::escape(self.text.as_str()));
        self.children.iter().for_each(|child| child.write(text));
        text.push_str(&format!("</{}>", self.name));
    }
}

pub(crate) fn parse(text: &str) -> Result<Element, Malformed> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|_| Malformed)? {
            Event::Start(start) => open.push(begin(&start)?),
            Event::Empty(start) => last(&mut open)?.children.push(begin(&start)?),
            Event::Text(part) => {
                last(&mut open)?.text.push_str(&part);
            }
            Event::GeneralRef(part) => last(&mut open)?.text.push_str(&resolve(&part)?),
            Event::End(_) => {
                let done = open.pop().ok_or(Malformed)?;
                last(&mut open)?.children.push(done);
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
        (Some(mut whole), None) => whole.children.pop().ok_or(Malformed),
        _ => Err(Malformed),
    }
}

fn last(open: &mut [Element]) -> Result<&mut Element, Malformed> {
    open.last_mut().ok_or(Malformed)
}

fn begin(start: &BytesStart<'_>) -> Result<Element, Malformed> {
    let mut element = Element::new(start.name().as_ref());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| Malformed)?;
        let value = escape::unescape(&attribute.value).map_err(|_| Malformed)?.into_owned();
        element.attributes.push((attribute.key.as_ref().to_owned(), value));
    }
    Ok(element)
}

fn resolve(part: &BytesRef<'_>) -> Result<String, Malformed> {
    if let Some(letter) = part.resolve_char_ref().map_err(|_| Malformed)? {
        return Ok(letter.to_string());
    }
    escape::resolve_predefined_entity(part).map(str::to_owned).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::{Element, parse};

    #[test]
    fn what_is_written_is_read_again() {
        let text = "<a & \"b\"> 'c'";
        let written = Element::answer("X").leaf("key", text).with(Element::new("empty"));
        let read = parse(&written.render());
        assert_eq!(read.ok(), Some(written));
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for text in
            ["", "<a>", "<!doctype html>\n<html lang=en>\n<h1>no</h1>", "</a>", "<a>&b;</a>"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
