//! All the parts of a run: servers, controllers, drivers, places that can be cut off, a disk that can be
//! filled; how they come up, and that nothing of them is left.

use crate::disk::Disk;
use crate::driver::stop;
use crate::net::Place;
use crate::part::Part;
use crate::plan::{Far, Mishap};
use crate::process::{self, MARK};
use crate::say;
use crate::servers::Servers;
use crate::tally::Tally;
use crate::watch::Watch;
use anyhow::{Context as _, bail};
use schema::id::ClusterId;
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const CLUSTER: &str = "chaos";
const CONTROLLERS: u32 = 3;
const DRIVERS: u32 = 3;
/// Short enough that what is lost is given up, and what is idle goes, while somebody looks.
const POLICY: [&str; 6] = [
    "max_instances=6",
    "idle_timeout=10s",
    "boot_timeout=30s",
    "unreachable_after=5s",
    "unreachable_grace=15s",
    "retention=86400s",
];
const COME_UP: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

pub(crate) struct World {
    // Dropped in this order: processes, links and mounts before the directory under them.
    pub(crate) watch: Watch,
    pub(crate) controllers: Vec<Part>,
    pub(crate) drivers: Vec<Part>,
    pub(crate) servers: Servers,
    places: Vec<Place>,
    pub(crate) disk: Option<Disk>,
    /// What cannot be done here, and why.
    pub(crate) impossible: Vec<(Mishap, String)>,
    pub(crate) tally: Tally,
    pub(crate) mark: String,
    program: PathBuf,
    dir: TempDir,
}

impl World {
    /// Starts so many servers, and makes the rest: it is started as soon as it is tended.
    ///
    /// # Errors
    /// Something does not come up.
    pub(crate) async fn start(program: PathBuf, servers: usize) -> anyhow::Result<World> {
        let dir = tempfile::Builder::new().prefix("fleetlog-chaos-").tempdir()?;
        let cluster = ClusterId::new(CLUSTER)?;
        let servers = Servers::start(dir.path(), servers, &format!("FLEETLOG_{CLUSTER}_G1"))?;
        let places = places(&servers.url).await;
        let disk = Disk::mount(&dir.path().join("up/instances"));
        let impossible = impossible(servers.count(), &places, &disk);
        let (places, disk) = (places.unwrap_or_default(), disk.ok());
        let watch = Watch::open(&servers.url, &cluster).await?;
        let mark = format!("{}", uuid::Uuid::new_v4().simple());
        let (controllers, drivers, tally) = (Vec::new(), Vec::new(), Tally::default());
        let mut world = World {
            watch,
            controllers,
            drivers,
            servers,
            places,
            disk,
            impossible,
            tally,
            mark,
            program,
            dir,
        };
        world.controllers = (0..CONTROLLERS).map(|i| world.controller(i)).collect();
        world.drivers = (0..DRIVERS).map(|i| world.driver(i)).collect();
        Ok(world)
    }

    /// Waits until somebody leads, and the policy is the one of this run.
    ///
    /// # Errors
    /// It does not come about in time.
    pub(crate) async fn come_up(&self) -> anyhow::Result<()> {
        let since = Instant::now();
        while self.watch.leader().is_none() {
            self.tend(&self.controllers)?;
            if since.elapsed() > COME_UP {
                bail!("no controller leads; see {}", self.dir().display());
            }
            tokio::time::sleep(POLL).await;
        }
        self.policy(&POLICY).await
    }

    /// Where all files of the run are.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn instances_dir(&self) -> PathBuf {
        self.dir().join("up/instances")
    }

    /// The place of a controller or a driver that can be cut off, if there are such places here.
    pub(crate) fn place(&self, far: Far) -> Option<&Place> {
        match far {
            Far::Controller => self.places.first(),
            Far::Driver => self.places.get(1),
        }
    }

    /// Only the first of its kind is in a place that can be cut off.
    fn far(&self, far: Far, index: u32) -> Option<&Place> {
        self.place(far).filter(|_| index == 0)
    }

    /// How a part of this run is started: there, with its mark, and what it says in a file.
    fn start_of(&self, program: &Path, place: Option<&Place>) -> impl Fn(&str) -> Command + use<> {
        let enter = place.map(|place| place.command(program));
        let words: Vec<_> = enter.iter().flat_map(Command::get_args).map(Into::into).collect();
        let words: Vec<std::ffi::OsString> = words;
        let first = enter.map_or_else(|| program.into(), |enter| enter.get_program().to_owned());
        let (mark, dir) = (self.mark.clone(), self.dir().to_owned());
        move |name| {
            let mut command = Command::new(&first);
            command.args(&words).env(MARK, &mark).env("XDG_CONFIG_HOME", dir.join("config"));
            // Ctrl-C is for this process alone, which then ends them.
            command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
            let path = dir.join(format!("{name}.log"));
            let log = OpenOptions::new().create(true).append(true).open(path);
            command.stderr(log.map_or_else(|_| Stdio::null(), |log: File| log.into()));
            command
        }
    }

    fn controller(&self, index: u32) -> Part {
        let place = self.far(Far::Controller, index);
        let start = self.start_of(&self.program, place);
        let url = place.map_or_else(|| self.servers.url.clone(), |place| place.url.clone());
        let (dir, life) = (self.dir().join("up"), AtomicU32::new(0));
        Part::new(move || {
            // A name is for one process alone.
            let name = format!("r-{index}-{}", life.fetch_add(1, Ordering::Relaxed));
            let mut command = start(&name);
            command.args(["--log", &url, "--cluster", CLUSTER, "controller", "--dir"]);
            command.arg(&dir).args(["--instances", "1", "--replica", &name]);
            (name, command)
        })
    }

    fn driver(&self, index: u32) -> Part {
        let place = self.far(Far::Driver, index);
        let own = std::env::current_exe().unwrap_or_default();
        let start = self.start_of(&own, place);
        let url = place.map_or_else(|| self.servers.url.clone(), |place| place.url.clone());
        let dir = self.dir().to_owned();
        Part::new(move || {
            let name = format!("d-{index}");
            let mut command = start(&name);
            command.args(["driver", "--log", &url, "--driver", &name, "--dir"]).arg(&dir);
            (name, command)
        })
    }

    /// Starts what is to run, and tells what has ended by itself.
    ///
    /// # Errors
    /// Something cannot be started, or the log cannot be followed any more.
    pub(crate) fn tend(&self, parts: &[Part]) -> anyhow::Result<()> {
        for part in parts {
            if let Some(ended) =
                part.tend().with_context(|| format!("cannot start {}", part.name()))?
            {
                let fell = !part.done();
                let why = if fell { self.last_words(&part.name()) } else { String::new() };
                say(&format!("{ended}{why}"));
                if fell {
                    self.tally.fell();
                } else if !stop(self.dir()).exists() {
                    self.tally.left_early(part.name());
                }
            }
        }
        if !self.watch.goes_on() {
            bail!("the log can no longer be followed");
        }
        Ok(())
    }

    /// The last line that a part has said.
    fn last_words(&self, name: &str) -> String {
        let said = std::fs::read_to_string(self.dir().join(format!("{name}.log")));
        let said = said.unwrap_or_default();
        said.lines().next_back().map(|line| format!(": {line}")).unwrap_or_default()
    }

    /// Tells drivers to finish.
    ///
    /// # Errors
    /// The word cannot be written.
    pub(crate) fn tell_drivers(&self) -> anyhow::Result<()> {
        File::create(stop(self.dir())).map(drop).context("cannot tell the drivers to finish")
    }

    /// A verb of `fleetlog` on this cluster; what it says beside its data goes where this process's
    /// does.
    pub(crate) async fn fleetlog(&self, words: &[&str]) -> anyhow::Result<Output> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(["--log", &self.servers.url, "--cluster", CLUSTER]).args(words);
        Ok(command.kill_on_drop(true).stderr(Stdio::inherit()).output().await?)
    }

    /// Changes the policy.
    ///
    /// # Errors
    /// It is not changed.
    pub(crate) async fn policy(&self, changes: &[&str]) -> anyhow::Result<()> {
        let set = self.fleetlog(&[&["policy", "set"], changes].concat()).await?;
        match set.status.success() {
            true => Ok(()),
            false => bail!("the policy cannot be set"),
        }
    }

    /// Ends whatever is left, and says what could not be ended. With `keep`, what the parts have said
    /// stays in the directory.
    pub(crate) fn end(mut self, keep: bool) -> Vec<String> {
        self.controllers.clear();
        self.drivers.clear();
        process::end_all(&self.mark);
        if keep {
            self.keep_what_agents_said();
        }
        self.places.iter().for_each(Place::remove);
        self.disk.iter().for_each(Disk::unmount);
        let mut left: Vec<String> =
            process::all(&self.mark).into_iter().map(|(_, line)| line).collect();
        left.extend(self.places.iter().filter(|p| p.there()).map(|_| "a network namespace".into()));
        left.extend(self.disk.iter().filter(|disk| disk.there()).map(|_| "a mount".into()));
        if keep {
            self.dir.disable_cleanup(true);
            say(&format!("what was said is in {}", self.dir.path().display()));
        }
        left
    }

    /// It is on the disk that goes.
    fn keep_what_agents_said(&self) {
        let instances = std::fs::read_dir(self.instances_dir()).into_iter().flatten().flatten();
        for instance in instances {
            let to = self.dir().join(format!("{}.log", instance.file_name().to_string_lossy()));
            let _ = std::fs::copy(instance.path().join("agent.log"), to);
        }
    }
}

/// One place for each kind, if this process may make them.
async fn places(url: &str) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    for index in 0..2 {
        places.push(Place::make(index, url).await?);
    }
    Ok(places)
}

/// What cannot be done on so many servers, with these places and this disk; says so at once.
fn impossible(
    servers: usize,
    places: &anyhow::Result<Vec<Place>>,
    disk: &anyhow::Result<Disk>,
) -> Vec<(Mishap, String)> {
    let mut impossible = Vec::new();
    if servers == 1 {
        let why = || "there is one nats-server only".to_owned();
        impossible.extend([(Mishap::KillLeadingServer, why()), (Mishap::StepDown, why())]);
    }
    if let Err(error) = places {
        let why = || format!("no network namespace can be made: {error:#}");
        impossible
            .extend([Far::Controller, Far::Driver].map(|far| (Mishap::Partition(far), why())));
    }
    if let Err(error) = disk {
        impossible
            .push((Mishap::FillDisk, format!("no disk of its own can be mounted: {error:#}")));
    }
    for (mishap, why) in &impossible {
        say(&format!("there will be no {}: {why}", mishap.name()));
    }
    impossible
}
