//! Which image: named, or the newest of those that a look-up has found.

use super::Arch;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// How an image is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ImageRule {
    /// This one.
    Id(SmolStr),
    /// The newest of an owner whose name fits.
    Newest {
        /// Account of its owner.
        owner: SmolStr,
        /// What its name looks like: `*` stands for any text, `?` for one character.
        name: SmolStr,
    },
}

/// An image that is settled on. A request names it, so it is frozen with the intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: SmolStr,
    /// The device of its root volume.
    pub root_device: SmolStr,
}

/// A row of `DescribeImages`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundImage {
    /// Its id and root device.
    pub image: Image,
    /// Account of its owner.
    pub owner: SmolStr,
    /// Name.
    pub name: String,
    /// Architecture, as EC2 calls it.
    pub arch: SmolStr,
    /// When it was made, as EC2 writes it (ISO 8601 in UTC, which sorts).
    pub created: SmolStr,
}

/// The image that the rule means, of those found. Filters are not left to EC2 alone: an endpoint that
/// ignores them must not choose what runs.
#[must_use]
pub fn choose<'a>(rule: &ImageRule, arch: Arch, found: &'a [FoundImage]) -> Option<&'a Image> {
    let fits = |row: &&FoundImage| {
        let named = match rule {
            ImageRule::Id(id) => row.image.id == *id,
            ImageRule::Newest { owner, name } => {
                row.owner == *owner && like(name.as_bytes(), row.name.as_bytes())
            }
        };
        named && row.arch == arch.name()
    };
    let age = |row: &&FoundImage| (row.created.clone(), row.image.id.clone());
    found.iter().filter(fits).max_by_key(age).map(|row| &row.image)
}

/// Whether a text looks like the pattern. In steps: the last `*` alone is tried again.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                None => return false,
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, owner: &str, name: &str, arch: &str, created: &str) -> FoundImage {
        FoundImage {
            image: Image { id: id.into(), root_device: "/dev/xvda".into() },
            owner: owner.into(),
            name: name.into(),
            arch: arch.into(),
            created: created.into(),
        }
    }

    #[test]
    fn the_newest_image_of_the_owner_and_architecture_is_chosen() {
        let rows = [
            row("ami-1", "75", "Flatcar-stable-4081.2.1-hvm", "x86_64", "2026-02-01T00:00:00.000Z"),
            row("ami-2", "75", "Flatcar-stable-4230.2.0-hvm", "x86_64", "2026-05-01T00:00:00.000Z"),
            row("ami-3", "75", "Flatcar-beta-4300.1.0-hvm", "x86_64", "2026-07-01T00:00:00.000Z"),
            row("ami-4", "66", "Flatcar-stable-9999.9.9-hvm", "x86_64", "2026-09-01T00:00:00.000Z"),
            row("ami-5", "75", "Flatcar-stable-4230.2.0-hvm", "arm64", "2026-06-01T00:00:00.000Z"),
        ];
        let newest = |name: &str| ImageRule::Newest { owner: "75".into(), name: name.into() };
        let cases = [
            (newest("Flatcar-stable-*-hvm"), Arch::X86, Some("ami-2")),
            (newest("Flatcar-stable-*-hvm"), Arch::Arm, Some("ami-5")),
            (newest("Flatcar-*"), Arch::X86, Some("ami-3")),
            (newest("Flatcar-stable-4081.2.?-hvm"), Arch::X86, Some("ami-1")),
            (newest("flatcar-stable-*"), Arch::X86, None),
            (ImageRule::Id("ami-4".into()), Arch::X86, Some("ami-4")),
            (ImageRule::Id("ami-4".into()), Arch::Arm, None),
        ];
        for (rule, arch, id) in cases {
            let chosen = choose(&rule, arch, &rows).map(|image| image.id.as_str());
            assert_eq!(chosen, id, "{rule:?} {arch:?}");
        }
    }

    #[test]
    fn patterns_are_matched_whole() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-cd", false),
            ("?", "", false),
            ("a", "ab", false),
            ("**a", "a", true),
        ] {
            assert_eq!(like(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }
}
