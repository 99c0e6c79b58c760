//! Rules about the documents: what they name is there.

use super::{files, none, read, root, texts};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How far a row of the coverage has got, beside `planned: ...`.
const STATES: [&str; 2] = ["built", "otherwise"];
/// What `planned: ...` may name.
const PLANS: [&str; 5] = ["EC2", "executor", "audit", "console", "proof"];

#[test]
fn every_link_leads_somewhere() {
    let mut found = Vec::new();
    for (path, text) in texts(".md") {
        let folder = root().join(&path);
        let folder = folder.parent().expect("a folder");
        let broken = links(&text).filter(|link| !leads(folder, link));
        found.extend(broken.map(|link| format!("{path}: {link}")));
    }
    none(found);
}

/// The targets of all links in a Markdown text.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

fn leads(folder: &Path, link: &str) -> bool {
    let elsewhere = ["https://", "http://", "mailto:", "#"];
    let file = link.split('#').next().unwrap_or_default();
    elsewhere.iter().any(|start| link.starts_with(start)) || folder.join(file).exists()
}

#[test]
fn the_architecture_lists_the_folders() {
    let text = read("docs/architecture.md");
    let listed = text.lines().filter(|line| !line.starts_with(' '));
    let listed = listed.filter_map(|line| line.split_once("/  ").map(|(name, _)| name.to_owned()));
    let listed: BTreeSet<String> = listed.collect();
    let entries = fs::read_dir(root()).expect("the root").flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let there: BTreeSet<String> =
        names.filter(|name| !name.starts_with('.') && name != "target").collect();
    let silent = there.difference(&listed).map(|name| format!("{name} is not listed"));
    let gone = listed.difference(&there).map(|name| format!("{name} is not there"));
    none(silent.chain(gone).collect());
}

/// The rows of `docs/coverage.md`: id, how, shown by, state.
fn coverage() -> Vec<[String; 4]> {
    let text = read("docs/coverage.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id "));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(|line| cells(line).try_into().unwrap_or_else(|_| panic!("four cells: {line}")))
        .collect()
}

#[test]
fn coverage_has_one_row_an_id_in_a_known_state() {
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for [id, how, _, state] in coverage() {
        let planned = state.strip_prefix("planned: ").is_some_and(|plan| PLANS.contains(&plan));
        if !planned && !STATES.contains(&state.as_str()) {
            found.push(format!("{id}: unknown state {state}"));
        }
        if how.is_empty() || !seen.insert(id.clone()) {
            found.push(format!("{id}: said twice, or with nothing said"));
        }
    }
    none(found);
}

#[test]
fn every_test_that_coverage_names_is_there() {
    let sources: String = texts(".rs").into_iter().map(|(_, text)| text).collect();
    let mut found = Vec::new();
    for [id, _, shown, _] in coverage() {
        let names = shown.split('`').skip(1).step_by(2);
        let missing = names.filter(|name| !sources.contains(&format!("fn {name}(")));
        found.extend(missing.map(|name| format!("{id}: there is no test {name}")));
    }
    none(found);
}

#[test]
fn the_readme_names_its_documents() {
    let readme = read("README.md");
    let pages = files().into_iter().filter(|path| {
        path.strip_prefix("docs/").is_some_and(|rest| rest.ends_with(".md") && !rest.contains('/'))
    });
    none(pages.filter(|page| !readme.contains(page.as_str())).collect());
}
