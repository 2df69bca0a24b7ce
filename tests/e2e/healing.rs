//! What the engine repairs by itself, and that the rest is named and repaired by a start.

use std::time::Instant;

use crate::support::{
    Backend, OwnEngine, PATIENCE, Registry, backend_image, base_image, docker, eventually, free_port,
    inspect, serve, signal,
};

/// Waits until the forward works, and says how long that took.
#[track_caller]
fn heals(what: &str, backend: &Backend, port: u16) {
    let began = Instant::now();
    eventually("the forward works again", PATIENCE, || (backend.get(port).code == Some(0)).then_some(()));
    println!("after {what} the forward worked within {:.1?}", began.elapsed());
    let info = eventually("BuildKit answers", PATIENCE, || {
        Some(backend.run(&["info"])).filter(|info| info.code == Some(0))
    });
    assert!(info.stdout.contains(&format!("{} (running)\n", backend.sidecar(port))), "{info:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_forward_heals_by_itself_when_the_backend_is_restarted() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    backend.get(registry.port).ok();
    docker(&["restart", "--time", "5", &backend.name()]).ok();
    heals("a restart of the backend", &backend, registry.port);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_forward_heals_by_itself_when_buildkit_crashes() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    backend.get(registry.port).ok();
    let before = backend.inspect();
    signal(&backend.name(), "KILL");
    eventually("the engine starts it again", PATIENCE, || {
        let now = backend.inspect();
        let is_new = now["State"]["StartedAt"] != before["State"]["StartedAt"];
        (is_new && now["State"]["Running"] == true).then_some(())
    });
    heals("a crash of BuildKit", &backend, registry.port);
    assert_eq!(backend.id(), before["Id"]);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_forward_heals_by_itself_when_a_sidecar_crashes() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    let before = inspect(&backend.sidecar(registry.port));
    signal(&backend.sidecar(registry.port), "KILL");
    eventually("the engine starts it again", PATIENCE, || {
        let now = inspect(&backend.sidecar(registry.port));
        (now["State"]["StartedAt"] != before["State"]["StartedAt"]).then_some(())
    });
    heals("a crash of the sidecar", &backend, registry.port);
}

/// The engine starts again whatever is killed, so that nobody would know; and what the doctor advises
/// is done.
#[test]
#[ignore = "needs a docker engine"]
fn helpers_that_are_killed_are_told_of() {
    let (backend, registry) = (Backend::new(), Registry::start_on_loopback());
    backend.forward(&format!("{}@loopback", registry.port));
    let checks = || -> Vec<serde_json::Value> {
        let said = backend.run(&["doctor", "--format", "json"]).stdout;
        let object: serde_json::Value = serde_json::from_str(&said).unwrap();
        object["Checks"].as_array().unwrap().clone()
    };
    for (name, container) in [
        (format!("sidecar {}", registry.port), backend.sidecar(registry.port)),
        ("dialer".to_owned(), backend.dialer()),
    ] {
        let check = || checks().into_iter().find(|check| check["Name"] == name.as_str()).unwrap();
        // One that ends right after the backend has begun may have had to.
        let told = eventually("the doctor tells of it", PATIENCE, || {
            let found = check();
            if found["Verdict"] == "ok" {
                signal(&container, "KILL");
            }
            Some(found).filter(|found| found["Why"].as_str().unwrap().contains("has ended "))
        });
        let info = backend.run(&["info"]).ok().stdout;
        assert!(info.contains("   It has ended "), "{info}");
        let help = told["Help"].as_str().unwrap();
        let commands: Vec<&str> = help.split('\'').skip(1).step_by(2).collect();
        assert_eq!(commands.len(), 2, "{help}");
        for command in commands {
            let words: Vec<&str> = command.split(' ').collect();
            match words[..] {
                ["docker", "assemble", "backend", ref args @ ..] => backend.run(args).ok(),
                ["docker", ref args @ ..] => docker(args).ok(),
                _ => panic!("{command}"),
            };
        }
        eventually("it serves", PATIENCE, || (check()["Verdict"] == "ok").then_some(()));
    }
    eventually("the forward works", PATIENCE, || (backend.get(registry.port).code == Some(0)).then_some(()));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_daemon_that_hangs_is_given_up_and_quoted() {
    let backend = Backend::new();
    backend.start(&[]);
    signal(&backend.name(), "STOP");
    let purge = backend.run(&["cache", "purge", "--force", "--timeout", "2"]).fails(1);
    let usage = backend.run(&["cache", "usage", "--timeout", "2"]).fails(1);
    let info = backend.run(&["info", "--timeout", "2"]).fails(1);
    let doctor = backend.run(&["doctor", "--timeout", "2"]).fails(1).words();
    signal(&backend.name(), "CONT");
    let told = "ask buildkit for its workers: no answer within 2 s";
    assert!(doctor.contains(told) && doctor.contains("-> 'docker assemble backend logs' "), "{doctor}");
    backend.run(&["logs"]).ok();
    let complaint = purge.stderr.lines().last().unwrap();
    assert_eq!(complaint, "purge buildkit's cache: no answer within 2 s", "{purge:?}");
    assert!(purge.stderr.contains(&format!("The end of the log of \"{}\":\n", backend.name())), "{purge:?}");
    for (outcome, what) in [(usage, "ask buildkit for its cache"), (info, "ask buildkit for its workers")] {
        let complaint = outcome.stderr.lines().last().unwrap();
        assert_eq!(complaint, format!("{what}: no answer within 2 s"), "{outcome:?}");
        assert!(outcome.stderr.contains("The end of the log of "), "{outcome:?}");
    }
    // It goes on where it was.
    backend.run(&["cache", "purge", "--force"]).ok();
}

/// Whether a forward works again without a command, by `works` and by what the engine says its backend and its
/// sidecar do. It is not waited for once the engine has given a sidecar up while its backend runs: it started the two
/// in the wrong order.
#[track_caller]
pub(crate) fn healed_by_itself(works: impl Fn() -> bool, states: impl Fn() -> [String; 2]) -> bool {
    let mut given_up = 0;
    eventually("the engine heals it or gives it up", PATIENCE, || {
        if works() {
            return Some(true);
        }
        // Between two attempts of the engine it looks the same.
        let [backend, sidecar] = states();
        // With Podman 4.3 what ran before a reboot is as if it had never begun.
        let waits = backend == "running" && ["exited", "created"].contains(&sidecar.as_str());
        given_up = if waits { given_up + 1 } else { 0 };
        (given_up == 10).then_some(false)
    })
}

#[test]
#[ignore = "needs a docker engine"]
fn after_a_restart_of_the_engine_forwards_heal_or_are_named_and_started() {
    let (backend, port) = (Backend::new(), free_port());
    let mut engine = OwnEngine::start(&[]);
    engine.take(&[backend_image(), base_image()]);
    serve(&engine.network, port);
    let start = ["start", "--allow-host-port", &port.to_string()];
    engine.plugin(&backend, &start).ok();
    engine.get(&backend, port).ok();

    engine.restart();
    let began = Instant::now();
    let state = |container: String| {
        let found = engine.docker(&["container", "inspect", "--format", "{{.State.Status}}", &container]);
        found.stdout.trim().to_owned()
    };
    let states = || [backend.name(), backend.sidecar(port)].map(state);
    if healed_by_itself(|| engine.get(&backend, port).code == Some(0), states) {
        println!("after a restart of the engine the forward worked within {:.1?}", began.elapsed());
    } else {
        println!("after a restart of the engine a start was needed");
        let info = engine.plugin(&backend, &["info"]).ok();
        assert!(info.stdout.contains(&format!("{} (exited)\n", backend.sidecar(port))), "{info:?}");
        engine.plugin(&backend, &start).ok();
        engine.get(&backend, port).ok();
    }
    let info = engine.plugin(&backend, &["info"]).ok();
    assert!(info.stdout.contains(&format!("{} (running)\n", backend.sidecar(port))), "{info:?}");
    engine.plugin(&backend, &["stop"]).ok();
    assert_eq!(engine.docker(&["ps", "--all", "--quiet"]).ok().stdout, "");
}
