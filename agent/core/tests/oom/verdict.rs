//! What follows from what is said, and from what is not.

use agent_core::oom::{Constraint, Evidence, Kill, Oom, Own};
use schema::why::{OomConstraint, OomVictim};

const ID: &str = "c0ffee";

fn kill(pid: u32, task: &str, limit: &str, constraint: Constraint) -> Kill {
    let path = |path: &str| (!path.is_empty()).then(|| path.to_owned());
    Kill {
        sequence: 1,
        at: 5_000_000,
        pid,
        name: "x".into(),
        uid: None,
        task_cgroup: path(task),
        limit_cgroup: path(limit),
        cpuset: None,
        constraint,
        total: 9,
        rss: 7,
    }
}

fn container() -> Own {
    let (cgroup, id) = (Some("/docker/c0ffee".into()), Some(ID.into()));
    Own { main: Some(10), cgroup, id, ran: (4_000_000, 6_000_000) }
}

/// `victim constraint killed confidence by`, or nothing.
fn shown(oom: Option<Oom>) -> String {
    let Some(oom) = oom else { return String::new() };
    let Oom { victim, constraint, killed, confidence, sources, .. } = oom;
    format!("{victim:?} {constraint:?} {killed} {confidence} {sources:?}")
}

fn judged(own: &Own, evidence: Evidence, kills: &[Kill]) -> String {
    let kills = kills.iter().filter(|kill| own.is(kill)).cloned().collect();
    shown(Evidence { kills: Some(kills), ..evidence }.verdict(own))
}

#[test]
fn whose_limit_it_was_and_who_was_killed() {
    let cases: &[(&str, Kill, i32, &str)] = &[
        (
            "its main process, for its own limit",
            kill(10, "/docker/c0ffee", "/docker/c0ffee", Constraint::Cgroup),
            137,
            "Main Exec 1 95 [Kernel]",
        ),
        (
            "a child, and its code was passed on",
            kill(11, "/docker/c0ffee", "/docker/c0ffee", Constraint::Cgroup),
            137,
            "Child Exec 1 95 [Kernel]",
        ),
        (
            "a child in a cgroup of its own making",
            kill(11, "/docker/c0ffee/a", "/docker/c0ffee/a", Constraint::Cgroup),
            0,
            "Child Inside 1 95 [Kernel]",
        ),
        (
            "for a limit on it and others",
            kill(10, "/docker/c0ffee", "/docker", Constraint::Cgroup),
            137,
            "Main Above 1 95 [Kernel]",
        ),
        (
            "for a limit on one whose name begins like its own",
            kill(10, "/docker/c0ffee", "/docker/c0", Constraint::Cgroup),
            137,
            "Main Above 1 95 [Kernel]",
        ),
        (
            "the instance had none left",
            kill(10, "/docker/c0ffee", "", Constraint::Node),
            137,
            "Main Node 1 95 [Kernel]",
        ),
        (
            "its cpuset had none left",
            kill(10, "/docker/c0ffee", "", Constraint::Part),
            137,
            "Main Part 1 95 [Kernel]",
        ),
        (
            "told under another root, by a unit's name",
            kill(10, "/lxc/system.slice/docker-c0ffee.scope", "", Constraint::Unknown),
            137,
            "Main Unspecified 1 95 [Kernel]",
        ),
        (
            "told without a cgroup, in its time",
            kill(10, "", "", Constraint::Cgroup),
            137,
            "Main Unspecified 1 95 [Kernel]",
        ),
        ("of another container", kill(10, "/docker/c0ffe", "/docker", Constraint::Cgroup), 137, ""),
        (
            "of another, whose name is longer",
            kill(9, "/docker/c0ffee1", "", Constraint::Node),
            1,
            "",
        ),
    ];
    for (what, kill, code, told) in cases {
        let evidence = Evidence { code: *code, limit: 64, ..Evidence::default() };
        assert_eq!(&judged(&container(), evidence, std::slice::from_ref(kill)), told, "{what}");
    }
}

/// What the flag, the counter and the kernel say, and what follows.
type Sources<'a> = (&'static str, bool, Option<u64>, Option<&'a [Kill]>, &'static str);

#[test]
fn sources_are_compared() {
    let one = &[kill(10, "/docker/c0ffee", "/docker/c0ffee", Constraint::Cgroup)][..];
    let cases: &[Sources<'_>] = &[
        ("all say so", true, Some(1), Some(one), "Main Exec 1 100 [Kernel, Cgroup, Runtime]"),
        ("not the flag", false, Some(2), Some(one), "Main Exec 2 100 [Kernel, Cgroup]"),
        ("not the counter", true, Some(0), Some(one), "Main Exec 1 100 [Kernel, Runtime]"),
        (
            "flag and counter, and no kernel log",
            true,
            Some(3),
            None,
            "Unspecified Unspecified 3 95 [Cgroup, Runtime]",
        ),
        (
            "flag and counter, not the kernel",
            true,
            Some(1),
            Some(&[]),
            "Child Unspecified 1 85 [Cgroup, Runtime]",
        ),
        ("the counter alone", false, Some(1), None, "Unspecified Unspecified 1 90 [Cgroup]"),
        ("the flag alone", true, None, None, "Unspecified Unspecified 1 80 [Runtime]"),
        ("the flag, and all others say no", true, Some(0), Some(&[]), ""),
        (
            "the flag, the kernel says no, and nobody has looked at the counter",
            true,
            None,
            Some(&[]),
            "Unspecified Unspecified 1 50 [Runtime]",
        ),
        ("nobody", false, Some(0), Some(&[]), ""),
        ("nobody, where nobody could", false, None, None, ""),
    ];
    for (what, flag, counted, kills, told) in cases {
        let kills = kills.map(<[Kill]>::to_vec);
        let (flag, counted) = (Some(*flag), *counted);
        let evidence = Evidence { code: 137, flag, counted, kills, ..Evidence::default() };
        assert_eq!(&shown(evidence.verdict(&container())), told, "{what}");
    }
}

#[test]
fn who_has_used_all_of_his_limit_was_killed_for_that() {
    let of = |peak| {
        let evidence =
            Evidence { code: 0, limit: 64, peak, flag: Some(true), ..Evidence::default() };
        shown(evidence.verdict(&container()))
    };
    assert_eq!(of(64), "Child Exec 1 80 [Runtime]");
    assert_eq!(of(63), "Child Unspecified 1 80 [Runtime]");
}

#[test]
fn who_shares_a_cgroup_is_known_by_his_process_alone() {
    let own = Own { main: Some(10), ran: (4_000_000, 6_000_000), ..Own::default() };
    let told = |kill: Kill| judged(&own, Evidence { code: 137, ..Evidence::default() }, &[kill]);
    assert_eq!(told(kill(10, "/a", "/a", Constraint::Cgroup)), "Main Above 1 95 [Kernel]");
    assert_eq!(told(kill(10, "/a", "", Constraint::Node)), "Main Node 1 95 [Kernel]");
    assert_eq!(told(kill(11, "/a", "/a", Constraint::Cgroup)), "");
    let long_ago = Kill { at: 1_000_000, ..kill(10, "/a", "/a", Constraint::Cgroup) };
    assert_eq!(told(long_ago), "", "its id was another's then");
}

#[test]
fn the_main_process_is_told_of_first() {
    let of = |pid| kill(pid, "/docker/c0ffee", "/docker/c0ffee", Constraint::Cgroup);
    let kills = Some(vec![of(12), of(10), of(11)]);
    let oom = Evidence { code: 137, kills, ..Evidence::default() }.verdict(&container());
    let oom = oom.expect("it was killed");
    assert_eq!((oom.process.map(|process| process.pid), oom.killed), (Some(10), 3));
    assert_eq!((oom.victim, oom.constraint), (OomVictim::Main, OomConstraint::Exec));
}
