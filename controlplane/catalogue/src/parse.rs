//! Lines of a data file, and what may be wrong with one.

use schema::unit::Micros;
use std::str::FromStr;

/// Something in a data file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {what}")]
pub struct Fault {
    /// Name of the file.
    pub file: &'static str,
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Where a line stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) file: &'static str,
    pub(crate) line: usize,
}

impl At {
    pub(crate) fn fault(self, what: impl Into<String>) -> Fault {
        Fault { file: self.file, line: self.line, what: what.into() }
    }

    /// Exactly so many fields, separated by commas.
    pub(crate) fn fields<const N: usize>(self, line: &str) -> Result<[&str; N], Fault> {
        let fields: Vec<&str> = line.split(',').collect();
        let count = fields.len();
        fields.try_into().map_err(|_| self.fault(format!("{count} fields instead of {N}")))
    }

    pub(crate) fn number<T: FromStr>(self, text: &str) -> Result<T, Fault> {
        text.parse().map_err(|_| self.fault(format!("{text:?} is no number that fits here")))
    }

    /// Nothing stands for what is not known.
    pub(crate) fn known<T: FromStr>(self, text: &str) -> Result<Option<T>, Fault> {
        if text.is_empty() { Ok(None) } else { self.number(text).map(Some) }
    }

    /// Dollars as the sources write them, without a sign.
    pub(crate) fn dollars(self, text: &str) -> Result<Micros, Fault> {
        Micros::parse(&format!("${text}")).map_err(|what| self.fault(what))
    }
}

/// The lines of a file but for its head, and where each stands.
pub(crate) fn lines<'a>(file: &'static str, text: &'a str) -> impl Iterator<Item = (At, &'a str)> {
    let numbered = text.lines().enumerate().skip(1);
    numbered.map(move |(at, line)| (At { file, line: at + 1 }, line))
}
