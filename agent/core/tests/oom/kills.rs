//! Kills out of records, by kernel.

use agent_core::oom::{Constraint, Kill, Kills};

/// `pid name task limit constraint rss`, `-` where it is not known.
fn shown(kill: &Kill) -> String {
    let path = |path: &Option<String>| path.clone().unwrap_or_else(|| "-".into());
    let (task, limit) = (path(&kill.task_cgroup), path(&kill.limit_cgroup));
    format!("{} {} {task} {limit} {:?} {}", kill.pid, kill.name, kill.constraint, kill.rss / 1024)
}

/// Each text as a record of the kernel, a millisecond apart.
fn fed(kills: &mut Kills, from: u64, texts: &[&str]) -> Vec<String> {
    let records = (from..).zip(texts).map(|(n, text)| format!("6,{n},{},-;{text}\n", n * 1000));
    records.filter_map(|record| kills.record(record.as_bytes())).map(|k| shown(&k)).collect()
}

const SIZES: &str = "total-vm:9kB, anon-rss:4kB, file-rss:2kB, shmem-rss:1kB";

#[test]
fn a_kill_is_put_together_as_each_kernel_tells_it() {
    let newest = format!("{SIZES}, UID:0 pgtables:4kB oom_score_adj:0");
    let cases: [(&str, Vec<String>, &[&str]); 9] = [
        (
            "3.10 to 4.18, a limit: the child is killed, not who was selected",
            vec![
                "x invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0".into(),
                "Task in /a/b killed as a result of limit of /a".into(),
                "memory: usage 4kB, limit 4kB, failcnt 1".into(),
                "Memory cgroup out of memory: Kill process 7 (x) score 9 or sacrifice child".into(),
                format!("Killed process 8 (y) {SIZES}"),
                "oom_reaper: reaped process 8 (y), now anon-rss:0kB, file-rss:0kB".into(),
            ],
            &["8 y /a/b /a Cgroup 7"],
        ),
        (
            "3.10 to 4.18, the machine",
            vec![
                "x invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0".into(),
                "Out of memory: Kill process 7 (x) score 9 or sacrifice child".into(),
                format!("Killed process 7 (x) {SIZES}"),
            ],
            &["7 x - - Node 7"],
        ),
        (
            "5.0, a context in two records",
            vec![
                "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0"
                    .into(),
                ",global_oom,task_memcg=/s,task=x,pid=7,uid=0".into(),
                format!("Out of memory: Killed process 7 (x) {SIZES}"),
            ],
            &["7 x /s - Node 7"],
        ),
        (
            "5.4 on, a limit above",
            vec![
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
                 oom_memcg=/a,task_memcg=/a/b,task=x,pid=7,uid=0"
                    .into(),
                format!("Memory cgroup out of memory: Killed process 7 (x) {newest}"),
            ],
            &["7 x /a/b /a Cgroup 7"],
        ),
        (
            "a part of the machine",
            vec![
                "oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=(null),cpuset=h,mems_allowed=0,\
                 global_oom,task_memcg=/h,task=x,pid=7,uid=0"
                    .into(),
                format!("Out of memory: Killed process 7 (x) {newest}"),
            ],
            &["7 x /h - Part 7"],
        ),
        (
            "the group goes with it, and the first is told twice",
            vec![
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
                 oom_memcg=/a,task_memcg=/a/b,task=x,pid=7,uid=0"
                    .into(),
                format!("Memory cgroup out of memory: Killed process 7 (x) {newest}"),
                "Tasks in /a/b are going to be killed due to memory.oom.group set".into(),
                format!("Memory cgroup out of memory: Killed process 7 (x) {newest}"),
                format!("Memory cgroup out of memory: Killed process 9 (y) {newest}"),
            ],
            &["7 x /a/b /a Cgroup 7", "9 y /a/b /a Cgroup 7"],
        ),
        (
            "many at once: only the kill is told",
            vec![
                "oom_kill_process: 70 callbacks suppressed".into(),
                format!("Memory cgroup out of memory: Killed process 7 (x) {newest}"),
                format!("Out of memory: Killed process 8 (x) {newest}"),
            ],
            &["7 x - - Cgroup 7", "8 x - - Node 7"],
        ),
        (
            "two at once: each has its own context",
            vec![
                "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/a,task_memcg=/a,task=x,pid=7,uid=0"
                    .into(),
                "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/b,task_memcg=/b,task=x,pid=8,uid=0"
                    .into(),
                format!("Memory cgroup out of memory: Killed process 8 (x) {newest}"),
                format!("Memory cgroup out of memory: Killed process 7 (x) {newest}"),
            ],
            &["8 x /b /b Cgroup 7", "7 x /a /a Cgroup 7"],
        ),
        (
            "a context that was cut off before the victim",
            vec![
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c,mems_allowed=0,\
                 oom_memcg=/a,task_mem"
                    .into(),
                format!("Memory cgroup out of memory: Killed process 7 (x) {newest}"),
            ],
            &["7 x - - Cgroup 7"],
        ),
    ];
    for (words, texts, wanted) in cases {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(fed(&mut Kills::default(), 1, &texts), wanted, "{words}");
    }
}

#[test]
fn what_is_lost_is_counted_and_joins_nothing() {
    let mut kills = Kills::default();
    assert!(fed(&mut kills, 5, &["Task in /a killed as a result of limit of /a"]).is_empty());
    let killed = format!("Killed process 8 (y) {SIZES}");
    assert_eq!(fed(&mut kills, 9, &[&killed]), ["8 y - - Unknown 7"]);
    assert_eq!((kills.lost(), kills.last()), (3, Some(9)));
}

/// Whoever begins in the middle, or misses something, cannot say that there was nothing before.
#[test]
fn it_is_known_since_when_nothing_was_missed() {
    let mut kills = Kills::default();
    for (from, texts, since) in [(0, 2, 0), (2, 1, 0), (7, 2, 7000), (9, 1, 7000)] {
        fed(&mut kills, from, &["x"].repeat(texts));
        assert_eq!(kills.whole_since(), since, "from {from}");
    }
    let mut begun_late = Kills::default();
    fed(&mut begun_late, 5, &["x"]);
    assert_eq!(begun_late.whole_since(), 5000);
}

#[test]
fn a_record_is_taken_once() {
    let mut kills = Kills::default();
    let killed = format!("Killed process 8 (y) {SIZES}");
    assert_eq!(fed(&mut kills, 9, &[&killed]).len(), 1);
    let other = format!("Killed process 9 (y) {SIZES}");
    assert!(fed(&mut kills, 9, &[&other]).is_empty(), "whoever reads again from the start");
    assert!(fed(&mut kills, 8, &[&other]).is_empty());
    assert_eq!(fed(&mut kills, 10, &[&other]).len(), 1);
}

#[test]
fn one_process_is_killed_again_only_after_long() {
    let mut kills = Kills::default();
    let killed = format!("Killed process 8 (y) {SIZES}");
    let mut at = |sequence: u64, seconds: u64| {
        let record = format!("3,{sequence},{},-;{killed}\n", seconds * 1_000_000);
        kills.record(record.as_bytes()).is_some()
    };
    assert_eq!([at(1, 100), at(2, 105), at(3, 200)], [true, false, true]);
}

#[test]
fn what_a_program_writes_is_no_kill() {
    let mut kills = Kills::default();
    let forged = format!("12,1,5,-;Memory cgroup out of memory: Killed process 8 (y) {SIZES}\n");
    assert_eq!(kills.record(forged.as_bytes()), None);
    assert_eq!(kills.last(), Some(1));
}

#[test]
fn a_line_in_two_parts_is_one() {
    let mut kills = Kills::default();
    let parts = [
        "6,1,5,c;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/a\n".to_owned(),
        "6,2,5,+;,task_memcg=/a/b,task=x,pid=7,uid=0\n".to_owned(),
        format!("3,3,5,-;Memory cgroup out of memory: Killed process 7 (x) {SIZES}\n"),
    ];
    let found: Vec<Kill> = parts.iter().filter_map(|part| kills.record(part.as_bytes())).collect();
    let [kill] = &found[..] else { panic!("{found:?}") };
    assert_eq!(kill.constraint, Constraint::Cgroup);
    assert_eq!(shown(kill), "7 x /a/b /a Cgroup 7");
}
