//! An instance, as far as it is one: the files of its user-data under a directory of their own, a
//! metadata service, and the agent's process.

use axum::Router;
use axum::extract::Path as Asked;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, put};
use ec2_core::cloudinit::yaml::{self, Node};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub(crate) const CREDENTIAL: &str = "/etc/fleetlog/credential";
pub(crate) const CONFIG: &str = "/etc/fleetlog/agent.json";
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// What the metadata service announces, once it does.
type Notice = Arc<OnceLock<String>>;

/// Contents by path.
pub(crate) type Files = BTreeMap<String, String>;

/// The files that user-data puts on an instance.
pub(crate) fn files(user_data: &[u8]) -> Files {
    let mut text = String::new();
    if user_data.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(user_data).read_to_string(&mut text).expect("gzip");
    } else {
        text = String::from_utf8(user_data.to_vec()).expect("text");
    }
    assert!(text.starts_with("#cloud-config\n"));
    let document = yaml::parse(&text).expect("YAML");
    let files = document.get("write_files").expect("files").list();
    let text = |file: &Node, key| file.get(key).and_then(Node::as_text).map(str::to_owned);
    files.iter().filter_map(|file| Some((text(file, "path")?, text(file, "content")?))).collect()
}

pub(crate) struct Agent {
    process: Child,
    joined: PathBuf,
    root: tempfile::TempDir,
    notice: Notice,
    _metadata: tokio::runtime::Runtime,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // What it kept running is no more than the machine's.
        let mut end = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
        let _ = end.args(["keeper", "--end"]).arg(under(&self.root, "/mnt/data/fleetlog")).status();
    }
}

/// Where a path of the instance is.
fn under(root: &tempfile::TempDir, path: &str) -> PathBuf {
    root.path().join(path.trim_start_matches('/'))
}

impl Agent {
    /// Starts it with these files: all of them as they are, but that the agent's file leads to where
    /// the others are.
    pub(crate) fn start(id: &str, files: &Files) -> Agent {
        let root = tempfile::tempdir().expect("a directory");
        for (path, content) in files {
            write(&under(&root, path), content);
        }
        let mut told: Value = serde_json::from_str(&files[CONFIG]).expect("the agent's file");
        for key in ["credential_file", "joined_file", "dir", "ca_file"] {
            let Some(path) = told.get_mut(key) else { continue };
            let at = under(&root, path.as_str().expect("a path"));
            *path = at.to_str().expect("text").into();
        }
        write(&under(&root, CONFIG), &told.to_string());
        let metadata = tokio::runtime::Runtime::new().expect("a runtime");
        let notice = Notice::default();
        let endpoint = metadata.block_on(serve(id.to_owned(), notice.clone()));
        let said = std::fs::File::create(root.path().join("said")).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
        command.args(["agent", "--config"]).arg(under(&root, CONFIG)).stdin(Stdio::null());
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint);
        command.stdout(said.try_clone().expect("a file")).stderr(said);
        let process = command.spawn().expect("starts");
        let joined = PathBuf::from(told["joined_file"].as_str().expect("a path"));
        Agent { process, joined, root, notice, _metadata: metadata }
    }

    pub(crate) fn has_joined(&self) -> bool {
        self.joined.exists()
    }

    /// EC2 announces that it takes the instance away in so long.
    pub(crate) fn announce(&self, left: Duration) {
        let time = jiff::Timestamp::now() + left;
        let notice = serde_json::json!({"action": "terminate", "time": time.to_string()});
        self.notice.set(notice.to_string()).expect("it is announced once");
    }

    /// What it wrote on stdout and stderr.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.root.path().join("said")).unwrap_or_default()
    }

    /// Its exit code, once it has ended.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("a child") {
                return status.code();
            }
            assert!(since.elapsed() < PATIENCE, "it does not end: {}", self.said());
            std::thread::sleep(POLL);
        }
    }
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    std::fs::write(path, content).expect("written");
}

/// A metadata service that gives this id, and the notice if there is one, to whoever shows its token; where
/// it is.
async fn serve(id: String, notice: Notice) -> String {
    let token = |headers: HeaderMap| async move {
        let asked = headers.contains_key("x-aws-ec2-metadata-token-ttl-seconds");
        if asked { Ok("a-token") } else { Err(StatusCode::BAD_REQUEST) }
    };
    let told = move |Asked(what): Asked<String>, headers: HeaderMap| async move {
        let shown = headers.get("x-aws-ec2-metadata-token");
        if shown.is_none_or(|token| token.as_bytes() != b"a-token") {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let said = match what.as_str() {
            "instance-id" => Some(id.clone()),
            "spot/instance-action" => notice.get().cloned(),
            _ => None,
        };
        said.ok_or(StatusCode::NOT_FOUND)
    };
    let app = Router::new()
        .route("/latest/api/token", put(token))
        .route("/latest/meta-data/{*what}", get(told));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}
