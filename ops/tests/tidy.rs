//! Rules about the text of this project that no compiler checks: what may depend on what, how a file
//! begins, what a test may not do, what the documents must name.

#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/permissions.rs"]
mod permissions;
#[path = "tidy/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

/// The folder that holds the workspace.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is there")
}

/// The text of a file, named from the root.
fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of the project, named from the root, sorted; not what builds and runs leave behind.
fn files() -> Vec<String> {
    let (root, mut found) = (root(), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if path.is_file() {
                let path = path.strip_prefix(&root).expect("under the root");
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// Every file with this ending, and its text.
fn texts(ending: &str) -> Vec<(String, String)> {
    let files = files().into_iter().filter(|path| path.ends_with(ending));
    files.map(|path| (path.clone(), read(path))).collect()
}

/// Fails with one line for each breach.
#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{} found:\n{}", breaches.len(), breaches.join("\n"));
}
