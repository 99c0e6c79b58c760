//! A cluster of real processes on a real nats-server, with a real Docker engine.

#[path = "cluster/crash.rs"]
mod crash;
#[path = "cluster/gate.rs"]
mod gate;
#[path = "cluster/hostile.rs"]
mod hostile;
#[path = "cluster/watch.rs"]
mod watch;
#[path = "cluster/world.rs"]
mod world;

use replay_core::{State, Void};
use std::time::Duration;
use world::World;

#[test]
fn output_and_exit_codes_are_the_execs_own() {
    let world = World::start(2, 1);
    let (code, out, err) = world.fleetlog(&[
        "run",
        "--memory",
        "64MiB",
        "--",
        "sh",
        "-c",
        "echo hi; echo no >&2; exit 3",
    ]);
    assert_eq!((code, out.as_str()), (3, "hi\n"), "{err}");
    assert!(err.contains("no\n"), "{err}");
    let (code, _, err) = world.fleetlog(&["run", "--timeout", "1", "--", "sleep", "60"]);
    assert_eq!(code, 124, "{err}");
    let (code, _, err) = world.fleetlog(&["run", "--", "no-such-program"]);
    assert_eq!(code, 127, "{err}");
    assert!(err.contains("no-such-program"), "{err}");
    let (code, out, _) = world.fleetlog(&["execs", "--output", "json"]);
    assert_eq!((code, out.lines().count()), (0, 3), "{out}");
    world.audit();
}

/// As in `yes | head -1`: who writes to nobody ends by SIGPIPE.
#[test]
fn output_that_nobody_reads_ends_the_exec() {
    let world = World::start(1, 1);
    let mut run = world.begin(&["run", "--", "yes"]);
    let mut line = [0; 2];
    let mut stdout = run.stdout.take().expect("piped");
    std::io::Read::read_exact(&mut stdout, &mut line).expect("its first line");
    drop(stdout);
    assert_eq!(line, *b"y\n");
    assert_eq!(run.wait().expect("ends").code(), Some(141));
    world.audit();
}

#[test]
fn containers_run_and_say_when_memory_ran_out() {
    let world = World::start(1, 1);
    let image = ["--image", "local/busybox"];
    let run = |more: &[&str]| world.fleetlog(&[&["run"], &image[..], more].concat());
    let (code, out, err) = run(&["--memory", "64MiB", "--", "sh", "-c", "echo hi; exit 3"]);
    assert_eq!((code, out.as_str()), (3, "hi\n"), "{err}");
    let hungry = "head -c 200m /dev/zero | tail";
    let (code, _, err) = run(&["--memory", "32MiB", "--", "sh", "-c", hungry]);
    assert_eq!(code, 137, "{err}");
    assert!(err.contains("limit 32MiB, peak 32MiB"), "{err}");
    let (code, _, err) = world.fleetlog(&["run", "--image", "local/no-such", "--", "true"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("image local/no-such is not there"), "{err}");
    world.audit();
}

#[test]
fn bad_input_gets_a_sentence() {
    let world = World::start(1, 0);
    for (args, sentence) in [
        (&["run", "--cpu", "-1", "--", "true"][..], "is no amount of cpu"),
        (&["run", "--cpu", "0", "--", "true"], "need some cpu"),
        (&["run", "--memory", "lots", "--", "true"], "is no amount of bytes"),
        (&["run", "--memory", "99999999999TiB", "--", "true"], "is no amount of bytes"),
        (&["run", "--memory", "2TiB", "--", "true"], "memory 2TiB asked"),
        (&["run", "--cpu", "64", "--", "true"], "the largest type, local.large, has"),
        (&["run", "--feature", "gpu=1", "--", "true"], "feature gpu"),
        (&["run", "--driver", "A.b", "--", "true"], "only a-z, 0-9 and -"),
        (&["run", "--env", "novalue", "--", "true"], "is not NAME=VALUE"),
        (&["run"], "required"),
        (&["why", "x-nothing"], "nothing on the log concerns"),
        (&["hold", "i-nothing"], "there is no i-nothing on this cluster"),
        (&["policy", "set", "max_instances=-3"], "invalid value"),
        (&["policy", "set", "nonsense=3"], "a policy has no"),
        (&["policy", "set", "min_instances=65"], "min_instances is more than max_instances"),
        (&["policy", "set", "label_budgets={\"team\": 1}"], "is no label"),
        (&["policy", "set", "label_budgets={\"team=x\": -1}"], "invalid value"),
        (&["driver", "weight", "me", "0"], "a weight is from 1 to 100000, not 0"),
        (&["driver", "weight", "me", "100001"], "a weight is from 1 to 100000, not 100001"),
        (&["driver", "weight", "me", "-1"], "unexpected argument"),
        (&["driver", "budget", "me", "$-1"], "is no amount of money"),
        (&["run", "--width", "0", "--", "true"], "width is 0"),
        (&["up", "--instances", "65"], "--instances 65: min_instances is more than max_instances"),
        (&["state", "--at", "yesterday-ish"], "neither a sequence nor a time"),
        (&["--cluster", "No.Such", "instances"], "only a-z, 0-9 and -"),
    ] {
        let (code, _, err) = world.fleetlog(args);
        assert_eq!(code, 2, "{args:?}: {err}");
        assert!(err.contains(sentence), "{args:?}: {err}");
    }
    // What makes no sense is not written, and so is never void.
    assert_eq!(world.state().head.voids.get(&Void::Invalid), None);
    world.audit();
}

/// What can never run is not run again and again.
#[test]
fn what_cannot_be_started_is_tried_once() {
    let world = World::start(1, 1);
    let (code, _, err) = world.fleetlog(&["run", "--", "no-such-program"]);
    assert_eq!(code, 127, "{err}");
    let counts = ["exec-submitted", "exec-failed", "exec-started", "alloc-requested"];
    assert_eq!(counts.map(|kind| world.count(kind)), [1, 1, 0, 1]);
    world.audit();
}

#[test]
fn what_is_not_there_or_over_is_not_steered() {
    let world = World::start(1, 1);
    let instance = world.instance();
    let refused = |args: &[&str], sentence: &str| {
        let (code, out, err) = world.fleetlog(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(sentence), "{args:?}: {err}");
    };
    for verb in ["hold", "drain", "resume"] {
        refused(&[verb, "i-nothing"], "there is no i-nothing on this cluster");
        refused(&[verb, "No.Id"], "only a-z, 0-9 and -");
        refused(&[verb], "required");
    }
    refused(&["kill", "--yes", "a-nothing"], "there is no instance or alloc a-nothing");
    refused(&["kill", "--yes", "No.Id"], "only a-z, 0-9 and -");
    refused(&["kill", &instance], "say --yes");
    for args in [&["why", "a-nothing"][..], &["why-not", "a-nothing"], &["logs", "x-nothing"]] {
        refused(args, "nothing");
    }
    refused(&["driver", "weight", "No.Id", "5"], "only a-z, 0-9 and -");
    assert_eq!(world.fleetlog(&["kill", "--yes", &instance]).0, 0);
    world.until(|| world.fleetlog(&["instances"]).1.contains("gone"));
    for verb in ["hold", "drain", "resume"] {
        refused(&[verb, &instance], "nothing was done to");
    }
    refused(&["kill", "--yes", &instance], "nothing was done to");
    world.audit();
}

#[test]
fn an_operator_steers() {
    let world = World::start(1, 1);
    let instance = world.instance();
    assert_eq!(world.fleetlog(&["hold", &instance]).0, 0);
    assert!(world.fleetlog(&["instances"]).1.contains("held"));
    assert_eq!(world.fleetlog(&["resume", &instance]).0, 0);
    let launches = || world.fleetlog(&["state"]).1;
    assert_eq!(world.fleetlog(&["freeze", "an incident"]).0, 0);
    assert!(launches().contains("\"launches\": \"frozen\""), "{}", launches());
    assert_eq!(world.fleetlog(&["thaw"]).0, 0);
    assert!(launches().contains("\"launches\": \"free\""), "{}", launches());
    assert_eq!(world.fleetlog(&["policy", "set", "rebalance=ignore"]).0, 0);
    assert_eq!(world.fleetlog(&["driver", "weight", "me", "300"]).0, 0);
    assert_eq!(world.fleetlog(&["driver", "budget", "me", "$0.0005"]).0, 0);
    let (code, _, err) = world.fleetlog(&["run", "--driver", "me", "--", "true"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("more than the driver's whole budget of $0.0005/h"), "{err}");
    let drivers = world.fleetlog(&["drivers"]).1;
    assert!(drivers.lines().any(|l| l.contains("300") && l.contains("$0.0005")), "{drivers}");
    assert_eq!(world.fleetlog(&["driver", "budget", "me", "none"]).0, 0);
    let limit = "label_budgets={\"team=x\": 500000}";
    assert_eq!(world.fleetlog(&["policy", "set", limit, "max_per_zone=3"]).0, 0);
    assert!(world.fleetlog(&["policy", "get"]).1.contains("\"team=x\": 500000"));
    assert_eq!(world.fleetlog(&["policy", "set", "max_hourly_cost=$0.001"]).0, 0);
    assert!(world.fleetlog(&["policy", "get"]).1.contains("\"max_hourly_cost\": 1000"));
    let (code, _, err) = world.fleetlog(&["run", "--cpu", "4", "--", "true"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("more than the whole budget of $0.001/h"), "{err}");
    let (code, _, err) = world.fleetlog(&["kill", &instance]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(world.fleetlog(&["kill", "--yes", &instance]).0, 0);
    world.until(|| {
        world
            .fleetlog(&["instances"])
            .1
            .lines()
            .any(|l| l.contains(&instance) && l.contains("gone"))
    });
    world.audit();
}

/// A plan is what is launched then, and why somebody waits is true while it is so.
#[test]
fn what_is_planned_is_launched_and_who_waits_learns_why() {
    let world = World::start(1, 0);
    let plan = world.fleetlog(&["fleet", "plan", "--cpu", "2", "--output", "quiet"]);
    assert_eq!((plan.0, plan.1.as_str()), (0, "local.medium\n"), "{}", plan.2);
    assert_eq!(world.fleetlog(&["run", "--cpu", "2", "--", "true"]).0, 0);
    assert!(world.fleetlog(&["instances"]).1.contains("local.medium"));
    assert_eq!(world.fleetlog(&["policy", "set", "max_instances=1"]).0, 0);
    // What is idle would make room.
    let mut holder = world.begin(&["alloc", "--cpu", "1", "--hold"]);
    world.until(|| world.fleetlog(&["allocs"]).1.contains("granted"));
    let mut asker = world.begin(&["alloc", "--cpu", "4", "--hold"]);
    let waiting = || {
        let (_, out, _) = world.fleetlog(&["allocs"]);
        let told = out.lines().find(|line| line.contains("as many as allowed"))?;
        told.split_whitespace().next().map(str::to_owned)
    };
    world.until(|| waiting().is_some());
    let own = waiting().expect("it waits");
    let (code, out, err) = world.fleetlog(&["why-not", &own]);
    assert_eq!((code, err.as_str()), (0, ""));
    for part in ["too small: cpu 4 asked, 2 there", "there are 1 instances, as many as allowed"] {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    assert_eq!(world.fleetlog(&["policy", "set", "max_instances=2"]).0, 0);
    world.until(|| world.fleetlog(&["why-not", &own]).2.contains("it has been granted on i-"));
    for held in [&mut asker, &mut holder] {
        let pid = rustix::process::Pid::from_raw(held.id().cast_signed()).expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("told to end");
        assert!(held.wait().expect("ends").success());
    }
    world.audit();
}

/// Whoever asked with less gives way after notice, hears of it before, and runs again afterwards.
#[test]
fn who_gives_way_has_notice() {
    let world = World::start(2, 1);
    let allowed = ["fairness.preemption=lower", "fairness.notice=3s", "max_instances=1"];
    assert_eq!(world.fleetlog(&[&["policy", "set"], &allowed[..]].concat()).0, 0);
    let cores = world.state().instances.iter().map(|(_, i)| i.resources.cpu / 1000).max();
    let cores = cores.expect("an instance").to_string();
    let lower = world.begin(&["run", "--cpu", &cores, "--", "sleep", "600"]);
    world.until(|| world.started() == 1);
    let urgent = ["run", "--priority", "5", "--cpu", "1", "--", "echo", "first"];
    let (code, out, err) = world.fleetlog(&urgent);
    assert_eq!((code, out.as_str()), (0, "first\n"), "{err}");
    assert!(err.contains("pending: 1 of lower priority have 3 s to leave i-"), "{err}");
    let lower = lower.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&lower.stderr);
    assert!(said.contains("gives way to another of higher priority, and ends at 20"), "{said}");
    assert!(said.contains("of higher priority"), "{said}");
    let state = world.state();
    let taken = state.allocs.iter().find(|(_, alloc)| alloc.priority == 0).expect("it was there");
    let why = world.fleetlog(&["why", taken.0.as_str()]).1;
    for part in [
        "(priority 0) is to give way to a-",
        "(priority 5), and has 3 s for it",
        "is taken back: it gave way to a-",
    ] {
        assert!(why.contains(part), "no {part:?} in {why}");
    }
    world.audit();
}

/// 20 leaders are killed while 500 execs run, and the log's server once, too. Prints how long it took
/// until another leader was elected.
#[test]
fn killed_leaders_lose_nothing() {
    const KILLS: usize = 20;
    let mut world = World::start(3, 2);
    let mut server = world.take_server();
    let mut watch = world.watch();
    let mut took = Vec::new();
    world.storm(500, 60, |world| {
        for kill in 0..KILLS {
            took.push(world.kill_leader(&mut watch));
            if kill == KILLS / 2 {
                server.kill();
                server.up().expect("up again");
            }
        }
    });
    world.block_on(watch.catch_up());
    assert!(watch.agreed >= KILLS, "{} leaders' digests were compared", watch.agreed);
    took.sort_unstable();
    eprintln!("failovers: median {:?}, all {took:?}", took[KILLS / 2]);
    assert!(took[KILLS - 1] < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_killed_log_server_loses_nothing() {
    let mut world = World::start(2, 1);
    let mut server = world.take_server();
    world.storm(60, 9, |_| {
        for _ in 0..3 {
            server.kill();
            server.up().expect("up again");
        }
    });
}

#[test]
fn a_killed_agent_comes_back_and_misses_no_end() {
    let world = World::start(1, 1);
    let script = ["--", "sh", "-c", "sleep 3; echo late; exit 7"];
    let process =
        world.begin(&[&["run", "--memory", "64MiB", "--cpu", "0.4"], &script[..]].concat());
    let image = ["run", "--memory", "64MiB", "--cpu", "0.4", "--image", "local/busybox"];
    let container = world.begin(&[&image[..], &script[..]].concat());
    world.until(|| world.started() == 2);
    world.kill_agent();
    for run in [process, container] {
        let output = run.wait_with_output().expect("ends");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(7), "{err}");
        assert_eq!(output.stdout, b"late\n", "{err}");
    }
    world.audit();
    assert_eq!(world.state().execs.len(), 2);
}

/// Whatever keeps an agent from going on, as a full disk may: its execs do not go with it.
#[test]
fn an_agent_that_fails_leaves_its_execs_to_the_next_one() {
    let world = World::start(1, 1);
    let run = world.begin(&["run", "--memory", "64MiB", "--", "sh", "-c", "sleep 3; exit 7"]);
    world.until(|| world.started() == 1);
    let dir = world.instance_dir();
    let (logs, aside) = (dir.join("logs"), dir.join("logs.aside"));
    std::fs::rename(&logs, &aside).expect("moved");
    std::fs::write(&logs, "no directory").expect("written");
    world.kill_agent();
    let said = || std::fs::read_to_string(dir.join("agent.log")).unwrap_or_default();
    world.until(|| said().contains("cannot use"));
    std::fs::remove_file(&logs).expect("removed");
    std::fs::rename(&aside, &logs).expect("moved back");
    let output = run.wait_with_output().expect("ends");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(7), "{err}");
    world.audit();
}

#[test]
fn whole_instances_are_started_for_one_alone_and_given_back() {
    let world = World::start(2, 0);
    let start = ["start", "--count", "2", "--type", "local.small", "--for", "1s"];
    let (code, out, err) = world.fleetlog(&start);
    assert_eq!((code, out.lines().count()), (0, 2), "{out}{err}");
    assert!(out.lines().all(|line| line.starts_with("http://127.0.0.1:")), "{out}");
    world.until(|| world.state().allocs.iter().all(|(_, alloc)| alloc.grant().is_none()));
    let state = world.state();
    let kinds: Vec<&str> = state.instances.iter().map(|(_, i)| i.offering.kind.as_str()).collect();
    assert_eq!(kinds, ["local.small"; 2]);

    let dir = world.path("up");
    let dir = dir.to_str().expect("text");
    let (code, out, err) = world.fleetlog(&["fleet", "sync", "--dir", dir]);
    assert_eq!((code, out.matches("it runs").count()), (0, 2), "{out}{err}");
    let (code, _, err) = world.fleetlog(&["start", "--type", "local.huge"]);
    assert_eq!(code, 2, "{err}");
    world.audit();
}

#[test]
fn a_type_is_probed_by_an_instance_that_goes_again() {
    let world = World::start(1, 1);
    let probe = ["--output", "json", "fleet", "probe", "local.medium", "--market", "on-demand"];
    let (code, out, err) = world.fleetlog(&probe);
    assert_eq!((code, out.lines().count()), (0, 1), "{out}{err}");
    for part in [r#""id":"local.medium""#, r#""zone":"local-a""#, r#""market":"on-demand""#] {
        assert!(out.contains(part), "{out}");
    }
    let state = world.state();
    let probe = state.probes.get(&"local.medium".into()).expect("it is on the log");
    assert_eq!(probe.resources.cpu, 2000);
    assert!(probe.booted.0 > 0 && probe.usable >= probe.booted, "{probe:?}");
    // One that was there already is left alone.
    world.until(|| world.state().head.instances == 1);
    let medium = |state: &State| {
        let kinds = state.instances.iter().filter(|(_, i)| i.offering.kind == "local.medium");
        kinds.map(|(id, _)| id.clone()).next().expect("one")
    };
    let (code, out, err) = world.fleetlog(&["why", medium(&world.state()).as_str()]);
    assert!(code == 0 && out.contains("local.medium was probed"), "{out}{err}");
    let (code, _, err) = world.fleetlog(&["fleet", "probe", "local.huge"]);
    assert_eq!(code, 2, "{err}");
    world.audit();
}
