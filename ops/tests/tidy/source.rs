//! Rules about source files.

use super::{files, none, read, texts};

/// Longest file, in lines.
const LONGEST: usize = 400;
/// Where subjects are spelt, and where a stream is told which subjects are its own.
const SPELLS_SUBJECTS: [&str; 2] = ["schema/src/subject.rs", "replay/src/log/jetstream/stream.rs"];

/// Every line of every Rust file on which `wrong` finds something, as `path:line: text`.
fn lines(wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in texts(".rs") {
        for (at, line) in text.lines().enumerate().filter(|(_, line)| wrong(&path, line)) {
            found.push(format!("{path}:{}: {}", at + 1, line.trim()));
        }
    }
    found
}

/// The part of a Rust file that is compiled for tests alone.
fn test_part<'a>(path: &str, text: &'a str) -> Option<&'a str> {
    if path.contains("/tests/") {
        return Some(text);
    }
    text.find("#[cfg(test)]").map(|at| &text[at..])
}

#[test]
fn every_file_says_what_it_is() {
    let silent = texts(".rs").into_iter().filter(|(_, text)| !text.starts_with("//! "));
    none(silent.map(|(path, _)| format!("{path} does not begin with //!")).collect());
}

#[test]
fn no_file_is_long() {
    let length = |text: &str| text.lines().count();
    let long = texts(".rs").into_iter().filter(|(_, text)| length(text) > LONGEST);
    none(long.map(|(path, text)| format!("{path}: {} lines", length(&text))).collect());
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not contain them.
    let words = [["FIX", "ME"], ["TO", "DO"], ["XX", "X"], ["todo", "!("], ["unimplemented", "!("]];
    let words = words.map(|word| word.concat());
    none(lines(|_, line| words.iter().any(|word| line.contains(word.as_str()))));
}

#[test]
fn no_lint_is_switched_off_without_a_reason() {
    let allow = ["allow", "("].concat();
    let attribute = |line: &str| line.starts_with("#[") || line.starts_with("#![");
    none(lines(|_, line| attribute(line.trim()) && line.contains(&allow)));
}

#[test]
fn no_test_is_ignored_or_meant_to_panic() {
    let (ignore, panic) = (["#[ig", "nore"].concat(), ["should", "_panic"].concat());
    none(lines(|_, line| line.contains(&ignore) || line.contains(&panic)));
}

/// A test may sleep between two looks at what it waits for, never in the hope that it has happened
/// by then: the function that sleeps must know when to give up.
#[test]
fn no_test_sleeps_for_luck() {
    let sleep = ["sleep", "("].concat();
    let gives_up = |function: &str| {
        ["elapsed()", "deadline", "fn until", "fn eventually", "fn poll"]
            .iter()
            .any(|w| function.contains(w))
    };
    let mut found = Vec::new();
    for (path, text) in texts(".rs") {
        let functions = test_part(&path, &text).map(functions).unwrap_or_default();
        let lucky = functions.into_iter().filter(|f| f.contains(&sleep) && !gives_up(f));
        found.extend(lucky.map(|f| format!("{path}: {}", f.lines().next().unwrap_or_default())));
    }
    none(found);
}

/// The text of each function, from its first line to the next function.
fn functions(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        let code = line.trim();
        let begins = ["fn ", "async fn ", "pub fn ", "pub async fn ", "pub(crate) fn "];
        if found.is_empty() || begins.iter().any(|begin| code.starts_with(begin)) {
            found.push(String::new());
        }
        if let Some(function) = found.last_mut() {
            function.push_str(line);
            function.push('\n');
        }
    }
    found
}

#[test]
fn no_line_ends_in_a_blank_or_holds_a_tab() {
    let endings = [".rs", ".toml", ".md", ".sh", "dev", "run"];
    let mut found = Vec::new();
    for path in files().into_iter().filter(|path| endings.iter().any(|end| path.ends_with(end))) {
        for (at, line) in read(&path).lines().enumerate() {
            if line.ends_with(' ') || line.contains('\t') {
                found.push(format!("{path}:{}", at + 1));
            }
        }
    }
    none(found);
}

#[test]
fn only_the_schema_spells_subjects() {
    let spelt = ["\"", "fl."].concat();
    none(lines(|path, line| {
        let may = SPELLS_SUBJECTS.contains(&path) || path.contains("/tests/");
        line.contains(&spelt) && !may
    }));
}

#[test]
fn cores_are_linted_alike() {
    let of = |core: &str| read(format!("{core}/clippy.toml"));
    let first = of("schema");
    let others = ["replay/core", "controlplane/core", "controlplane/ec2/core", "agent/core"];
    let other = others.into_iter().filter(|core| of(core) != first);
    none(other.map(|core| format!("{core}/clippy.toml differs from schema/clippy.toml")).collect());
}
