//! One line at a time: samples with what a parser must find in each.

use agent_core::oom::{Constraint, Line};
use std::collections::BTreeMap;

const SAMPLES: &str = include_str!("samples.tsv");
/// More of them in the same columns, if somebody has some: the path of a file.
const MORE: &str = "FLEETLOG_OOM_SAMPLES";

#[test]
fn a_line_of_every_kernel_is_read() {
    assert_eq!(check(SAMPLES), 27);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "samples from elsewhere are in a file")]
fn lines_from_elsewhere_are_read() {
    let Ok(path) = std::env::var(MORE) else { return };
    let text = std::fs::read_to_string(&path).expect(MORE);
    assert!(check(&text) > 0, "{path} has no samples");
}

/// Checks each row and returns how many there are.
fn check(table: &str) -> usize {
    let mut rows = table.lines();
    let heads: Vec<&str> = rows.next().expect("heads").split('\t').collect();
    rows.map(|row| {
        let row: BTreeMap<&str, &str> = heads.iter().copied().zip(row.split('\t')).collect();
        one(&row);
    })
    .count()
}

fn one(row: &BTreeMap<&str, &str>) {
    let text = row["line"];
    let path = |path: &Option<String>| path.clone().unwrap_or_default();
    let id = |id: Option<u32>| id.map_or(String::new(), |id| id.to_string());
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    let kind = match Line::parse(text).unwrap_or_else(|| panic!("{text}")) {
        Line::Invoked { name } => {
            found.insert("comm", name);
            "invoke"
        }
        Line::Context(context) | Line::Rest(context) => {
            found.insert("pid", id(context.pid));
            found.insert("task_memcg", path(&context.task_cgroup));
            found.insert("oom_memcg", path(&context.limit_cgroup));
            if text.starts_with(',') { "context2" } else { "context" }
        }
        Line::Limited { task, limit } => {
            found.extend([("task_memcg", task), ("oom_memcg", limit)]);
            "memcg"
        }
        Line::Selected { pid, name, .. } => {
            found.extend([("pid", pid.to_string()), ("comm", name)]);
            "select"
        }
        Line::Reaped { pid, name } => {
            found.extend([("pid", pid.to_string()), ("comm", name)]);
            "reap"
        }
        Line::Killed(killed) => {
            let anon = (killed.anon / 1024).to_string();
            found.extend([("pid", killed.pid.to_string()), ("comm", killed.name)]);
            found.extend([("uid", id(killed.uid)), ("anon_rss_kb", anon)]);
            "kill"
        }
        Line::Group { cgroup } => {
            found.insert("task_memcg", cgroup);
            "group"
        }
    };
    assert_eq!(kind, row["kind"], "{text}");
    for (column, found) in found {
        assert_eq!(found, row[column], "{column}: {text}");
    }
}

#[test]
fn what_limited_the_memory_is_read_in_every_order() {
    let rest = "task_memcg=/a/b,task=x,pid=7,uid=0";
    for (head, constraint, nodemask, cpuset, limit) in [
        (
            "CONSTRAINT_MEMCG,nodemask=(null),cpuset=c,mems_allowed=0,oom_memcg=/a",
            Constraint::Cgroup,
            Some("(null)"),
            Some("c"),
            Some("/a"),
        ),
        ("CONSTRAINT_MEMCG,oom_memcg=/a", Constraint::Cgroup, None, None, Some("/a")),
        (
            "CONSTRAINT_MEMORY_POLICY,nodemask=0-1,3,cpuset=a,b,mems_allowed=0,2,global_oom",
            Constraint::Part,
            Some("0-1,3"),
            Some("a,b"),
            None,
        ),
        ("CONSTRAINT_NONE,global_oom", Constraint::Node, None, None, None),
        ("CONSTRAINT_NEW", Constraint::Unknown, None, None, None),
        ("CONSTRAINT_NEW,global_oom", Constraint::Node, None, None, None),
    ] {
        let text = format!("oom-kill:constraint={head},{rest}");
        let Some(Line::Context(context)) = Line::parse(&text) else { panic!("{text}") };
        let found = (context.constraint, context.nodemask.as_deref(), context.cpuset.as_deref());
        assert_eq!(found, (constraint, nodemask, cpuset), "{text}");
        assert_eq!(context.limit_cgroup.as_deref(), limit, "{text}");
        assert_eq!((context.task_cgroup.as_deref(), context.pid), (Some("/a/b"), Some(7)));
    }
}

#[test]
fn other_lines_are_nothing() {
    for text in [
        "",
        "Killed process",
        "Killed process x (y) total-vm:1kB",
        "Killed process 1 (y)",
        "Killed process 99999999999 (y) total-vm:1kB",
        "Out of memory: OOM victim 4 (y) is already exiting. Skip killing the task",
        "oom_kill_process: 70 callbacks suppressed",
        "Memory cgroup stats for /a: cache:0KB rss:4KB",
        "memory: usage 24576kB, limit 24576kB, failcnt 6462",
        "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
        "Tasks state (memory values in pages):",
        "Task in /a is not killed",
        "y[7]: segfault at 0 ip 0 sp 0 error 4",
    ] {
        assert_eq!(Line::parse(text), None, "{text}");
    }
}
