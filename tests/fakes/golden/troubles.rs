//! What commands make of backends, sidecars and forwards that do badly.

use std::time::Duration;

use docker_assemble::observed::{Container, ContainerId, State};
use serde_json::json;

use super::commands::Shell;
use super::healthy::{FORWARDS, LOOKS, daemon, dialled, healthy, name, used_lately};
use crate::fake_engine::Kill;
use crate::transcript::Transcript;
use crate::world;

#[tokio::test(start_paused = true)]
async fn forwards_that_do_badly() {
    let mut shell = healthy().await;
    for result in [
        "refused",
        "unreachable",
        "timed_out",
        "no_gateway",
        "loop",
        "no_such_name",
        "name_service",
        "dialer",
        "nonsense",
    ] {
        shell.told.about(&format!("all say \"{result}\""));
        let probe = json!({ "result": result, "latency_us": 90, "text": "its own words (os error 111)" });
        shell.says("5000", "gateway:5000", "192.0.2.1:5000", &probe);
        shell.says("8080-to-80", "gateway:80", "192.0.2.1:80", &probe);
        shell.says("6000", "loopback:6000", "127.0.0.1:6000", &probe);
        shell.says("5432", "db.internal:5432", "192.0.2.7:5432", &probe);
        shell.run_all(&["backend info", "backend doctor", FORWARDS]).await;
    }
    shell.told.about("on Docker Desktop");
    shell.engine.world().operating_system = "Docker Desktop".to_owned();
    let probe = json!({ "result": "refused", "latency_us": 90 });
    shell.says("5000", "gateway:5000", "192.0.2.1:5000", &probe);
    shell.says("8080-to-80", "gateway:80", "192.0.2.1:80", &probe);
    shell.run_all(&["backend info", "backend doctor"]).await;
    shell.engine.world().operating_system.clear();
    for (what, speaks) in [
        ("TLS", json!({ "protocol": "tls" })),
        ("HTTP that is no registry's", json!({ "protocol": "http", "status": 404, "registry": false })),
        ("nothing", json!({ "protocol": "silent" })),
        ("goodbye", json!({ "protocol": "closed" })),
        ("something else", json!({ "protocol": "gopher" })),
    ] {
        shell.told.about(&format!("the target speaks {what}"));
        let probe = json!({ "result": "accepted", "latency_us": 90, "speaks": speaks });
        shell.says("5000", "gateway:5000", "192.0.2.1:5000", &probe);
        shell.run("backend doctor 5000").await;
    }
    shell.told.compare_with("plugin/forwards.txt");
}

#[tokio::test(start_paused = true)]
async fn sidecars_that_say_nothing_or_something_else() {
    let mut told = Transcript::default();
    for (what, said) in [
        ("an older version", (2, "error: unrecognized subcommand 'status'\n")),
        ("another program", (127, "not found\n")),
        ("no relay", (1, "assemble-proxy: no relay of port 5000 answers here: timed out\n")),
        ("nonsense", (0, "{\n")),
        ("a status alone", (137, "")),
    ] {
        let mut shell = healthy().await;
        shell.told = told;
        shell.told.about(&format!("a sidecar has {what}"));
        shell.engine.world().said.insert(name("-proxy-port-5000"), (said.0, said.1.to_owned()));
        shell.run_all(&["backend info", "backend doctor", "backend stats"]).await;
        told = shell.told;
    }
    let mut shell = healthy().await;
    shell.told = told;
    shell.told.about("a sidecar hangs");
    shell.engine.world().hung.insert(name("-proxy-port-5000"));
    shell.run_all(&["backend info", "backend doctor"]).await;
    shell.engine.world().hung.clear();
    shell.told.about("BuildKit hangs");
    shell.engine.world().buildkit = Some(Box::new(|| {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(async {
            let _kept = theirs;
            std::future::pending::<()>().await;
        });
        Box::pin(ours)
    }));
    shell.run_all(&["backend doctor", "backend doctor --timeout 5m"]).await;
    shell.engine.world().buildkit = Some(dialled(daemon(used_lately())));
    shell.told.about("the engine is slow to tell of its containers");
    shell.engine.world().listing_takes = Duration::from_secs(100);
    shell.run_all(&["backend doctor --timeout 90s", "backend doctor --timeout 180s"]).await;
    shell.engine.world().listing_takes = Duration::ZERO;
    shell.told.about("a sidecar is gone, and others are paused, ended, restarting, stale");
    shell.change("-proxy-port-8080-to-80", |container| container.state = State::Paused);
    shell.change("-proxy-port-6000", |container| container.state = State::Exited);
    shell.change("-dialer", |container| (container.state, container.restarts) = (State::Restarting, 7));
    shell.change("-proxy-port-5432", |container| container.unhealthy = true);
    shell.engine.world().containers.retain(|container| container.name != name("-proxy-port-5000"));
    shell.run_all(&LOOKS).await;
    shell.run_all(&["backend start --dry-run", &format!("{FORWARDS} --dry-run"), FORWARDS]).await;
    shell.told.compare_with("plugin/sidecars.txt");
}

#[tokio::test(start_paused = true)]
async fn backends_in_every_state() {
    let mut told = Transcript::default();
    for state in [State::Exited, State::Paused, State::Created, State::Restarting, State::Dead] {
        let mut shell = healthy().await;
        shell.told = told;
        shell.told.about(&format!("the backend is {state:?}"));
        shell.change("", |container| {
            container.state = state.clone();
            container.restarts = u32::from(state == State::Restarting).into();
            container.out_of_memory = state == State::Exited;
        });
        shell.run_all(&LOOKS).await;
        shell.run_all(&["backend start --dry-run", "backend start", "backend stop"]).await;
        told = shell.told;
    }
    let mut shell = healthy().await;
    shell.told = told;
    shell.told.about("the backend was started again, without its sidecars");
    let backend = shell.engine.world().containers[0].id.clone();
    shell.engine.world().networks.insert(backend, 99);
    shell.run_all(&LOOKS).await;
    shell.run_all(&[&format!("{FORWARDS} --dry-run"), FORWARDS]).await;
    shell.told.about("something else made it anew");
    shell.quietly("backend start --recreate --registry-insecure r:5000").await;
    shell.change("", |container| container.id = ContainerId("anew".to_owned()));
    shell.run_all(&LOOKS).await;
    shell.run_all(&["backend start --registry-insecure r:5000", "backend start"]).await;
    shell.told.about("its cache is damaged");
    shell.engine.world().logs.insert(name(""), "buildkitd: invalid database\n");
    shell.change("", |container| (container.state, container.restarts) = (State::Restarting, 4));
    shell.run_all(&["backend info", "backend doctor", "backend start"]).await;
    shell.told.compare_with("plugin/states.txt");
}

#[tokio::test(start_paused = true)]
async fn leftovers_and_strangers() {
    let mut shell = Shell::new();
    shell.told.about("the name is somebody else's");
    let theirs = Container { name: name(""), ..world::container("theirs", Default::default()) };
    shell.engine.world().containers.push(theirs);
    shell.run_all(&LOOKS).await;
    shell.run_all(&["backend start", "backend stop"]).await;

    let mut shell = Shell { told: shell.told, ..healthy().await };
    shell.told.about("its backend is gone, its helpers are left");
    shell.engine.world().containers.remove(0);
    shell.run_all(&LOOKS).await;
    shell.run_all(&["backend start --dry-run", "backend stop"]).await;

    let mut shell = Shell { told: shell.told, ..healthy().await };
    shell.told.about("a start that replaces it was killed when it had set it aside");
    {
        let mut world = shell.engine.world();
        let calls = world.log.len();
        world.kill = Some((calls + 10, Kill::After));
    }
    tokio::select! {
        () = shell.quietly("backend start --recreate --security restricted") => panic!("not killed"),
        () = shell.engine.killed.notified() => {}
    }
    shell.run_all(&LOOKS).await;
    shell.run_all(&["backend start --dry-run", "backend stop"]).await;

    let mut shell = Shell { told: shell.told, ..Shell::new() };
    shell.told.about("a proxy is on localhost");
    shell.proxies = vec!["HTTP_PROXY=http://localhost:3128".to_owned()];
    shell.run_all(&["backend start", "backend doctor"]).await;
    shell.told.compare_with("plugin/leftovers.txt");
}
