//! A cluster on EC2: real controllers and agents as processes, a real nats-server, and for EC2 a moto
//! server behind the proxy that gives it what EC2 has. What moto launches runs nothing: the test reads
//! each instance's user-data, and brings the agent up as that says.

#[path = "ec2/account.rs"]
mod account;
#[path = "ec2/cluster.rs"]
mod cluster;
#[path = "ec2/instance.rs"]
mod instance;
#[path = "ec2/setup.rs"]
mod setup;
#[path = "ec2/verify.rs"]
mod verify;

use account::Account;
use cluster::Cluster;
use jiff::Timestamp;
use serde_json::Value;
use sim_ec2::{Price, SpotMarket};
use std::time::{Duration, Instant};

const IDLE: &str = "idle_timeout=1s";

/// What a driver asks for is launched as the settings say, comes up by its user-data alone, serves, and
/// goes when nobody needs it: in two clusters of one account, neither of which touches the other's.
#[test]
fn a_request_launches_what_it_needs_and_an_idle_instance_goes() {
    let account = Account::start();
    let flatcar = Cluster::start(&account, "genomics", "flatcar", 0);
    // Its user-data is sent compressed.
    let ubuntu = Cluster::start(&account, "proteomics", "ubuntu", 20_000);

    // One after the other: moto does not always get through two launches at once.
    let mine = flatcar.begin("echo hi; exit 3");
    let first = account.instance_of(&flatcar.name);
    let theirs = ubuntu.begin("echo ho; exit 4");
    let second = account.instance_of(&ubuntu.name);
    for (cluster, id) in [(&flatcar, &first), (&ubuntu, &second)] {
        cluster.has_launched(&account, id);
    }
    assert!(account.user_data(&first).starts_with(b"#cloud-config\n"));
    assert!(account.user_data(&second).starts_with(&[0x1f, 0x8b]), "compressed");
    let mut agents = [(&flatcar, &first), (&ubuntu, &second)]
        .map(|(cluster, id)| cluster.bring_up(&account, id));
    assert_eq!(cluster::end(mine), (3, "hi\n".to_owned()));
    assert_eq!(cluster::end(theirs), (4, "ho\n".to_owned()));
    assert!(agents.iter().all(instance::Agent::has_joined));
    let real = flatcar.real(&account);
    assert_eq!(real[&first], ("running".to_owned(), "m5.large".to_owned()), "{real:?}");
    assert_eq!(real[&second].0, "stranger", "{real:?}");

    flatcar.fleetlog(&["policy", "set", IDLE]);
    account.until("it goes", || account.state(&first) == "terminated");
    flatcar.until_gone(&first);
    assert_eq!(account.state(&second), "running", "another's instance");
    assert_eq!(account.ended(), [first.as_str()]);
    assert_eq!(agents[0].exit_code(), Some(0), "it goes in good order");
    ubuntu.fleetlog(&["policy", "set", IDLE]);
    account.until("it goes", || account.state(&second) == "terminated");
    ubuntu.until_gone(&second);
    assert_eq!(agents[1].exit_code(), Some(0), "it goes in good order");
    assert_eq!(account.launched(), 2, "one for each");
}

/// An instance whose credential is not that of its launch does not join.
#[test]
fn a_credential_of_another_launch_lets_nobody_join() {
    let account = Account::start();
    let cluster = Cluster::start(&account, "genomics", "ubuntu", 0);
    let run = cluster.begin("exit 0");
    let id = account.instance_of(&cluster.name);
    let files = instance::files(&account.user_data(&id));
    let mut wrong = files.clone();
    let credential = wrong.get_mut(instance::CREDENTIAL).expect("a credential");
    *credential = credential.replacen(".genomics.", ".proteomics.", 1);
    let mut agent = cluster.bring_up_with(&id, &wrong);
    assert_eq!(agent.exit_code(), Some(2), "{}", agent.said());
    assert!(agent.said().contains("the credential of another launch"), "{}", agent.said());
    assert!(!agent.has_joined());
    let agent = cluster.bring_up_with(&id, &files);
    assert_eq!(cluster::end(run).0, 0);
    assert!(agent.has_joined());
}

/// Files of an instance whose credential looks genuine, and was made by somebody without the secret.
fn forged(files: &instance::Files) -> instance::Files {
    let mut forged = files.clone();
    let credential = forged.get_mut(instance::CREDENTIAL).expect("a credential");
    let (shown, secret) = credential.trim_end().rsplit_once('.').expect("a secret");
    let other: String = secret.chars().rev().collect();
    *credential = format!("{shown}.{other}\n");
    forged
}

/// Files of an instance whose credential lets it join for longer than it was made for.
fn altered(files: &instance::Files) -> instance::Files {
    let mut altered = files.clone();
    let credential = altered.get_mut(instance::CREDENTIAL).expect("a credential");
    let longer = credential.replacen(".600000.", ".6000000.", 1);
    assert_ne!(*credential, longer, "it says for how long");
    *credential = longer;
    altered
}

/// Who says to be the agent of an instance and cannot prove it gets nothing, and keeps out nobody who can;
/// where nobody can, the instance is ended, and it is told why.
#[test]
fn who_cannot_prove_to_be_an_instance_gets_nothing() {
    let account = Account::start();
    let cluster = Cluster::start(&account, "genomics", "ubuntu", 0);
    let run = cluster.begin("exit 3");
    let id = account.instance_of(&cluster.name);
    let files = instance::files(&account.user_data(&id));
    let forger = cluster.bring_up_with(&id, &forged(&files));
    account.until("it is judged", || !cluster.all("instance-distrusted").is_empty());
    let judged = &cluster.all("instance-distrusted")[0]["body"];
    assert_eq!(
        (&judged["instance"], &judged["why"]["why"]),
        (&id.as_str().into(), &"forged".into())
    );
    let shown = cluster.fleetlog(&["instances"]);
    assert!(shown.contains("its proof is forged, of another instance, or altered"), "{shown}");
    assert!(cluster.all("alloc-granted").is_empty() && !forger.has_joined());
    drop(forger);
    let forger = cluster.bring_up_with(&id, &altered(&files));
    account.until("it is judged", || cluster.all("instance-distrusted").len() == 2);
    assert_eq!(cluster.all("instance-distrusted")[1]["body"]["why"]["why"], "forged");
    assert!(!forger.has_joined());
    drop(forger);
    // The instance is itself, and joins.
    let agent = cluster.bring_up(&account, &id);
    assert_eq!(cluster::end(run).0, 3);
    assert!(agent.has_joined());
    assert_eq!(cluster.all("instance-verified").len(), 1);
    // What it has shown for that does not tell the key.
    let credential = files[instance::CREDENTIAL].trim_end();
    let secret = credential.rsplit('.').next().expect("a secret");
    assert!(!cluster.fleetlog(&["events", "--output", "json"]).contains(secret));
    // Whoever has another secret leads nobody, and ends nothing.
    let said = cluster.with_another_secret(&account, "does not lead");
    assert!(said.contains("its secret is known by"), "{said}");
    assert_eq!(account.state(&id), "running");

    let mut second = cluster.begin_alone();
    let mut other = String::new();
    account.until("another is launched", || {
        let there = account.truth().into_iter().find(|one| one.id != id);
        there.map(|one| other = one.id).is_some() && account.launched() == 2
    });
    // What another instance has been let in with is of no use here, though it is genuine.
    let claims = cluster.all("instance-booted").len();
    let replayed = cluster.bring_up_with(&other, &files);
    account.until("it has spoken", || cluster.all("instance-booted").len() > claims);
    let claim = cluster.all("instance-booted").pop().expect("its claim");
    assert_eq!(claim["body"]["instance"], other.as_str());
    assert_eq!(claim["void"], "what it is about belongs to another", "{claim}");
    let files = instance::files(&account.user_data(&other));
    let forger = cluster.bring_up_with(&other, &forged(&files));
    account.until("it is judged", || cluster.all("instance-distrusted").len() == 3);
    assert!(!replayed.has_joined() && cluster.all("instance-verified").len() == 1);
    cluster.fleetlog(&["freeze", "a forger"]);
    cluster.fleetlog(&["policy", "set", "boot_timeout=1s"]);
    account.until("it is ended", || account.state(&other) == "terminated");
    second.kill().expect("killed");
    second.wait().expect("reaped");
    let told = cluster.fleetlog(&["why", &other]);
    assert!(told.contains("nobody has proved to be its agent: its proof is forged"), "{told}");
    assert!(!forger.has_joined());
    assert_eq!(account.state(&id), "running", "the other one is what it says");
}

/// Whoever has the credential and comes after its time does not join, and the instance is ended at once.
#[test]
fn who_comes_after_his_time_is_ended() {
    let account = Account::start();
    let mut settings = cluster::settings(&account, "ubuntu", 0);
    settings["bootstrap_expiry"] = 30_000.into();
    let cluster = Cluster::by(&account, "genomics", &settings);
    let mut waits = cluster.begin_alone();
    let id = account.instance_of(&cluster.name);
    account.until("the log has it", || !cluster.all("launch-accepted").is_empty());
    let since = Instant::now();
    account.until("its time is over", || since.elapsed() > Duration::from_secs(31));
    let agent = cluster.bring_up(&account, &id);
    account.until("it is ended", || account.state(&id) == "terminated");
    waits.kill().expect("killed");
    waits.wait().expect("reaped");
    assert_eq!(cluster.all("instance-distrusted")[0]["body"]["why"]["why"], "expired");
    let told = cluster.fleetlog(&["why", &id]);
    assert!(told.contains("its credential has expired"), "{told}");
    assert!(!agent.has_joined() && cluster.all("alloc-granted").is_empty());
}

/// A log whose certificate no image trusts: an instance reaches it by what the settings name, and not
/// without.
#[test]
fn an_instance_trusts_whom_the_settings_name() {
    let account = Account::with_tls();
    let cluster = Cluster::start(&account, "genomics", "ubuntu", 0);
    let run = cluster.begin("exit 3");
    let id = account.instance_of(&cluster.name);
    let files = instance::files(&account.user_data(&id));
    let mut alone = files.clone();
    let told = alone.get_mut(instance::CONFIG).expect("the agent's file");
    let mut without: Value = serde_json::from_str(told).expect("JSON");
    without.as_object_mut().expect("an object").remove("ca_file").expect("it is told");
    *told = without.to_string();
    let mut agent = cluster.bring_up_with(&id, &alone);
    assert_ne!(agent.exit_code(), Some(0), "{}", agent.said());
    assert!(agent.said().contains("signed by nobody whom this machine trusts"), "{}", agent.said());
    assert!(!agent.has_joined());
    let agent = cluster.bring_up_with(&id, &files);
    assert_eq!(cluster::end(run).0, 3);
    assert!(agent.has_joined());
}

/// What EC2 announces to an instance is on the log, and another instance is launched in its place before
/// the time is over.
#[test]
fn what_will_be_taken_away_is_replaced_before_it_is() {
    let account = Account::start();
    let cluster = Cluster::start(&account, "genomics", "ubuntu", 0);
    let gate = cluster.file("gate");
    let wait = format!("until [ -e {} ]; do sleep 0.1; done; exit 5", gate.display());
    let run = cluster.begin(&wait);
    let id = account.instance_of(&cluster.name);
    let agent = cluster.bring_up(&account, &id);
    account.until("it serves", || !cluster.all("exec-started").is_empty());
    agent.announce(Duration::from_secs(120));

    account.until("it is replaced", || cluster.all("launch-accepted").len() == 2);
    let [noticed] = &cluster.all("interruption-noticed")[..] else { panic!("not once") };
    assert_eq!(noticed["body"]["interruption"], "spot", "{noticed}");
    let told = noticed["body"]["left"].as_u64().expect("a time");
    assert!((1..=120_000).contains(&told), "{noticed}");
    let time = |record: &Value| record["time"].as_str().expect("a time").parse::<Timestamp>();
    let over = time(noticed).expect("a time") + Duration::from_millis(told);
    let accepted = &cluster.all("launch-accepted")[1];
    assert!(time(accepted).expect("a time") < over, "{accepted}: not before {over}");
    let intent = &cluster.all("launch-requested")[1];
    assert!(intent["body"]["why"].to_string().contains(&id), "{intent}");
    assert_eq!(account.launched(), 2);
    std::fs::write(gate, "").expect("the gate opens");
    assert_eq!(cluster::end(run).0, 5, "it was not taken away yet");
}

/// One that never comes up is ended, and what EC2 shows of its console stays on the log.
#[test]
fn what_did_not_boot_leaves_its_console_on_the_log() {
    let account = Account::start();
    let cluster = Cluster::start(&account, "genomics", "flatcar", 0);
    let mut run = cluster.begin("true");
    let id = account.instance_of(&cluster.name);
    cluster.fleetlog(&["policy", "set", "boot_timeout=1s"]);
    account.until("it is ended", || account.state(&id) == "terminated");
    run.kill().expect("killed");
    run.wait().expect("reaped");
    let told = cluster.fleetlog(&["why", &id]);
    let order = ["boot-timed-out", "terminate-requested", "wrote on its console", "Linux version"];
    let places: Vec<usize> = order.iter().filter_map(|part| told.find(part)).collect();
    assert!(places.len() == order.len() && places.is_sorted(), "{told}");
}

/// What EC2 says that spot costs is on the log, and nothing else as its word.
#[test]
fn what_spot_costs_comes_from_ec2() {
    let account = Account::start();
    let price = Price {
        zone: account::ZONES[1].to_owned(),
        instance_type: "m5.large".to_owned(),
        product: "Linux/UNIX".to_owned(),
        price: "0.000100".to_owned(),
        since: "2026-01-01T00:00:00Z".parse().expect("a time"),
    };
    account.proxy.market(SpotMarket { prices: vec![price], ..SpotMarket::default() });
    let cluster = Cluster::start(&account, "genomics", "ubuntu", 0);
    let told = |source: &str| {
        let seen = cluster.all("price-seen");
        let told = seen.into_iter().filter(move |record| record["body"]["source"] == source);
        let offerings = |record: Value| record["body"]["offerings"].as_array().cloned();
        told.filter_map(offerings).flatten().collect::<Vec<Value>>()
    };
    account.until("it is told", || !told("api").is_empty());
    let [spot] = &told("api")[..] else { panic!("{:?}", told("api")) };
    assert_eq!((&spot["type"], &spot["market"]), (&"m5.large".into(), &"spot".into()));
    assert_eq!(spot["zone"], account::ZONES[1]);
    // In its own zone the catalogue may not have come to word: EC2's is what counts.
    let like = |one: &&Value| {
        ["type", "market", "resources"].iter().all(|key| one[*key] == spot[*key])
            && one["zone"] != spot["zone"]
    };
    let elsewhere = || told("shipped").iter().find(like).cloned();
    account.until("the catalogue's are told", || elsewhere().is_some());
    let other = elsewhere().expect("told");
    assert!(spot["price"].as_u64() < other["price"].as_u64(), "{spot} beside {other}");
}
