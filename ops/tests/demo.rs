//! The demo, as a stranger runs it.

use std::process::Command;

#[test]
fn the_demo_holds() {
    let output = Command::new(env!("CARGO_BIN_EXE_fleetlog")).arg("demo").output().expect("runs");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for line in [
        "the counts agree with a direct computation",
        "replicas at record",
        "replay from empty gives digest",
        "invariants after each record: hold",
        "0 without an end",
        "demo: everything holds",
    ] {
        assert!(out.contains(line), "{line:?} is missing from\n{out}");
    }
}
