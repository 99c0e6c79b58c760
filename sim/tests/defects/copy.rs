//! A copy of the cores and the simulator, with defects that can be switched on.

use super::super::Defect;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the simulator is made of.
const PARTS: &[&str] =
    &["schema", "replay/core", "controlplane/core", "agent/core", "driver/core", "sim"];

/// In the copy: whether the defect of this name is on.
const SWITCH: &str = r#"
/// Whether the defect of this name is on.
#[must_use]
pub fn defect(name: &str) -> bool {
    static ON: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ON.get_or_init(|| std::env::var("FLEETLOG_DEFECT").unwrap_or_default()) == name
}
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the simulator has a house").into()
}

/// A file of the product.
pub(crate) fn source(file: &str) -> String {
    let path = root().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The copy, built.
pub(crate) struct Copied {
    program: PathBuf,
}

/// What came of a run of the simulator.
pub(crate) struct Run {
    pub(crate) output: String,
    sound: bool,
}

impl Copied {
    /// Copies, puts the defects in, and builds.
    pub(crate) fn with(defects: &[&Defect]) -> Copied {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("defects");
        let house = place.join("house");
        let _ = std::fs::remove_dir_all(&house);
        for part in PARTS {
            copy(&root().join(part).join("src"), &house.join(part).join("src"));
            let manifest = source(&format!("{part}/Cargo.toml"));
            put(&house.join(part).join("Cargo.toml"), &untested(&manifest));
        }
        put(&house.join("Cargo.toml"), &manifest());
        put(&house.join("Cargo.lock"), &source("Cargo.lock"));
        let switch = source("schema/src/lib.rs") + SWITCH;
        put(&house.join("schema/src/lib.rs"), &switch);
        for defect in defects {
            for (file, old, new) in defect.edits {
                let path = house.join(file);
                let text = std::fs::read_to_string(&path).expect("it was copied");
                let on = format!("::schema::defect({:?})", defect.name);
                let on =
                    if file.starts_with("schema/") { on.replace("::schema", "crate") } else { on };
                assert!(text.contains(old), "{}: another defect has its place", defect.name);
                put(&path, &text.replacen(old, &new.replace("ON", &on), 1));
            }
        }
        Copied { program: build(&house, &place.join("target")) }
    }

    /// Runs these seeds with a defect on, up to the first in which something is found.
    pub(crate) fn run(&self, defect: &str, seeds: Range<u64>, twice: bool) -> Run {
        let (from, count) = (seeds.start.to_string(), (seeds.end - seeds.start).to_string());
        let mut command = Command::new(&self.program);
        command.args(["--first", "--from", &from, "--seeds", &count]);
        command.args(twice.then_some("--twice"));
        let output = command.env("FLEETLOG_DEFECT", defect).output().expect("the copy runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let sound = output.status.success();
        Run { output: text(&output.stdout) + &text(&output.stderr), sound }
    }
}

impl Run {
    pub(crate) fn is_sound(&self) -> bool {
        self.sound
    }

    /// The seed in which something was found, and what.
    pub(crate) fn caught(&self) -> Option<(u64, String)> {
        let mut lines = self.output.lines().skip_while(|line| !line.starts_with("seed "));
        let seed = lines.next()?.split([' ', ',']).nth(1)?.parse().ok()?;
        Some((seed, lines.next()?.trim().to_owned()))
    }
}

/// The manifest of the house, with nothing in it that is not copied.
fn manifest() -> String {
    let text = source("Cargo.toml");
    let (before, rest) = text.split_once("members = [").expect("a workspace");
    let (_, after) = rest.split_once(']').expect("a list of members");
    let members: Vec<String> = PARTS.iter().map(|part| format!("{part:?}")).collect();
    format!("{before}members = [{}]{after}", members.join(", "))
}

/// A manifest without what only its tests need.
fn untested(manifest: &str) -> String {
    let Some((before, rest)) = manifest.split_once("[dev-dependencies]") else {
        return manifest.to_owned();
    };
    let after = rest.find("\n[").map_or("", |at| &rest[at..]);
    before.to_owned() + after
}

fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
    std::fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let entry = entry.expect("a folder can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            put(&target, &std::fs::read_to_string(entry.path()).expect("source is text"));
        }
    }
}

fn build(house: &Path, target: &Path) -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--offline", "--quiet", "-p", "fleetlog-sim", "--bin", "fleetlog-sim"]);
    command.current_dir(house).env("CARGO_TARGET_DIR", target);
    // Many seeds are run, and nobody reads this code.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "none");
    let output = command.output().expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the copy cannot be built:\n{text}");
    target.join("debug/fleetlog-sim")
}
