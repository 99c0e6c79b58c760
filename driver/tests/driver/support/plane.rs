//! A data plane that serves one text, byte range by byte range, and can be told to break.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As it should.
    Whole,
    /// The connection breaks.
    Broken,
}

/// Serves until dropped.
pub(crate) struct Plane {
    pub(crate) address: String,
    text: Arc<Mutex<(String, Ending)>>,
    task: JoinHandle<()>,
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Plane {
    /// A data plane that has this much by now, and says that this is all.
    pub(crate) async fn new(text: &str, ending: Ending) -> Plane {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let text = Arc::new(Mutex::new((text.to_owned(), ending)));
        let served = text.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (text, ending) = served.lock().expect("not poisoned").clone();
                tokio::spawn(serve(stream, text, ending));
            }
        });
        Plane { address, text, task }
    }

    pub(crate) fn set(&self, text: &str, ending: Ending) {
        *self.text.lock().expect("not poisoned") = (text.to_owned(), ending);
    }
}

async fn serve(mut stream: TcpStream, text: String, ending: Ending) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            return;
        }
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let offset = request.split("offset=").nth(1).expect("an offset");
    let digits: String = offset.chars().take_while(char::is_ascii_digit).collect();
    let rest = &text[digits.parse::<usize>().expect("a number").min(text.len())..];
    let more = if ending == Ending::Broken { 1 } else { 0 };
    let length = rest.len() + more;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(rest.as_bytes()).await;
    let _ = stream.shutdown().await;
}
