//! A real moto server on loopback, which ends with this value and with this process.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The one whose answers are known; `dev.d/install.sh` installs it.
pub const VERSION: &str = "5.2.5";
const PROGRAM: &str = include_str!("moto.py");

/// A moto server: what EC2's API would say if all went well.
pub struct Moto {
    child: Child,
    url: String,
}

/// `FLEETLOG_MOTO`, else what `./dev test` installed: a Python that has moto.
fn python() -> PathBuf {
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.dev/moto/bin/python3");
    std::env::var_os("FLEETLOG_MOTO").map_or_else(installed, PathBuf::from)
}

impl Moto {
    /// Starts one, which writes its log under `dir`; returns once it listens.
    ///
    /// # Errors
    /// There is no moto of this version (`./dev test` installs it), or it does not come up.
    pub fn start(dir: &Path) -> io::Result<Moto> {
        let (python, log) = (python(), dir.join("moto.log"));
        let mut command = Command::new(&python);
        command.args(["-c", PROGRAM, VERSION]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // As EC2 does: there is no instance of a type that there is not.
        command.env("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true");
        let spawned = command.stderr(File::create(&log)?).spawn();
        let child =
            spawned.map_err(|error| io::Error::new(error.kind(), missing(&python, error)))?;
        let mut moto = Moto { child, url: String::new() };
        let port = moto.port()?;
        if port.is_empty() {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(io::Error::other(missing(&python, said.trim())));
        }
        moto.url = format!("http://127.0.0.1:{port}");
        Ok(moto)
    }

    /// The first line that it says; empty if it ended without one.
    fn port(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if let Some(stdout) = &mut self.child.stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        Ok(line.trim().to_owned())
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn missing(python: &Path, why: impl std::fmt::Display) -> String {
    let python = python.display();
    format!("no moto {VERSION} with {python}: {why}; `./dev test` installs it and runs these tests")
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
