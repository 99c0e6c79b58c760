//! Records of the kernel's log.

use agent_core::oom::{Constraint, Killed, Kills, Line, Record};

/// Each line is a record as `/dev/kmsg` gives it. Whatever they say: a record is read as it was framed, a
/// kill as it is told, and what is lost is what numbers leave out.
pub fn kernel(bytes: &[u8]) {
    let mut kills = Kills::default();
    let (mut first, mut taken) = (None, 0_u64);
    for piece in bytes.split(|byte| *byte == b'\n').take(100) {
        let before = kills.last();
        let kill = kills.record(piece);
        let Some(record) = Record::parse(piece) else {
            assert_eq!((kill, kills.last()), (None, before));
            continue;
        };
        framed(&record);
        if let Some(Line::Killed(killed)) = Line::parse(&record.text) {
            told(&killed);
        }
        if before.is_some_and(|before| record.sequence <= before) {
            assert_eq!((kill, kills.last()), (None, before));
            continue;
        }
        assert_eq!(kills.last(), Some(record.sequence));
        taken += 1;
        let span = record.sequence - *first.get_or_insert(record.sequence);
        assert_eq!(kills.lost(), span - (taken - 1));
        if let Some(kill) = kill {
            assert!(record.of_kernel(), "{record:?}");
            assert_eq!((kill.sequence, kill.at), (record.sequence, record.at));
        }
    }
}

fn framed(record: &Record) {
    let flags = if record.continues { '+' } else { '-' };
    let Record { priority, sequence, at, text, .. } = record;
    let mut bytes = format!("{priority},{sequence},{at},{flags};").into_bytes();
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'\\' => bytes.push(byte),
            _ => bytes.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    assert_eq!(Record::parse(&bytes).as_ref(), Some(record));
}

/// In the words of a kernel of today.
fn told(killed: &Killed) {
    let scope = match killed.constraint {
        Constraint::Cgroup => "Memory cgroup out of memory: ",
        Constraint::Node | Constraint::Part => "Out of memory: ",
        Constraint::Unknown => "",
    };
    let kib = |bytes: u64| bytes / 1024;
    let Killed { pid, name, total, anon, file, shmem, .. } = killed;
    let (total, anon, file, shmem) = (kib(*total), kib(*anon), kib(*file), kib(*shmem));
    let owner = killed
        .uid
        .map_or(String::new(), |uid| format!(", UID:{uid} pgtables:4kB oom_score_adj:-1"));
    let line = format!(
        "{scope}Killed process {pid} ({name}) total-vm:{total}kB, anon-rss:{anon}kB, \
         file-rss:{file}kB, shmem-rss:{shmem}kB{owner}"
    );
    // More than the kernel can count is the most.
    let most = [killed.total, killed.anon, killed.file, killed.shmem].contains(&u64::MAX);
    assert!(most || Line::parse(&line) == Some(Line::Killed(killed.clone())), "{line}");
}
