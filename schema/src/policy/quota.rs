//! Quota groups: EC2 counts cores by family and market, not by type.

use crate::requirements::Market;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What a quota is counted over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_counted_in_groups() {
        let cases = [
            ("m7i.large", "standard"),
            ("c5d.xlarge", "standard"),
            ("i4i.large", "standard"),
            ("im4gn.large", "standard"),
            ("t3.micro", "standard"),
            ("z1d.large", "standard"),
            ("d3.xlarge", "standard"),
            ("dl1.24xlarge", "dl"),
            ("g5.xlarge", "g"),
            ("gr6.4xlarge", "g"),
            ("vt1.3xlarge", "g"),
            ("p4d.24xlarge", "p"),
            ("p5.48xlarge", "p5"),
            ("p5en.48xlarge", "p5"),
            ("inf2.xlarge", "inf"),
            ("trn1.2xlarge", "trn"),
            ("hpc7a.96xlarge", "hpc"),
            ("f1.2xlarge", "f"),
            ("x2gd.large", "x"),
            ("u-6tb1.56xlarge", "u"),
            ("u7i-12tb.224xlarge", "u"),
            ("mac2.metal", "mac"),
            ("q9.large", "q"),
            ("", ""),
        ];
        for (kind, family) in cases {
            assert_eq!(group(kind, Market::Spot).family, family, "{kind}");
        }
    }
}
