//! The scripts of an instance, run by a real shell with the world's commands replaced.

use crate::world::{FLAVOURS, full, text};
use ec2_core::cloudinit::yaml::{Node, parse};
use std::path::Path;
use std::process::{Command, Output};

/// What each file of a document holds, by its path.
fn files() -> Vec<(String, String)> {
    let of = |node: &Node, key: &str| node.get(key).and_then(Node::as_text).map(str::to_owned);
    let mut files = Vec::new();
    for flavour in FLAVOURS {
        let document = parse(&text(&full(flavour))).expect("YAML");
        for file in document.get("write_files").expect("files").list() {
            files.push((of(file, "path").expect("a path"), of(file, "content").expect("text")));
        }
    }
    files
}

fn script(name: &str) -> String {
    let path = format!("/opt/fleetlog/bin/{name}");
    files().into_iter().find(|(other, _)| *other == path).expect("the script").1
}

fn write(path: &Path, text: &str) {
    #[expect(clippy::disallowed_methods, reason = "what runs is a file")]
    std::fs::write(path, text).expect("written");
}

#[expect(clippy::disallowed_methods, reason = "the judge is a shell")]
fn sh(dir: &Path, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", dir.display());
    Command::new("sh").args(arguments).env("PATH", path).current_dir(dir).output().expect("sh runs")
}

/// A command of the world that does this instead.
fn replace(dir: &Path, name: &str, body: &str) {
    let path = dir.join(name);
    write(&path, &format!("#!/bin/sh\n{body}\n"));
    let done = sh(dir, &["-c", &format!("chmod +x {name}")]);
    assert!(done.status.success());
}

fn there(path: &Path) -> bool {
    path.exists()
}

#[test]
fn every_script_is_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut count = 0;
    for (path, content) in files().into_iter().filter(|(_, content)| content.starts_with("#!")) {
        assert!(content.starts_with("#!/bin/sh\n"), "{path}");
        write(&dir.path().join("script"), &content);
        let checked = sh(dir.path(), &["-n", "script"]);
        assert!(checked.status.success(), "{path}: {}", String::from_utf8_lossy(&checked.stderr));
        count += 1;
    }
    assert!(count >= 8, "{count} scripts");
}

#[test]
fn what_is_fetched_is_kept_only_if_its_digest_is_right() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path();
    write(&path.join("fetch"), &script("fetch"));
    let curl = r#"echo "$@" >>calls; while [ "$1" != --output ]; do shift; done; cat served >"$2""#;
    replace(path, "curl", curl);
    write(&path.join("served"), "right\n");
    let sum = sh(path, &["-c", "sha256sum <served | cut -d ' ' -f 1"]);
    let sum = String::from_utf8_lossy(&sum.stdout).trim().to_owned();
    let fetch = |sum: &str| sh(path, &["fetch", "https://example.org/agent", sum, "agent"]);

    write(&path.join("served"), "wrong\n");
    let refused = fetch(&sum);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("does not have the digest"), "{said}");
    assert!(!there(&path.join("agent")) && !there(&path.join("agent.part")), "nothing is kept");

    write(&path.join("served"), "right\n");
    assert!(fetch(&sum).status.success());
    assert!(there(&path.join("agent")) && !there(&path.join("agent.part")));
    let executable = sh(path, &["-c", "test -x agent"]);
    assert!(executable.status.success());

    // What is there and right is not fetched again, and what is there and wrong is replaced.
    write(&path.join("calls"), "");
    assert!(fetch(&sum).status.success());
    assert!(sh(path, &["-c", "test ! -s calls"]).status.success(), "it was fetched again");
    write(&path.join("agent"), "changed\n");
    assert!(fetch(&sum).status.success());
    assert!(sh(path, &["-c", "cmp agent served"]).status.success());
}

/// The commands that `data` runs, with disks `xvda` (the root: it has a partition), `xvdb`, `xvdc` and
/// `xvdd` (somebody's filesystem), and a group of volumes that is there or not.
fn data(script: &str) -> (bool, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path();
    write(&path.join("data"), script);
    replace(
        path,
        "lsblk",
        r#"case "$1 $3" in
  "-dnpo "*) printf '/dev/xvd%s disk\n' a b c d; echo /dev/loop0 loop ;;
  *a) printf 'xvda\nxvda1\n' ;;
  *) echo "$3" ;;
esac"#,
    );
    replace(path, "blkid", r#"case $* in *xvdd) echo ext4 ;; *) exit 2 ;; esac"#);
    replace(path, "mountpoint", "exit 1");
    replace(path, "sleep", "exit 0");
    for name in ["vgchange", "vgcreate", "lvcreate", "mkfs.ext4", "mkdir", "mount"] {
        replace(path, name, &format!("echo {name} \"$@\" >>calls"));
    }
    let done = sh(path, &["data"]);
    let calls = sh(path, &["-c", "cat calls"]);
    (done.status.success(), String::from_utf8_lossy(&calls.stdout).into_owned())
}

#[test]
fn the_data_volume_is_made_of_free_slices_alone() {
    let script = script("data").replace("wanted=3", "wanted=2");
    let (done, calls) = data(&script);
    assert!(done, "{calls}");
    let wanted = "vgchange -ay fleetlog
vgcreate -y fleetlog /dev/xvdb /dev/xvdc
lvcreate -y --wipesignatures y --name data --extents 100%FREE --stripes 2 --stripesize 256k fleetlog
mkfs.ext4 -q -L fleetlog-data /dev/fleetlog/data
mkdir -p /mnt/data
mount -t ext4 /dev/fleetlog/data /mnt/data
mkdir -p /mnt/data/fleetlog
";
    assert_eq!(calls, wanted);
}

#[test]
fn a_slice_that_is_missing_is_waited_for_and_then_the_unit_fails() {
    let (done, calls) = data(&script("data"));
    assert!(!done);
    assert_eq!(calls, "vgchange -ay fleetlog\n", "nothing is made of what is there");
}
