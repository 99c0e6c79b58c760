//! For tests of this and other crates: a real nats-server, or three of them, on loopback.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A nats-server with JetStream and fsync on every append; ends with this value.
pub struct NatsServer {
    dir: PathBuf,
    config: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// Servers that form one cluster.
pub struct NatsCluster {
    /// Each of them.
    pub servers: Vec<NatsServer>,
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn program() -> PathBuf {
    std::env::var_os("FLEETLOG_NATS_SERVER").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.dev/nats/bin/nats-server"),
        PathBuf::from,
    )
}

impl NatsServer {
    /// Starts one that stands alone, with its files under `dir`.
    ///
    /// # Errors
    /// There is no nats-server (`./dev test` installs it), or it does not come up.
    pub fn start(dir: &Path) -> io::Result<NatsServer> {
        let mut server = NatsServer::configure(dir, "alone", free_port()?, "")?;
        server.up()?;
        Ok(server)
    }

    fn configure(dir: &Path, name: &str, port: u16, more: &str) -> io::Result<NatsServer> {
        let dir = dir.join(name);
        fs::create_dir_all(&dir)?;
        let config = dir.join("nats.conf");
        let store = dir.join("store");
        let text = format!(
            "host: 127.0.0.1\nport: {port}\nserver_name: {name}\nmax_payload: 1MB\n\
             jetstream {{ store_dir: {store:?}, sync_interval: always }}\n{more}\n"
        );
        fs::write(&config, text)?;
        Ok(NatsServer { dir, config, port, child: None })
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts it again after [`NatsServer::kill`], on the same files and port.
    ///
    /// # Errors
    /// It does not come up.
    pub fn up(&mut self) -> io::Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log"))?;
        let mut command = Command::new(program());
        command.arg("-c").arg(&self.config).stdin(Stdio::null());
        let child = command.stdout(log.try_clone()?).stderr(log).spawn().map_err(|error| {
            io::Error::new(
                error.kind(),
                format!(
                    "cannot run {}: {error}; `./dev test` installs nats-server",
                    program().display()
                ),
            )
        })?;
        self.child = Some(child);
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if since.elapsed() > START {
                return Err(io::Error::other(format!(
                    "nats-server is not up; see {}",
                    self.dir.display()
                )));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it where it is (SIGSTOP), or lets it go on (SIGCONT).
    pub fn pause(&self, paused: bool) {
        use rustix::process::{Pid, Signal, kill_process};
        let pid = self.child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed()));
        if let Some(pid) = pid {
            let _ = kill_process(pid, if paused { Signal::STOP } else { Signal::CONT });
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

impl NatsCluster {
    /// Starts three.
    ///
    /// # Errors
    /// As [`NatsServer::start`].
    pub fn start(dir: &Path) -> io::Result<NatsCluster> {
        let routes = [free_port()?, free_port()?, free_port()?];
        let all = routes.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
        let mut servers = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let more = format!(
                "cluster {{ name: three, listen: \"127.0.0.1:{route}\", routes: [{all}] }}"
            );
            servers.push(NatsServer::configure(dir, &format!("n{index}"), free_port()?, &more)?);
        }
        for server in &mut servers {
            server.up()?;
        }
        Ok(NatsCluster { servers })
    }

    /// Where they answer, asking for a replicated stream.
    #[must_use]
    pub fn url(&self) -> String {
        let urls: Vec<String> = self.servers.iter().map(NatsServer::url).collect();
        format!("{}?replicas=3", urls.join(","))
    }
}
