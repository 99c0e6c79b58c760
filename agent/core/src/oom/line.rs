//! What the kernel says when it kills for memory, in the words of every version since 3.10. The name of
//! a process is up to 15 bytes of its own choice, brackets and commas among them: it is what stands
//! between the fixed parts, and a line is never split at it.

use serde::{Deserialize, Serialize};

/// What limited the memory that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Constraint {
    /// All that the machine has.
    Node,
    /// The part of the machine that its cpuset or memory policy allows.
    Part,
    /// The limit of a cgroup.
    Cgroup,
    /// The kernel did not say, or said it in words that are new.
    Unknown,
}

/// What is said of a kill before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// What limited the memory.
    pub constraint: Constraint,
    /// The memory nodes that were looked at, as the kernel writes them.
    pub nodemask: Option<String>,
    /// The cpuset of who asked for memory.
    pub cpuset: Option<String>,
    /// The cgroup whose limit was reached.
    pub limit_cgroup: Option<String>,
    /// The cgroup of the victim.
    pub task_cgroup: Option<String>,
    /// The victim, by its id outside of all namespaces; none if that stands in a line of its own.
    pub pid: Option<u32>,
}

/// A kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// What limited the memory.
    pub constraint: Constraint,
    /// The victim, by its id outside of all namespaces.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Whose it was.
    pub uid: Option<u32>,
    /// Bytes of its address space.
    pub total: u64,
    /// Resident bytes of its own.
    pub anon: u64,
    /// Resident bytes of files.
    pub file: u64,
    /// Resident bytes of shared memory.
    pub shmem: u64,
}

/// A line that has to do with a kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A process asked for memory, and there was none: what was said before belongs to another kill.
    Invoked {
        /// Its name.
        name: String,
    },
    /// Where the victim is, and which limit was reached.
    Context(Context),
    /// The rest of a context that came as two records (5.0).
    Rest(Context),
    /// The same before 5.0.
    Limited {
        /// The cgroup of the victim.
        task: String,
        /// The cgroup whose limit was reached.
        limit: String,
    },
    /// A process was chosen (before 5.1); killed may be a child of it.
    Selected {
        /// What limited the memory.
        constraint: Constraint,
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// A process was killed.
    Killed(Killed),
    /// The memory of one that was killed is free.
    Reaped {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// All processes of a cgroup go with the one that was killed.
    Group {
        /// The cgroup.
        cgroup: String,
    },
}

const INVOKED: &str = " invoked oom-killer: gfp_mask=";
const CONTEXT: &str = "oom-kill:constraint=";
const TASK: &str = ",task_memcg=";

impl Line {
    /// What a line says; none if it has nothing to do with a kill.
    #[must_use]
    pub fn parse(text: &str) -> Option<Line> {
        if let Some(rest) = text.strip_prefix(CONTEXT) {
            let (constraint, rest) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
            return Some(Line::Context(context(constraint_of(constraint), rest)));
        }
        if text.starts_with(',') && text.contains(TASK) {
            return Some(Line::Rest(context(Constraint::Unknown, text)));
        }
        if let Some(rest) = text.strip_prefix("Task in ") {
            let (task, limit) = rest.split_once(" killed as a result of limit of ")?;
            return Some(Line::Limited { task: task.into(), limit: limit.into() });
        }
        if let Some(rest) = text.strip_prefix("Tasks in ") {
            let cgroup = rest.split_once(" are going to be killed due to memory.oom.group set")?.0;
            return Some(Line::Group { cgroup: cgroup.into() });
        }
        if let Some(rest) = text.strip_prefix("oom_reaper: reaped process ") {
            let (pid, rest) = number(rest)?;
            let name = rest.strip_prefix(" (")?.rsplit_once("), now anon-rss:")?.0.into();
            return Some(Line::Reaped { pid, name });
        }
        let (constraint, rest) = scope(text);
        if let Some(rest) = rest.strip_prefix("Killed process ") {
            return killed(constraint, rest).map(Line::Killed);
        }
        if let Some(rest) = rest.strip_prefix("Kill process ") {
            let (pid, rest) = number(rest)?;
            let name = rest.strip_prefix(" (")?.rsplit_once(") score ")?.0.into();
            return Some(Line::Selected { constraint, pid, name });
        }
        text.rfind(INVOKED).map(|end| Line::Invoked { name: text[..end].into() })
    }
}

/// What stands before the kill, and the rest. `Out of memory (oom_kill_allocating_task): ` is one too.
fn scope(text: &str) -> (Constraint, &str) {
    let known =
        [("Memory cgroup out of memory", Constraint::Cgroup), ("Out of memory", Constraint::Node)];
    for (words, constraint) in known {
        if let Some(after) = text.strip_prefix(words)
            && let Some((_, rest)) = after.split_once(": ")
        {
            return (constraint, rest);
        }
    }
    (Constraint::Unknown, text)
}

fn constraint_of(word: &str) -> Constraint {
    match word {
        "CONSTRAINT_NONE" => Constraint::Node,
        "CONSTRAINT_CPUSET" | "CONSTRAINT_MEMORY_POLICY" => Constraint::Part,
        "CONSTRAINT_MEMCG" => Constraint::Cgroup,
        _ => Constraint::Unknown,
    }
}

/// `,nodemask=A,cpuset=B,mems_allowed=C` and `,oom_memcg=D` or `,global_oom`, in any order, each or none
/// of them; then `,task_memcg=E,task=NAME,pid=P,uid=U`. Values have commas too.
fn context(constraint: Constraint, text: &str) -> Context {
    let (head, task) = match text.split_once(TASK) {
        Some((head, task)) => (head, Some(task)),
        None => (text, None),
    };
    let whole = head.contains(",global_oom").then_some(Constraint::Node);
    let victim = task.and_then(victim);
    Context {
        constraint: if constraint == Constraint::Unknown {
            whole.unwrap_or(constraint)
        } else {
            constraint
        },
        nodemask: value(head, ",nodemask="),
        cpuset: value(head, ",cpuset="),
        // One that nothing follows may be cut off.
        limit_cgroup: task.and(head.rsplit_once(",oom_memcg=").map(|(_, path)| path.into())),
        task_cgroup: victim.map(|(cgroup, _)| cgroup.into()),
        pid: victim.map(|(_, pid)| pid),
    }
}

fn value(head: &str, key: &str) -> Option<String> {
    const KEYS: [&str; 5] =
        [",nodemask=", ",cpuset=", ",mems_allowed=", ",oom_memcg=", ",global_oom"];
    let value = head.split_once(key)?.1;
    let end = KEYS.iter().filter_map(|next| value.find(next)).min().unwrap_or(value.len());
    Some(value[..end].into())
}

/// A name is chosen by its process, the path of a cgroup by who made it: the path ends first.
fn victim(text: &str) -> Option<(&str, u32)> {
    let (cgroup, rest) = text.split_once(",task=")?;
    let (_, ids) = rest.rsplit_once(",pid=")?;
    let (pid, _) = number(ids.trim_start_matches(' '))?;
    Some((cgroup, pid))
}

/// `P (NAME) total-vm:AkB, anon-rss:BkB, ...`; late 3.10 says `P (NAME), UID U, total-vm:...`.
fn killed(constraint: Constraint, text: &str) -> Option<Killed> {
    let (pid, rest) = number(text)?;
    let rest = rest.strip_prefix(" (")?;
    let (name, sizes) = rest.split_at(rest.rfind(" total-vm:")?);
    let (name, early) = match name.strip_suffix(')') {
        Some(name) => (name, None),
        None => {
            let (name, uid) = name.strip_suffix(',')?.rsplit_once(')')?;
            let uid = uid.trim_start_matches([',', ' ']).strip_prefix("UID")?;
            (name, Some(number(uid.trim_start_matches([':', ' ']))?.0))
        }
    };
    let size = |key| kib(sizes, key);
    Some(Killed {
        constraint,
        pid,
        name: name.into(),
        uid: early.or_else(|| Some(number(sizes.split_once(" UID:")?.1)?.0)),
        total: size(" total-vm:")?,
        anon: size(" anon-rss:").unwrap_or(0),
        file: size(" file-rss:").unwrap_or(0),
        shmem: size(" shmem-rss:").unwrap_or(0),
    })
}

fn kib(sizes: &str, key: &str) -> Option<u64> {
    let digits = sizes.split_once(key)?.1.split_once("kB")?.0;
    digits.parse::<u64>().ok().map(|kib| kib.saturating_mul(1024))
}

/// The number that a text begins with, and the rest.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}
