//! The keeper: a small process beside the agent that starts execs as its own children, so that they
//! outlive the agent and their true ends are known when it comes back. One keeper an instance, one
//! spawn an exec.
//!
//! It speaks over a unix socket, one JSON value a line. To whoever connects it first tells what it
//! knows, then what happens. It ends, and its execs with it, when it is told to, or when it has been
//! without an agent for ten minutes: nobody would ever tell it.

mod children;
mod notebook;
mod process;
mod wire;

pub(crate) use wire::{Ask, Order, Tell};

use children::Children;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a keeper, and what it keeps, goes on without an agent.
const ALONE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait for a keeper that was told to end.
const ENDING: Duration = Duration::from_secs(5);

/// The keeper's socket in an instance's directory.
pub(crate) fn socket(dir: &Path) -> PathBuf {
    dir.join("keeper.sock")
}

/// Keeps the execs of the instance whose directory this is, until told to end. Returns at once if
/// another keeper does.
///
/// # Errors
/// The directory or the socket cannot be used.
pub fn main(dir: &Path) -> io::Result<()> {
    let Some(_lock) = lock(dir)? else { return Ok(()) };
    let path = socket(dir);
    let _ = std::fs::remove_file(&path);
    let children = Arc::new(Children::open(dir.join("keeper.notes"))?);
    let listener = UnixListener::bind(&path)?;
    let watched = children.clone();
    std::thread::Builder::new().name("alone".into()).spawn(move || end_alone(&watched))?;
    for connection in listener.incoming() {
        let (connection, children) = (connection?, children.clone());
        std::thread::Builder::new()
            .name("agent".into())
            .spawn(move || attend(&connection, &children))?;
    }
    Ok(())
}

/// Ends the keeper of this instance and everything that it keeps. Does nothing if there is none.
pub fn end(dir: &Path) {
    let Ok(mut stream) = UnixStream::connect(socket(dir)) else { return };
    let _ = stream.set_read_timeout(Some(ENDING));
    let _ = serde_json::to_writer(&mut stream, &Ask::End).map(|()| stream.write_all(b"\n"));
    // It closes the connection when everything has ended.
    let mut rest = BufReader::new(stream).lines();
    while let Some(Ok(_)) = rest.next() {}
}

/// An instance whose agent does not come back must not go on for ever.
fn end_alone(children: &Children) {
    while children.alone() < ALONE {
        std::thread::sleep(LOOK);
    }
    children.kill_all();
    std::process::exit(0);
}

fn lock(dir: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("keeper.lock"))?;
    let free = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    Ok(free.then_some(file))
}

fn attend(connection: &UnixStream, children: &Arc<Children>) {
    let Ok(writer) = connection.try_clone() else { return };
    children.greet(writer);
    obey(connection, children);
    children.left();
}

fn obey(connection: &UnixStream, children: &Arc<Children>) {
    let lines = BufReader::new(connection).lines();
    for line in lines.map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Ask::Spawn(order)) => children.spawn(&order),
            Ok(Ask::Kill { exec, signal }) => children.kill(&exec, signal),
            Ok(Ask::Forget { exec }) => children.forget(&exec),
            Ok(Ask::End) => {
                children.kill_all();
                std::process::exit(0);
            }
            Err(_) => return,
        }
    }
}
