//! A gate between the processes of a cluster and their nats-server: the first time that somebody sends
//! a record of a given kind, it tells who, and holds them there. What is watched for is read off the
//! wire; the product knows nothing of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Where somebody is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The record does not reach the server.
    Before,
    /// The server's answer does not reach its author.
    After,
}

/// What is waited for, once: the role of its author, its kind, and where its author is then held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trap {
    pub(crate) role: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) hold: Hold,
}

pub(crate) struct Gate {
    pub(crate) url: String,
    authors: Receiver<String>,
}

type Set = Arc<Mutex<Option<(Trap, Sender<String>)>>>;

impl Gate {
    /// Opens one before the server at `url`.
    pub(crate) fn before(url: &str, trap: Trap) -> Gate {
        let server = url.trim_start_matches("nats://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it listens");
        let (author, authors) = channel();
        let set: Set = Arc::new(Mutex::new(Some((trap, author))));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { return };
                pass(client, server, &set);
            }
        });
        Gate { url: format!("nats://{address}"), authors }
    }

    /// Who has been caught.
    pub(crate) fn caught(&self, patience: Duration) -> Option<String> {
        self.authors.recv_timeout(patience).ok()
    }
}

fn pass(client: TcpStream, server: TcpStream, set: &Set) {
    let deaf = Arc::new(AtomicBool::new(false));
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { return };
    let (set, muted) = (set.clone(), deaf.clone());
    thread::spawn(move || {
        let _ = forward(BufReader::new(from), &to, &set, &muted);
        let _ = to.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let (mut server, mut client, mut bytes) = (server, client, vec![0; 64 << 10]);
        while let Ok(count @ 1..) = server.read(&mut bytes) {
            if !deaf.load(Ordering::Acquire) && client.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    });
}

/// Takes protocol lines and their payloads one by one from the client to the server.
fn forward(
    mut from: BufReader<TcpStream>,
    mut to: &TcpStream,
    set: &Set,
    deaf: &AtomicBool,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut payload = Vec::new();
        if let [verb, subject, .., size] = words[..]
            && verb.ends_with("PUB")
        {
            payload.resize(size.parse::<usize>().unwrap_or(0) + 2, 0);
            from.read_exact(&mut payload)?;
            match springs(set, subject, &payload) {
                // Whoever sent it waits for an answer until it is killed, which closes this.
                Some(Hold::Before) => return from.read_to_end(&mut payload).map(drop),
                Some(Hold::After) => deaf.store(true, Ordering::Release),
                None => {}
            }
        }
        to.write_all(&line)?;
        to.write_all(&payload)?;
    }
}

/// Whether this record is the one that is waited for; if so, its author is told of.
fn springs(set: &Set, subject: &str, payload: &[u8]) -> Option<Hold> {
    let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
    let (trap, author) = set.as_ref()?;
    let mut tokens = subject.split('.').skip(2);
    if (tokens.next(), tokens.next()) != (Some("log"), Some(trap.role)) {
        return None;
    }
    let kind = trap.kind.as_bytes();
    if !payload.windows(kind.len()).any(|window| window == kind) {
        return None;
    }
    let (hold, caught) = (trap.hold, tokens.next()?.to_owned());
    let _ = author.send(caught);
    *set = None;
    Some(hold)
}
