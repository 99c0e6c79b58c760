//! What a page says that seeds do not exercise, held against what they did.

use crate::coverage::Coverage;
use std::collections::BTreeSet;

/// A family and a member of it, as coverage names them.
type Name = (String, String);

/// What a page lists: what no seed ever exercises, and what few do.
#[derive(Debug, Default)]
pub struct Listed {
    never: BTreeSet<Name>,
    rarely: BTreeSet<Name>,
}

impl Listed {
    /// Reads the tables of a page: of the one that begins `| never |` what no seed exercises, of the one
    /// that begins `| rarely |` what few do; in the first column of each row a family, a colon, and members
    /// of it with commas between them.
    #[must_use]
    pub fn of(page: &str) -> Listed {
        let (mut listed, mut never) = (Listed::default(), None);
        for line in page.lines() {
            let cell = line.strip_prefix("| ").and_then(|row| row.split(" |").next());
            match cell {
                None => never = never.filter(|_| line.starts_with('|')),
                Some("never") => never = Some(true),
                Some("rarely") => never = Some(false),
                Some(names) => {
                    let into = match never {
                        Some(true) => &mut listed.never,
                        Some(false) => &mut listed.rarely,
                        None => continue,
                    };
                    let Some((family, members)) = names.split_once(": ") else { continue };
                    into.extend(members.split(", ").map(|one| (family.to_owned(), one.to_owned())));
                }
            }
        }
        listed
    }

    /// What is not as it is listed, given what many seeds have exercised.
    #[must_use]
    pub fn wrong(&self, coverage: &Coverage) -> Vec<String> {
        let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
        for (family, members) in coverage.table() {
            for (one, count) in members {
                let name = (family.to_owned(), one.to_owned());
                let never = self.never.contains(&name);
                if count > 0 && never {
                    wrong.push(format!("{family}: {one} is listed as never exercised, and was"));
                }
                if count == 0 && !never && !self.rarely.contains(&name) {
                    wrong.push(format!("{family}: {one} was not exercised, and is not listed"));
                }
                known.insert(name);
            }
        }
        let unknown = self.never.iter().chain(&self.rarely).filter(|name| !known.contains(*name));
        wrong.extend(
            unknown.map(|(family, one)| format!("{family}: {one} is listed: no such thing")),
        );
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
A page.

| never | why |
|---|---|
| void: no-room, genesis | so |

| other | table |
|---|---|
| void: duplicate | is no list |

| rarely | why |
|---|---|
| event: genesis, made-up | so |
";

    #[test]
    fn what_is_not_listed_and_what_is_not_so_is_found() {
        let listed = Listed::of(PAGE);
        let mut coverage = Coverage::default();
        for (family, members) in Coverage::default().table() {
            let left = |one: &&str| !matches!((family, *one), ("void", "no-room" | "not-leader"));
            members
                .iter()
                .map(|(one, _)| *one)
                .filter(left)
                .for_each(|one| coverage.count(family, one));
        }
        assert_eq!(
            listed.wrong(&coverage),
            [
                "void: not-leader was not exercised, and is not listed",
                "void: genesis is listed as never exercised, and was",
                "event: made-up is listed: no such thing",
            ]
        );
    }
}
