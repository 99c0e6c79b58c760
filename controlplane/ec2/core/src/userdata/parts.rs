//! What of an instance is ours: what comes before anything of the owner's, and what comes after it.

use super::{AGENT_FILE, CREDENTIAL_FILE, JOINED_FILE, UserDataError};
use crate::cloudinit::template::fill;
use crate::cloudinit::{CloudFile, CloudUnit, Part};
use crate::config::{Arch, Config, Fetched};
use crate::credential::Credential;
use crate::intent::Intent;
use schema::id::{ClusterId, LaunchId};
use schema::resources::Resources;
use serde::{Deserialize, Serialize};

/// Certificates to trust.
const CA_FILE: &str = "/etc/fleetlog/ca.pem";
/// Where a node exporter answers.
const METRICS: &str = "127.0.0.1:9100";

const FETCH: &str = include_str!("../cloudinit/files/fetch.sh");
const RUN: &str = include_str!("../cloudinit/files/run.sh");
const DATA: &str = include_str!("../cloudinit/files/data.sh");
const DATA_UNIT: &str = include_str!("../cloudinit/files/data.service");
const AGENT_UNIT: &str = include_str!("../cloudinit/files/agent.service");
const EXPORTER_UNIT: &str = include_str!("../cloudinit/files/exporter.service");
const EXPIRY_TIMER: &str = include_str!("../cloudinit/files/expiry.timer");
const EXPIRY_UNIT: &str = include_str!("../cloudinit/files/expiry.service");
/// The end of what stands under this is the end of the instance: it is launched to terminate when it
/// shuts down.
const MORTAL: &str = "OnFailure=poweroff.target\nOnFailureJobMode=replace-irreversibly";

/// What an agent is told, in [`AGENT_FILE`]. Its instance id it asks of the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentFile {
    /// The cluster.
    pub cluster: ClusterId,
    /// The launch that its instance belongs to.
    pub launch: LaunchId,
    /// The attempt.
    pub attempt: u32,
    /// URL of the log.
    pub log: String,
    /// Certificates to trust there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Its credential.
    pub credential_file: String,
    /// To be made once it has joined.
    pub joined_file: String,
    /// Where it keeps its files.
    pub dir: String,
    /// Address of a node exporter on this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// What the offering promises: what the instance has to give.
    pub promised: Resources,
}

/// What is there before anything of the owner's: the deadline, and the volume for data.
pub(super) fn first(
    config: &Config,
    intent: &Intent,
    credential: &Credential,
) -> Result<Part, UserDataError> {
    let mut part = Part { ssh_keys: config.ssh_keys.clone(), ..Part::default() };
    part.files.push(file(AGENT_FILE, "0644", agent_file(config, intent)));
    part.files.push(file(CREDENTIAL_FILE, "0600", format!("{}\n", credential.text())));
    if let Some(ca) = &config.log.ca {
        part.files.push(file(CA_FILE, "0644", format!("{}\n", ca.trim_end())));
    }
    part.files.push(file("/opt/fleetlog/bin/fetch", "0755", FETCH.into()));
    if !config.immortal {
        // A timer that needs the unit that it starts: the unit's file comes first.
        let seconds = config.bootstrap_expiry.0.div_ceil(1000).to_string();
        let timer = filled(EXPIRY_TIMER, &[("seconds", &seconds)])?;
        part.files.push(file(
            "/etc/systemd/system/fleetlog-expiry.service",
            "0644",
            EXPIRY_UNIT.into(),
        ));
        part.units.push(unit("fleetlog-expiry.timer", timer, false));
    }
    if let Some(data) = &config.data {
        let layout = data.check_for(&intent.offering().resources).map_err(UserDataError::Own)?;
        let script = filled(DATA, &[("slices", &layout.slices.to_string())])?;
        part.files.push(file("/opt/fleetlog/bin/data", "0755", script));
        let text = filled(DATA_UNIT, &[("mortal", mortal(config))])?;
        part.units.push(unit("fleetlog-data.service", text, true));
    }
    Ok(part)
}

/// What starts when all of the owner's has: the agent.
pub(super) fn last(
    config: &Config,
    agent: &Fetched,
    exporter: Option<&Fetched>,
) -> Result<Part, UserDataError> {
    let mut part = Part::default();
    let command = format!("/opt/fleetlog/bin/fleetlog agent --config {AGENT_FILE}");
    part.files.push(run("fleetlog", agent, &command)?);
    let data = match config.data {
        Some(_) => "Requires=fleetlog-data.service\nAfter=fleetlog-data.service",
        None => "",
    };
    // An agent that leaves in good order ends its instance as well.
    let end = format!("{MORTAL}\nSuccessAction=poweroff");
    let end = if config.immortal { "" } else { &end };
    let text = filled(AGENT_UNIT, &[("data", data), ("mortal", end)])?;
    part.units.push(unit("fleetlog-agent.service", text, false));
    if let Some(exporter) = exporter {
        let command = format!(
            "setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs /opt/fleetlog/bin/node_exporter --web.listen-address={METRICS}"
        );
        part.files.push(run("node_exporter", exporter, &command)?);
        part.units.push(unit("fleetlog-exporter.service", EXPORTER_UNIT.into(), false));
    }
    Ok(part)
}

fn agent_file(config: &Config, intent: &Intent) -> String {
    let dir = if config.data.is_some() { "/mnt/data/fleetlog" } else { "/var/lib/fleetlog" };
    let arch = Arch::of(intent.offering());
    let told = AgentFile {
        cluster: intent.cluster().clone(),
        launch: intent.launch().clone(),
        attempt: intent.attempt(),
        log: config.log.url.clone(),
        ca_file: config.log.ca.as_ref().map(|_| CA_FILE.into()),
        credential_file: CREDENTIAL_FILE.into(),
        joined_file: JOINED_FILE.into(),
        dir: dir.into(),
        metrics: config.node_exporter.get(&arch).map(|_| METRICS.into()),
        promised: intent.offering().resources.clone(),
    };
    // Encoding plain data into memory cannot fail.
    format!("{}\n", serde_json::to_string_pretty(&told).unwrap_or_default())
}

fn mortal(config: &Config) -> &'static str {
    if config.immortal { "" } else { MORTAL }
}

fn run(name: &str, fetched: &Fetched, command: &str) -> Result<CloudFile, UserDataError> {
    let Fetched { url, sha256 } = fetched;
    let values = [("name", name), ("url", url), ("sum", sha256), ("command", command)];
    Ok(file(&format!("/opt/fleetlog/bin/run-{name}"), "0755", filled(RUN, &values)?))
}

fn filled(text: &str, values: &[(&str, &str)]) -> Result<String, UserDataError> {
    fill(text, values).map_err(UserDataError::Template)
}

fn file(path: &str, permissions: &str, content: String) -> CloudFile {
    CloudFile { path: path.into(), permissions: permissions.into(), content }
}

fn unit(name: &str, content: String, wait: bool) -> CloudUnit {
    CloudUnit { name: name.into(), content, wait }
}
