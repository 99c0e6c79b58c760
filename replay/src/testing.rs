//! For tests of this and other crates: a real nats-server, or three of them, on loopback.

mod authority;

use std::fs;
use std::io;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use authority::Authority;

const START: Duration = Duration::from_secs(60);
const ATTEMPTS: u32 = 5;
const POLL: Duration = Duration::from_millis(20);

/// A nats-server with JetStream and fsync on every append; ends with this value.
pub struct NatsServer {
    dir: PathBuf,
    config: PathBuf,
    scheme: &'static str,
    port: u16,
    monitor: u16,
    child: Option<Child>,
}

/// Servers that form one cluster.
pub struct NatsCluster {
    /// Each of them.
    pub servers: Vec<NatsServer>,
}

/// What is answered on this port, first of all or to a question; as much as comes at once.
fn heard(port: u16, question: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(question)?;
    let mut answer = vec![0; 1 << 10];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Whether it says that it is well and greets whoever comes: it may be well before it listens.
fn healthy(server: &NatsServer) -> bool {
    heard(server.monitor, b"GET /healthz HTTP/1.0\r\n\r\n").is_ok_and(|a| a.contains("200 OK"))
        && heard(server.port, b"").is_ok_and(|greeting| greeting.starts_with("INFO"))
}

/// A port that nobody has, and that stays free while its server is down: the system takes none below
/// its ephemeral range (`ip_local_port_range`, 32768 and up) for connections of its own accord.
fn lasting_port() -> io::Result<u16> {
    const FIRST: u16 = 10_000;
    const LAST: u16 = 32_767;
    loop {
        let (drawn, _) = uuid::Uuid::new_v4().as_u64_pair();
        let port = FIRST + (drawn % u64::from(LAST - FIRST + 1)) as u16;
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

/// `FLEETLOG_NATS_SERVER`, else what `./dev test` installed, else the one in `PATH`.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("FLEETLOG_NATS_SERVER") {
        return named.into();
    }
    let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.dev");
    let installed = ["nats/bin/nats-server", "bin/nats-server"].map(|name| state.join(name));
    installed.into_iter().find(|path| path.exists()).unwrap_or_else(|| "nats-server".into())
}

/// Makes servers until none of them found its port taken meanwhile.
fn attempt<T>(make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match make() {
            Err(error) if attempts < ATTEMPTS && error.kind() == io::ErrorKind::AddrInUse => {}
            made => return made,
        }
    }
}

/// Waits until all are healthy, none of which may have ended.
fn wait_all(servers: &mut [NatsServer]) -> io::Result<()> {
    let since = Instant::now();
    while !servers.iter().all(healthy) {
        servers.iter_mut().try_for_each(NatsServer::alive)?;
        if since.elapsed() > START {
            let dirs: Vec<_> = servers.iter().map(|server| &server.dir).collect();
            return Err(io::Error::other(format!("nats-server is not up; see {dirs:?}")));
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

impl NatsServer {
    /// Starts one that stands alone, with its files under `dir`; returns once it is healthy.
    ///
    /// # Errors
    /// There is no nats-server (`./dev test` installs it), or it does not come up.
    pub fn start(dir: &Path) -> io::Result<NatsServer> {
        attempt(|| {
            let mut server = NatsServer::configure(dir, "alone", lasting_port()?, "")?;
            server.up()?;
            Ok(server)
        })
    }

    /// The same; whoever comes must speak TLS, and is shown a certificate by this authority.
    ///
    /// # Errors
    /// As [`NatsServer::start`].
    pub fn start_with_tls(dir: &Path, authority: &Authority) -> io::Result<NatsServer> {
        let (certificate, key) = authority.sign("127.0.0.1", dir)?;
        let more = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}");
        attempt(|| {
            let mut server = NatsServer::configure(dir, "alone", lasting_port()?, &more)?;
            server.scheme = "tls";
            server.up()?;
            Ok(server)
        })
    }

    fn configure(dir: &Path, name: &str, port: u16, more: &str) -> io::Result<NatsServer> {
        let dir = dir.join(name);
        fs::create_dir_all(&dir)?;
        let config = dir.join("nats.conf");
        let (store, monitor) = (dir.join("store"), lasting_port()?);
        let text = format!(
            "host: 127.0.0.1\nport: {port}\nhttp: \"127.0.0.1:{monitor}\"\n\
             server_name: {name}\nmax_payload: 1MB\n\
             jetstream {{ store_dir: {store:?}, sync_interval: always }}\n{more}\n"
        );
        fs::write(&config, text)?;
        Ok(NatsServer { dir, config, scheme: "nats", port, monitor, child: None })
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// Where its files are; copy them only while it is down.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Starts it again after [`NatsServer::kill`], on the same files and port; returns once it is
    /// healthy.
    ///
    /// # Errors
    /// It does not come up.
    pub fn up(&mut self) -> io::Result<()> {
        self.spawn()?;
        self.wait()
    }

    fn spawn(&mut self) -> io::Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log"))?;
        let mut command = Command::new(program());
        command.arg("-c").arg(&self.config).stdin(Stdio::null());
        let spawned = command.stdout(log.try_clone()?).stderr(log).spawn();
        self.child = Some(spawned.map_err(|error| {
            let program = program();
            let hint = "`./dev test` installs nats-server and runs these tests";
            io::Error::new(
                error.kind(),
                format!("cannot run {}: {error}; {hint}", program.display()),
            )
        })?);
        Ok(())
    }

    /// Waits until it is healthy.
    ///
    /// # Errors
    /// It has ended, or takes too long.
    pub fn wait(&mut self) -> io::Result<()> {
        wait_all(std::slice::from_mut(self))
    }

    /// Fails if it has ended by itself: most likely somebody else took its port.
    fn alive(&mut self) -> io::Result<()> {
        match self.child.as_mut().map(Child::try_wait).transpose()? {
            Some(Some(_)) => {
                let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                Err(io::Error::new(io::ErrorKind::AddrInUse, log))
            }
            Some(None) | None => Ok(()),
        }
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
    /// Starts three; returns once all are healthy.
    ///
    /// # Errors
    /// As [`NatsServer::start`].
    pub fn start(dir: &Path) -> io::Result<NatsCluster> {
        attempt(|| {
            let routes = [lasting_port()?, lasting_port()?, lasting_port()?];
            let all = routes.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
            let mut servers = Vec::new();
            for (index, route) in routes.iter().enumerate() {
                let more = format!(
                    "cluster {{ name: three, listen: \"127.0.0.1:{route}\", routes: [{all}] }}"
                );
                let mut server =
                    NatsServer::configure(dir, &format!("n{index}"), lasting_port()?, &more)?;
                server.spawn()?;
                servers.push(server);
            }
            wait_all(&mut servers)?;
            Ok(NatsCluster { servers })
        })
    }

    /// Where they answer, asking for a replicated stream.
    #[must_use]
    pub fn url(&self) -> String {
        let urls: Vec<String> = self.servers.iter().map(NatsServer::url).collect();
        format!("{}?replicas=3", urls.join(","))
    }
}
