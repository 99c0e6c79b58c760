//! Quota groups: EC2 counts cores by family and market, not by type.

use schema::requirements::Market;
use smol_str::SmolStr;

/// What a quota is counted over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuotaGroup {
    /// The family, or `standard` for those that share one quota.
    pub family: SmolStr,
    /// Spot and on-demand have quotas of their own.
    pub market: Market,
}

/// How the name of a type begins, and its group. The longest that fits counts.
const GROUPS: [(&str, &str); 21] = [
    ("a", "standard"),
    ("c", "standard"),
    ("d", "standard"),
    ("h", "standard"),
    ("i", "standard"),
    ("m", "standard"),
    ("r", "standard"),
    ("t", "standard"),
    ("z", "standard"),
    ("dl", "dl"),
    ("f", "f"),
    ("g", "g"),
    ("vt", "g"),
    ("hpc", "hpc"),
    ("inf", "inf"),
    ("mac", "mac"),
    ("p", "p"),
    ("p5", "p5"),
    ("trn", "trn"),
    ("u", "u"),
    ("x", "x"),
];

/// The quota group of a type on a market. A family that is not known is a group of its own.
#[must_use]
pub fn group(kind: &str, market: Market) -> QuotaGroup {
    let fits = GROUPS.iter().filter(|(start, _)| kind.starts_with(start));
    let family = match fits.max_by_key(|(start, _)| start.len()) {
        Some((_, group)) => SmolStr::new_static(group),
        None => kind.chars().take_while(char::is_ascii_alphabetic).collect(),
    };
    QuotaGroup { family, market }
}
