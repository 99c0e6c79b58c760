//! Typed ids. An id is 1 to 64 characters of `a-z`, `0-9` and `-`: nothing that a subject, a file
//! name, a tag or a shell could take for more than a name.

use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Longest id, in characters.
pub const MAX_ID: usize = 64;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text was empty.
    #[error("an id is empty; use 1 to {MAX_ID} of a-z, 0-9 and -")]
    Empty,
    /// The text was too long.
    #[error("an id has {0} characters; at most {MAX_ID} are allowed")]
    TooLong(usize),
    /// The text holds something else than `a-z`, `0-9`, `-`.
    #[error("id {0:?} holds {1:?}; only a-z, 0-9 and - are allowed")]
    Character(String, char),
}

/// Checks that `text` is an id.
///
/// # Errors
/// [`IdError`] says what is wrong with it.
pub fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_ID {
        return Err(IdError::TooLong(text.chars().count()));
    }
    match text.bytes().position(|b| !matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        None => Ok(()),
        Some(_) => {
            let bad = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-'));
            Err(IdError::Character(text.to_owned(), bad.unwrap_or('?')))
        }
    }
}

/// 20 characters of Crockford base 32 (lower case): the first 48 bits are milliseconds, so names
/// made later sort later; the rest is `entropy`. Same input, same name.
#[must_use]
pub fn stem(unix_ms: u64, entropy: u64) -> SmolStr {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bits = (u128::from(unix_ms & 0xffff_ffff_ffff) << 52) | u128::from(entropy >> 12);
    (0..20)
        .map(|digit| {
            let index = (bits >> (95 - 5 * digit)) & 31;
            char::from(ALPHABET[usize::try_from(index).unwrap_or(0)])
        })
        .collect()
}

/// The order of texts, eight bytes at a time where both are as long, as ids nearly always are: the
/// fold does little else than find ids among ids.
fn order(one: &[u8], other: &[u8]) -> Ordering {
    let (Some(one_last), Some(other_last)) = (one.last_chunk::<8>(), other.last_chunk::<8>())
    else {
        return one.cmp(other);
    };
    if one.len() != other.len() {
        return one.cmp(other);
    }
    for (one, other) in one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0) {
        if one != other {
            return u64::from_be_bytes(*one).cmp(&u64::from_be_bytes(*other));
        }
    }
    // The last word overlaps with the one before, which is equal by now.
    u64::from_be_bytes(*one_last).cmp(&u64::from_be_bytes(*other_last))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// Parses an id, refusing all but `[a-z0-9-]{1,64}`.
            ///
            /// # Errors
            /// [`IdError`] says what is wrong with the text.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                check(text.as_ref())?;
                Ok(Self(SmolStr::new(text.as_ref())))
            }

            /// A name made from a time and randomness; same input, same id.
            #[must_use]
            pub fn made(unix_ms: u64, entropy: u64) -> Self {
                Self(smol_str::format_smolstr!(concat!($prefix, "{}"), stem(unix_ms, entropy)))
            }

            /// Sorts before every id: where a range over all of them begins. Not an id itself.
            #[must_use]
            pub fn lowest() -> Self {
                Self(SmolStr::new_static(""))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                order(self.0.as_bytes(), other.0.as_bytes())
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = SmolStr::deserialize(deserializer)?;
                check(&text).map_err(serde::de::Error::custom)?;
                Ok(Self(text))
            }
        }
    };
}

id!(/// A cluster: all that one log describes.
    ClusterId, "c-");
id!(/// Who wrote a record, within its role: a replica, an instance's agent, a driver, a person.
    AuthorId, "r-");
id!(/// One machine of the fleet, and its agent.
    InstanceId, "i-");
id!(/// A client that asks for allocs and submits execs.
    DriverId, "d-");
id!(/// Capacity given to a driver, under a lease.
    AllocId, "a-");
id!(/// One run of a container or process in an alloc.
    ExecId, "x-");
id!(/// An intent to start instances.
    LaunchId, "l-");

macro_rules! author {
    ($($name:ident),*) => { $(
        impl From<&$name> for AuthorId {
            fn from(id: &$name) -> AuthorId {
                AuthorId(id.0.clone())
            }
        }
        impl From<&AuthorId> for $name {
            fn from(id: &AuthorId) -> $name {
                $name(id.0.clone())
            }
        }
    )* };
}
author!(InstanceId, DriverId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_ids_are_refused() {
        for bad in
            ["", "a.b", "a*", ">", "a b", "A", "a\0", "a\n", "ä", "_", "a/b", &"x".repeat(65)]
        {
            assert!(AllocId::new(bad).is_err(), "{bad:?} was taken for an id");
        }
        for good in ["a", "0", "-", &"x".repeat(64), "i-0abc"] {
            assert!(AllocId::new(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn ids_are_in_the_order_of_their_texts() {
        let long = "0123456789".repeat(3);
        let texts = ["", "0", "1", "a", "ab", "b", "0123456", "01234567", "01234568", "11234567"];
        let mut texts: Vec<String> = texts.map(str::to_owned).to_vec();
        texts.extend((1..=long.len()).map(|end| long[..end].to_owned()));
        texts.extend((0..long.len()).map(|at| format!("{}x{}", &long[..at], &long[at + 1..])));
        for one in &texts {
            for other in &texts {
                assert_eq!(
                    order(one.as_bytes(), other.as_bytes()),
                    one.cmp(other),
                    "{one} {other}"
                );
            }
        }
    }

    #[test]
    fn made_ids_are_valid_sort_by_time_and_repeat() {
        let (early, late) = (ExecId::made(1, u64::MAX), ExecId::made(2, 0));
        assert!(early < late);
        assert_eq!(early, ExecId::made(1, u64::MAX));
        assert_eq!(check(early.as_str()), Ok(()));
        assert_eq!(early.as_str().len(), 22);
    }
}
