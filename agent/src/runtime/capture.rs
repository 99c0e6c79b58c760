//! Copying what a container writes into files, byte for byte: live while it runs, and whatever the
//! engine's live stream left out once it has ended. What an earlier life of the agent has copied is
//! not copied again.

use bollard::Docker as Client;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{InspectContainerOptions, LogsOptions};
use futures::{FutureExt, StreamExt};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWriteExt, BufWriter};

const PAUSE: Duration = Duration::from_millis(200);
const NOT_FOUND: u16 = 404;

/// A file that is a copy of the beginning of a stream.
struct Copy {
    file: BufWriter<File>,
    /// Bytes of the stream that it holds.
    has: u64,
    /// Bytes of the stream that have gone by in this reading.
    seen: u64,
}

impl Copy {
    async fn open(path: &PathBuf) -> io::Result<Copy> {
        let file = OpenOptions::new().create(true).append(true).open(path).await?;
        let has = file.metadata().await?.len();
        Ok(Copy { file: BufWriter::new(file), has, seen: 0 })
    }

    async fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let known = usize::try_from(self.has.saturating_sub(self.seen)).unwrap_or(usize::MAX);
        self.seen += bytes.len() as u64;
        let new = bytes.get(known.min(bytes.len())..).unwrap_or_default();
        self.has += new.len() as u64;
        self.file.write_all(new).await
    }
}

/// Copies stdout and stderr of a container until it has ended and all of them is there.
pub(super) async fn all(client: Client, name: String, [stdout, stderr]: [PathBuf; 2]) {
    loop {
        let copied = async {
            let mut copies = [Copy::open(&stdout).await?, Copy::open(&stderr).await?];
            read(&client, &name, true, &mut copies).await?;
            // The live stream may end before the output does: a reading after the end is whole.
            ended(&client, &name).await?;
            copies.iter_mut().for_each(|copy| copy.seen = 0);
            read(&client, &name, false, &mut copies).await
        };
        match copied.await {
            Ok(()) => return,
            Err(Broken::Gone) => return,
            Err(Broken::Off(reason)) => {
                tracing::warn!(reason, container = name, "output is read again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Why a reading broke off.
enum Broken {
    /// There is no such container.
    Gone,
    /// It is to be tried again.
    Off(String),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        match error {
            Error::DockerResponseServerError { status_code: NOT_FOUND, .. } => Broken::Gone,
            error => Broken::Off(error.to_string()),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Off(error.to_string())
    }
}

/// Reads a container's output from the beginning; with `follow`, while it runs.
async fn read(
    client: &Client,
    name: &str,
    follow: bool,
    [stdout, stderr]: &mut [Copy; 2],
) -> Result<(), Broken> {
    let options = LogsOptions { follow, stdout: true, stderr: true, ..Default::default() };
    let mut output = client.logs(name, Some(options));
    loop {
        let chunk = match output.next().now_or_never() {
            Some(chunk) => chunk,
            None => {
                // Nothing more comes at once: whoever follows the files sees what there is.
                stdout.file.flush().await?;
                stderr.file.flush().await?;
                output.next().await
            }
        };
        match chunk.transpose()? {
            None => break,
            Some(LogOutput::StdErr { message }) => stderr.take(&message).await?,
            Some(chunk) => stdout.take(&chunk.into_bytes()).await?,
        }
    }
    stdout.file.flush().await?;
    stderr.file.flush().await?;
    Ok(())
}

/// Waits until the container does not run.
async fn ended(client: &Client, name: &str) -> Result<(), Broken> {
    loop {
        let found = client.inspect_container(name, None::<InspectContainerOptions>).await?;
        if !found.state.and_then(|state| state.running).unwrap_or(false) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
