//! The memory of a cgroup, as the kernel counts it: in the second version of cgroups, or in the first.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// The memory cgroup of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroup {
    /// From the root of the hierarchy, as the kernel names it.
    pub(crate) path: String,
    dir: PathBuf,
}

/// What a cgroup has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    /// The most that was used, in bytes.
    pub(crate) peak: Option<u64>,
    /// How many of its processes were killed for memory.
    pub(crate) kills: Option<u64>,
}

impl Counted {
    /// Both only grow.
    pub(crate) fn with(self, later: Counted) -> Counted {
        Counted { peak: self.peak.max(later.peak), kills: self.kills.max(later.kills) }
    }
}

impl Cgroup {
    /// The one that a process is in; none if that cannot be told, or if it is the root.
    pub(crate) fn of(pid: u32) -> Option<Cgroup> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        Cgroup::read(&text, Path::new(ROOT))
    }

    fn read(text: &str, root: &Path) -> Option<Cgroup> {
        let fields = text.lines().filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            Some((fields.next()?, fields.next()?))
        });
        let (mut first, mut second) = (None, None);
        for (controllers, path) in fields {
            if controllers.is_empty() {
                second = Some((path, root.to_path_buf()));
            } else if controllers.split(',').any(|one| one == "memory") {
                first = Some((path, root.join("memory")));
            }
        }
        // Where both are there, memory is counted in the first.
        let (path, hierarchy) = first.or(second).filter(|(path, _)| *path != "/")?;
        let dir = hierarchy.join(path.trim_start_matches('/'));
        Some(Cgroup { path: path.to_owned(), dir })
    }

    /// What it has counted so far; nothing once it has gone.
    pub(crate) fn counted(&self) -> Counted {
        let number = |name: &str| fs::read_to_string(self.dir.join(name)).ok()?.trim().parse().ok();
        let counter = |name: &str| {
            let text = fs::read_to_string(self.dir.join(name)).ok()?;
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(key, _)| *key == "oom_kill")?.1.trim().parse().ok()
        };
        Counted {
            peak: number("memory.peak").or_else(|| number("memory.max_usage_in_bytes")),
            kills: counter("memory.events").or_else(|| counter("memory.oom_control")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        root
    }

    #[test]
    fn either_version_is_read() {
        let both = tree(&[
            (
                "memory/docker/c1/memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            ),
            ("memory/docker/c1/memory.max_usage_in_bytes", "4096\n"),
            (
                "system.slice/docker-c1.scope/memory.events",
                "low 0\noom 1\noom_kill 3\noom_group_kill 0\n",
            ),
            ("system.slice/docker-c1.scope/memory.peak", "8192\n"),
        ]);
        let of = |text: &str| Cgroup::read(text, both.path());
        let first = of("9:memory:/docker/c1\n1:name=systemd:/\n0::/\n").expect("a cgroup");
        assert_eq!(first.path, "/docker/c1");
        assert_eq!(first.counted(), Counted { peak: Some(4096), kills: Some(2) });
        let second = of("0::/system.slice/docker-c1.scope\n").expect("a cgroup");
        assert_eq!(second.counted(), Counted { peak: Some(8192), kills: Some(3) });
        let gone = of("4:cpu,memory:/docker/c2\n").expect("a cgroup");
        assert_eq!(gone.counted(), Counted::default());
        let kept =
            first.counted().with(gone.counted()).with(Counted { peak: Some(9), kills: None });
        assert_eq!(kept, first.counted());
        for nothing in ["", "0::/\n", "9:memory:/\n", "9:cpu:/x\n", "x"] {
            assert_eq!(of(nothing), None, "{nothing:?}");
        }
    }
}
