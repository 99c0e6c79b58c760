//! Subjects and filters of them, as NATS has them.

/// Whether a subject matches a filter: `*` stands for one token, a last `>` for one or more.
#[must_use]
pub fn matches(filter: &str, subject: &str) -> bool {
    let (mut wanted, mut tokens) = (filter.split('.'), subject.split('.'));
    loop {
        match (wanted.next(), tokens.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(token), Some(found)) if token == found => {}
            _ => return false,
        }
    }
}

/// Whether a subject has tokens, all of them literal.
#[must_use]
pub fn literal(subject: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '*' || c == '>';
    subject.split('.').all(|token| !token.is_empty() && !token.contains(odd))
}

/// Whether a filter has tokens, wildcards only as whole ones, `>` only as the last.
#[must_use]
pub fn proper_filter(filter: &str) -> bool {
    let plain = filter.strip_suffix(".>").unwrap_or(filter);
    filter == ">" || plain.split('.').all(|token| token == "*" || literal(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_whole_tokens() {
        for (filter, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("*.b", "a.b", true),
            ("a.b", "a", false),
            ("a", "a.b", false),
        ] {
            assert_eq!(matches(filter, subject), expected, "{filter} on {subject}");
        }
    }

    #[test]
    fn filters_are_told_from_what_is_none() {
        for proper in [">", "*", "a", "a.b", "a.*.c", "a.>", "*.*", "*.>"] {
            assert!(proper_filter(proper), "{proper}");
        }
        for improper in ["", ".", "a.", ".a", "a..b", "a.>.b", "a*", "a.b>", ">.a", "a b", ">>"] {
            assert!(!proper_filter(improper), "{improper:?}");
        }
    }
}
