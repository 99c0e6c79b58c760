//! What the name of an EC2 instance type tells: `m7gd.2xlarge` is of class `m`, generation 7, family
//! `m7gd` and size `2xlarge`.

/// The parts of a type's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindName<'a> {
    /// All before the dot: `m7gd`, `u-6tb1`.
    pub family: &'a str,
    /// The letters that begin it: `m`, `hpc`.
    pub class: &'a str,
    /// The number that follows them; 0 if there is none.
    pub generation: u32,
    /// All after the dot: `2xlarge`, `metal-24xl`.
    pub size: &'a str,
}

impl<'a> KindName<'a> {
    /// Takes a name apart; names that are made otherwise give a class of their letters and generation 0.
    #[must_use]
    pub fn parse(name: &'a str) -> KindName<'a> {
        let (family, size) = name.split_once('.').unwrap_or((name, ""));
        let letters = family.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(family.len());
        let (class, rest) = family.split_at(letters);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        // Of `u-6tb1` the generation comes last.
        let digits = if end > 0 {
            &rest[..end]
        } else {
            &rest[rest.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1)..]
        };
        KindName { family, class, generation: digits.parse().unwrap_or(0), size }
    }

    /// Whether it earns cpu credits while it idles, and spends them: class `t` and no other.
    #[must_use]
    pub fn burstable(&self) -> bool {
        self.class == "t"
    }

    /// Whether it comes without a hypervisor.
    #[must_use]
    pub fn bare_metal(&self) -> bool {
        self.size.starts_with("metal")
    }
}

/// Whether a name is what a pattern describes, in which `*` stands for any characters and `?` for one.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: there, with one character more for it.
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n + 1));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match retry {
                Some((star, from)) => {
                    (p, n) = (star + 1, from);
                    retry = Some((star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_class_generation_and_size() {
        for (name, class, generation, size) in [
            ("m7gd.2xlarge", "m", 7, "2xlarge"),
            ("c7i-flex.large", "c", 7, "large"),
            ("u-6tb1.112xlarge", "u", 1, "112xlarge"),
            ("u7i-12tb.224xlarge", "u", 7, "224xlarge"),
            ("hpc6id.32xlarge", "hpc", 6, "32xlarge"),
            ("p6-b200.48xlarge", "p", 6, "48xlarge"),
            ("mac-m4max.metal", "mac", 0, "metal"),
            ("local.small", "local", 0, "small"),
            ("", "", 0, ""),
            ("7.é", "", 7, "é"),
        ] {
            let found = KindName::parse(name);
            assert_eq!((found.class, found.generation, found.size), (class, generation, size));
        }
        assert!(KindName::parse("m6i.metal-24xl").bare_metal());
        assert!(
            KindName::parse("t3.micro").burstable() && !KindName::parse("trn1.2xlarge").burstable()
        );
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name) in [
            ("m7*", "m7gd.2xlarge"),
            ("c6i.large", "c6i.large"),
            ("*.metal*", "c6i.metal"),
            ("?7?.*large", "c7g.12xlarge"),
            ("*a*b*", "xxaxxabxb"),
            ("*", ""),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("m7", "m7g.large"), ("c6i.large", "c6i.largex"), ("*b", "ba"), ("?", ""), ("", "x")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
