//! Network namespaces whose one link can be taken down. What runs in one reaches the nats-servers, which
//! listen on loopback alone, through a relay at this machine's end of the link.

use anyhow::{Context as _, bail};
use std::net::Ipv4Addr;
use std::process::Command;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A namespace, and the way to the log from there.
pub(crate) struct Place {
    name: String,
    link: String,
    /// The log's address from in there.
    pub(crate) url: String,
    _relays: JoinSet<()>,
}

/// Runs a tool, and says what it said first if it failed.
pub(crate) fn tool(words: &[&str]) -> anyhow::Result<()> {
    let [program, args @ ..] = words else { bail!("no tool to run") };
    let output = Command::new(program).args(args).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}", words.join(" "), said.lines().next().unwrap_or_default());
    }
    Ok(())
}

impl Place {
    /// Makes the `index`th namespace of this process.
    ///
    /// # Errors
    /// This process may not, or has not the tools.
    pub(crate) async fn make(index: u8, url: &str) -> anyhow::Result<Place> {
        let pid = std::process::id();
        let (name, link) = (format!("fleetlog-chaos-{pid}-{index}"), format!("flc{pid}{index}"));
        let subnet = u8::try_from(pid % 250).unwrap_or(0);
        let here = Ipv4Addr::new(10, 213, subnet, 4 * index + 1);
        let there = Ipv4Addr::new(10, 213, subnet, 4 * index + 2);
        // Whole from here on, so that what is made is taken away again even if the rest fails.
        let mut place = Place { name, link, url: String::new(), _relays: JoinSet::new() };
        place.connect(here, there)?;
        place.url = relay(here, url, &mut place._relays).await?;
        Ok(place)
    }

    fn connect(&self, here: Ipv4Addr, there: Ipv4Addr) -> anyhow::Result<()> {
        let Place { name, link, .. } = self;
        let (here, there) = (format!("{here}/30"), format!("{there}/30"));
        tool(&["ip", "netns", "add", name])?;
        tool(&["ip", "link", "add", link, "type", "veth", "peer", "name", "log", "netns", name])?;
        tool(&["ip", "addr", "add", &here, "dev", link])?;
        tool(&["ip", "-n", name, "addr", "add", &there, "dev", "log"])?;
        tool(&["ip", "-n", name, "link", "set", "lo", "up"])?;
        tool(&["ip", "-n", name, "link", "set", "log", "up"])?;
        self.set(true)
    }

    /// Takes the link down, or up again.
    ///
    /// # Errors
    /// The tool's.
    pub(crate) fn set(&self, up: bool) -> anyhow::Result<()> {
        tool(&["ip", "link", "set", &self.link, if up { "up" } else { "down" }])
    }

    /// A command that runs in there.
    pub(crate) fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg("--").arg(program);
        command
    }

    /// Whether anything of it is there.
    pub(crate) fn there(&self) -> bool {
        let netns = std::path::Path::new("/run/netns").join(&self.name);
        netns.exists() || std::path::Path::new("/sys/class/net").join(&self.link).exists()
    }

    /// Takes it away. Does nothing if it is not there.
    pub(crate) fn remove(&self) {
        // The link goes with either of its ends.
        let _ = tool(&["ip", "link", "del", &self.link]);
        let _ = tool(&["ip", "netns", "del", &self.name]);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Serves each server of `url` at this address, too; returns the same address with those instead.
async fn relay(here: Ipv4Addr, url: &str, relays: &mut JoinSet<()>) -> anyhow::Result<String> {
    let (servers, query) = url.split_once('?').unwrap_or((url, ""));
    let mut told = Vec::new();
    for server in servers.split(',') {
        let to = server.strip_prefix("nats://").context("not an address of a nats-server")?;
        let listener = TcpListener::bind((here, 0)).await?;
        told.push(format!("nats://{}", listener.local_addr()?));
        relays.spawn(carry(listener, to.to_owned()));
    }
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    Ok(format!("{}{query}", told.join(",")))
}

async fn carry(listener: TcpListener, to: String) {
    let mut open = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let to = to.clone();
        open.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(&to).await {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
        while open.try_join_next().is_some() {}
    }
}
