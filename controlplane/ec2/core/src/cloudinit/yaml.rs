//! As much of YAML as a cloud-config needs, with scalars as they were written.
//!
//! A plain scalar stays plain and a quoted one stays quoted: whether `yes`, `0644` or `1e3` is a text or
//! a number is for whoever reads the result to say, and readers of YAML 1.1 and 1.2 do not agree.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::fmt::Write as _;

/// Deepest nesting that is read.
const DEEPEST: usize = 32;

/// A text, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// Without quotes: what it is depends on what it looks like.
    pub plain: bool,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A text, a number, a truth value, or nothing.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in its own order.
    Map(Vec<(Scalar, Node)>),
}

/// Why a text is no YAML that is understood here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It is no YAML at all.
    #[error("it is no YAML: {0}")]
    Garbage(String),
    /// It uses something that is not carried over.
    #[error("line {line}: {what} cannot be merged; write it out")]
    Unsupported {
        /// Where, from 1.
        line: usize,
        /// What.
        what: &'static str,
    },
    /// A key stands twice in one mapping.
    #[error("line {line}: the key {key:?} stands there twice")]
    Twice {
        /// Where, from 1.
        line: usize,
        /// Which key.
        key: String,
    },
}

impl Scalar {
    /// A text that stays one.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Scalar {
        Scalar { text: text.into(), plain: false }
    }

    /// A number or a truth value.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Scalar {
        Scalar { text: text.into(), plain: true }
    }
}

impl Node {
    /// A text that stays one.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Node {
        Node::Scalar(Scalar::text(text))
    }

    /// A mapping with plain keys.
    #[must_use]
    pub fn map<const N: usize>(entries: [(&str, Node); N]) -> Node {
        Node::Map(entries.into_iter().map(|(key, node)| (Scalar::plain(key), node)).collect())
    }

    /// A list of texts.
    #[must_use]
    pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Node {
        Node::List(texts.into_iter().map(Node::text).collect())
    }

    /// What stands under a key of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Node::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)
    }

    /// The entries of a list; none of anything else.
    #[must_use]
    pub fn list(&self) -> &[Node] {
        if let Node::List(nodes) = self { nodes } else { &[] }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Node::Scalar(scalar) = self { Some(&scalar.text) } else { None }
    }
}

/// What is being read: a list, or a mapping and the key whose value comes next.
enum Open {
    List(Vec<Node>),
    Map(Vec<(Scalar, Node)>, Option<Scalar>),
}

/// Reads one document; an empty text is an empty mapping.
///
/// # Errors
/// [`YamlError`] says what is wrong, and where.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let (mut open, mut root, mut documents) = (Vec::new(), None, 0);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError::Garbage(error.to_string()))?;
        let line = span.start.line();
        let unsupported = |what| YamlError::Unsupported { line, what };
        let node = match event {
            Event::DocumentStart(_) if documents > 0 => {
                return Err(unsupported("a second document"));
            }
            Event::DocumentStart(_) => {
                documents += 1;
                continue;
            }
            Event::Alias(_) => return Err(unsupported("an alias")),
            Event::Scalar(.., 1.., _)
            | Event::SequenceStart(1.., _)
            | Event::MappingStart(1.., _) => return Err(unsupported("an anchor")),
            Event::Scalar(.., Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => return Err(unsupported("a tag")),
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEEPEST => {
                return Err(unsupported("so deep a nesting"));
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Vec::new(), None));
                continue;
            }
            Event::Scalar(text, style, ..) => {
                // A plain text over several lines is a text to every reader.
                let plain = style == ScalarStyle::Plain && !text.contains('\n');
                // Nothing at all is written as the sign for nothing.
                let text = if plain && text.is_empty() { "~".into() } else { text };
                Node::Scalar(Scalar { text: text.into_owned(), plain })
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(nodes)) => Node::List(nodes),
                Some(Open::Map(entries, _)) => Node::Map(entries),
                None => continue,
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
        };
        match open.last_mut() {
            None => root = Some(node),
            Some(Open::List(nodes)) => nodes.push(node),
            Some(Open::Map(entries, key)) => entry(entries, key, node, line)?,
        }
    }
    Ok(root.unwrap_or(Node::Map(Vec::new())))
}

/// Takes in the next node of a mapping: a key, or the value of the last one.
fn entry(
    entries: &mut Vec<(Scalar, Node)>,
    key: &mut Option<Scalar>,
    node: Node,
    line: usize,
) -> Result<(), YamlError> {
    match (key.take(), node) {
        (Some(name), node) => entries.push((name, node)),
        (None, Node::Scalar(name)) if entries.iter().any(|(other, _)| other.text == name.text) => {
            return Err(YamlError::Twice { line, key: name.text });
        }
        (None, Node::Scalar(name)) => *key = Some(name),
        (None, Node::List(_) | Node::Map(_)) => {
            return Err(YamlError::Unsupported { line, what: "a key that is no text" });
        }
    }
    Ok(())
}

/// The document as text: mappings and lists as blocks, texts of several lines as literals.
#[must_use]
pub fn print(node: &Node) -> String {
    let mut out = String::new();
    match node {
        Node::Map(entries) if !entries.is_empty() => map(&mut out, entries, 0),
        Node::List(nodes) if !nodes.is_empty() => list(&mut out, nodes, 0),
        Node::Scalar(_) | Node::List(_) | Node::Map(_) => {
            value(&mut out, node, 0);
            out = out.trim_start().to_owned();
        }
    }
    out
}

fn map(out: &mut String, entries: &[(Scalar, Node)], depth: usize) {
    for (index, (key, node)) in entries.iter().enumerate() {
        if index > 0 || !out.ends_with("- ") {
            indent(out, depth);
        }
        scalar(out, key);
        out.push(':');
        value(out, node, depth + 1);
    }
}

fn list(out: &mut String, nodes: &[Node], depth: usize) {
    for node in nodes {
        indent(out, depth);
        match node {
            Node::Map(entries) if !entries.is_empty() => {
                out.push_str("- ");
                map(out, entries, depth + 1);
            }
            Node::Scalar(_) | Node::List(_) | Node::Map(_) => {
                out.push('-');
                value(out, node, depth + 1);
            }
        }
    }
}

/// What stands after `key:` or `-`, to the end of its lines.
fn value(out: &mut String, node: &Node, depth: usize) {
    match node {
        Node::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Node::List(nodes) if nodes.is_empty() => out.push_str(" []\n"),
        Node::Map(entries) => {
            out.push('\n');
            map(out, entries, depth);
        }
        Node::List(nodes) => {
            out.push('\n');
            list(out, nodes, depth);
        }
        Node::Scalar(text) if !text.plain && literal(&text.text) => {
            out.push_str(" |\n");
            for line in text.text.lines() {
                if !line.is_empty() {
                    indent(out, depth);
                }
                out.push_str(line);
                out.push('\n');
            }
        }
        Node::Scalar(text) => {
            out.push(' ');
            scalar(out, text);
            out.push('\n');
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Whether every reader takes a literal block for just this text.
fn literal(text: &str) -> bool {
    let fair = |c: char| c == '\n' || (' '..='~').contains(&c);
    let first = text.lines().next().unwrap_or_default();
    let ends = text.ends_with('\n') && !text.ends_with("\n\n");
    let blank = |line: &str| !line.is_empty() && line.trim().is_empty();
    ends && text.chars().all(fair)
        && !first.is_empty()
        && !first.starts_with(' ')
        && !text.lines().any(blank)
}

fn scalar(out: &mut String, scalar: &Scalar) {
    if scalar.plain {
        return out.push_str(&scalar.text);
    }
    out.push('"');
    for c in scalar.text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            ' '..='~' => out.push(c),
            // Writing into a string cannot fail.
            '\0'..='\u{ff}' => write!(out, "\\x{:02x}", u32::from(c)).unwrap_or_default(),
            '\u{100}'..='\u{ffff}' => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            _ => write!(out, "\\U{:08x}", u32::from(c)).unwrap_or_default(),
        }
    }
    out.push('"');
}
