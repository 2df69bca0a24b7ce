//! What nothing repairs by itself: `info` names it, and a start makes it good.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::support::{
    Backend, Image, PATIENCE, Registry, Tap, Volume, base_image, docker, eventually, free_port, host,
    inspect, run, signal,
};

#[track_caller]
fn info(backend: &Backend) -> Value {
    let info = backend.run(&["info", "--format", "json"]).ok();
    serde_json::from_str(&info.stdout).unwrap()
}

/// The sidecar of a port, as `info` describes it.
#[track_caller]
fn sidecar(backend: &Backend, port: u16) -> Value {
    let mut info = info(backend);
    let sidecars = info["Sidecars"].as_array_mut().unwrap();
    let at = sidecars.iter().position(|sidecar| sidecar["Port"] == port);
    sidecars.remove(at.unwrap_or_else(|| panic!("{port} is not in {sidecars:#?}")))
}

#[test]
#[ignore = "needs a docker engine"]
fn stale_and_missing_sidecars_are_named_and_repaired() {
    let (backend, registry, [gone, far]) = (Backend::new(), Registry::start(), [free_port(), free_port()]);
    let list = format!("{},{gone},{far}@loopback", registry.port);
    backend.forward(&list);
    let id = backend.id();
    // It stays in the network that its backend is about to leave.
    signal(&backend.sidecar(registry.port), "STOP");
    docker(&["restart", "--time", "5", &backend.name()]).ok();
    docker(&["rm", "--force", &backend.sidecar(gone), &backend.dialer()]).ok();

    let told = eventually("BuildKit answers", PATIENCE, || {
        Some(backend.run(&["info"])).filter(|info| info.code == Some(0))
    });
    for line in [
        format!(
            " {} (stale)\n   What helps: 'docker assemble backend start ",
            backend.sidecar(registry.port)
        ),
        format!(" - <missing> {} (missing)\n", backend.sidecar(gone)),
        format!(" - <missing> {} (missing), leads to the host's loopback\n", backend.dialer()),
    ] {
        assert!(told.stdout.contains(&line), "{line} is not in {told:?}");
    }
    let (stale, missing) = (sidecar(&backend, registry.port), sidecar(&backend, gone));
    assert_eq!((&stale["State"], &stale["Stale"]), (&"running".into(), &true.into()), "{stale:#}");
    assert_eq!((&missing["State"], &missing["ID"]), (&"missing".into(), &"".into()), "{missing:#}");
    assert_eq!(info(&backend)["Dialer"]["State"], "missing");

    // By the very command that it names.
    let help = told.stdout.split_once("What helps: 'docker assemble backend ").unwrap().1;
    let words: Vec<_> = help.split_once('\'').unwrap().0.split(' ').collect();
    backend.run(&words).ok();
    assert_eq!(backend.id(), id);
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
    for port in [registry.port, gone, far] {
        let sidecar = sidecar(&backend, port);
        assert_eq!((&sidecar["State"], &sidecar["Stale"]), (&"running".into(), &false.into()));
    }
    assert_eq!(info(&backend)["Dialer"]["State"], "running");
    // What is not wanted any more is not missed.
    backend.start(&[registry.port]);
    assert!(!backend.run(&["info"]).ok().stdout.contains("missing"));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_sidecar_that_fails_its_health_check_is_named_and_replaced() {
    let (backend, port) = (Backend::new(), free_port());
    backend.start(&[port]);
    // The built-in image with a check that asks about another port, and soon.
    let image = format!("asmt/{}:ill", backend.user);
    backend.keep(Image(image.clone()));
    let check =
        "HEALTHCHECK --interval=1s --retries=1 CMD [\"/assemble-proxy\", \"health\", \"--port\", \"1\"]";
    docker(&["commit", "--change", check, &backend.sidecar(port), &image]).ok();
    let start = ["start", "--allow-host-port", &port.to_string(), "--proxy-image", &image];
    backend.run(&start).ok();

    let line = format!(" {} (running, unhealthy)\n", backend.sidecar(port));
    eventually("the check fails", PATIENCE, || {
        backend.run(&["info"]).ok().stdout.contains(&line).then_some(())
    });
    let ill = sidecar(&backend, port);
    assert_eq!(ill["Unhealthy"], true, "{ill:#}");
    let again = backend.run(&start).ok();
    assert!(again.stderr.contains("which fails its health check"), "{again:?}");
    assert_ne!(sidecar(&backend, port)["ID"], ill["ID"]);
}

#[test]
#[ignore = "needs a docker engine"]
fn sidecars_without_their_backend_are_made_whole_or_removed() {
    let (backend, registry) = (Backend::new(), Registry::start());
    for repair in [true, false] {
        backend.start(&[registry.port]);
        docker(&["rm", "--force", "--volumes", &backend.name()]).ok();
        let info = backend.run(&["info"]).fails(1);
        assert!(info.only_complaint().contains("'docker assemble backend start"), "{info:?}");
        if repair {
            backend.start(&[registry.port]);
            assert_eq!(backend.get(registry.port).ok().stdout, "{}");
        } else {
            backend.run(&["stop"]).ok();
            assert_eq!(backend.containers(), [""; 0]);
        }
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_clock_that_was_set_back_makes_no_sidecar_stale() {
    let (backend, registry, tap) = (Backend::new(), Registry::start(), Tap::backwards());
    backend.start(&[registry.port]);
    let id = sidecar(&backend, registry.port)["ID"].clone();
    let through = |args: &[&str]| run(backend.command(args).env("DOCKER_HOST", tap.host()));
    let start = ["start", "--allow-host-port", &registry.port.to_string()];

    let again = through(&start).ok();
    assert!(again.stdout.ends_with("is already running\n"), "{again:?}");
    let told = through(&["info"]).ok();
    assert!(told.stdout.contains(&format!("{} (running)\n", backend.sidecar(registry.port))), "{told:?}");
    through(&["doctor", &registry.port.to_string()]).ok();
    assert_eq!(sidecar(&backend, registry.port)["ID"], id);

    // Nor does it hide one that is: by its time this one is fresh, and it serves another network.
    // The other one has a name by which it goes with the backend.
    let (name, elsewhere) = (backend.sidecar(registry.port), backend.sidecar(1));
    docker(&["run", "--detach", "--name", &elsewhere, &base_image(), "sleep", "600"]).ok();
    let elsewhere = inspect(&elsewhere)["Id"].as_str().unwrap().to_owned();
    make_anew(&name, |body| {
        body["Hostname"] = "".into();
        body["HostConfig"]["NetworkMode"] = format!("container:{elsewhere}").into();
    });
    let is_stale = || backend.run(&["info"]).ok().stdout.contains(&format!("{name} (stale)\n"));
    eventually("it serves there", PATIENCE, || is_stale().then_some(()));
    let repaired = backend.run(&start).ok();
    assert!(repaired.stderr.contains("which belongs to an earlier run of the backend"), "{repaired:?}");
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
}

/// Makes a container anew as programs do that bring containers up to date: from what the engine knows
/// about it, with changes.
#[track_caller]
fn make_anew(name: &str, change: impl FnOnce(&mut Value)) {
    let old = inspect(name);
    let mut body = old["Config"].clone();
    body["HostConfig"] = old["HostConfig"].clone();
    change(&mut body);
    docker(&["rm", "--force", "--volumes", name]).ok();
    let body = body.to_string();
    let mut engine = UnixStream::connect(host().strip_prefix("unix://").unwrap()).unwrap();
    let head = format!(
        "POST /containers/create?name={name} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    engine.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    engine.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 201 "), "{answer}");
    docker(&["start", name]).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn a_backend_that_an_updater_made_anew_gets_its_configuration_back() {
    let backend = Backend::new();
    let start = ["start", "--allow-host-port", "0", "--cache-max-used", "2gb"];
    backend.run(&start).ok();
    let labels = inspect(&backend.name())["Config"]["Labels"].clone();
    for updater in ["com.centurylinklabs.watchtower.enable", "com.ouroboros.enable", "wud.watch"] {
        assert_eq!(labels[updater], "false", "{labels}");
    }
    make_anew(&backend.name(), |_| {});

    let told = backend.run(&["doctor"]).fails(1);
    assert!(told.stdout.contains("fail  configuration   is gone: "), "{told:?}");
    let refusal = backend.run(&start).fails(1);
    let difference = "configuration: has none, asked for \"cache-max-used\"";
    assert!(refusal.only_complaint().contains(difference), "{refusal:?}");
    let unasked = backend.run(&["start", "--allow-host-port", "0"]).ok();
    assert!(unasked.stderr.contains("has lost its configuration"), "{unasked:?}");

    backend.run(&[&start[..], &["--recreate"]].concat()).ok();
    let rules = backend.run(&["info", "--format", "{{json .Workers}}"]).ok().stdout;
    assert!(rules.contains(&(2_u64 << 30).to_string()), "{rules}");
    assert!(backend.run(&start).ok().stdout.ends_with("is already running\n"));
}

/// As a start with `--recreate` leaves it that was killed before it made another one.
#[test]
#[ignore = "needs a docker engine"]
fn a_backend_that_was_set_aside_comes_back_with_its_cache_by_what_is_advised() {
    let backend = Backend::new();
    backend.install_plugin();
    backend.run(&["start", "--allow-host-port", "0"]).ok();
    let name = backend.name();
    let ids = || backend.run(&["info", "--quiet", "--no-trunc"]).ok().stdout;
    let before = ids();
    let in_backend = |command: &[&str]| docker(&[&["exec", &name], command].concat()).ok();
    in_backend(&["touch", "/var/lib/buildkit/kept"]);
    let aside = name.replace("docker-assemble-backend-", "docker-assemble-replaced-");
    let aside = format!("{aside}.{}", &before[..12]);
    docker(&["stop", &name]).ok();
    docker(&["rename", &name, &aside]).ok();

    let (info, doctor) = (backend.run(&["info"]).fails(1), backend.run(&["doctor"]).ok());
    let told = info.only_complaint();
    for told in [told, &doctor.stdout] {
        assert!(told.contains(&aside) && !told.contains("backend stop"), "{told}");
    }
    follow(&backend, told);
    assert_eq!(ids().lines().next(), before.lines().next());
    in_backend(&["ls", "/var/lib/buildkit/kept"]);
}

/// Runs the commands that stand between the quotes of an advice, in their order.
#[track_caller]
fn follow(backend: &Backend, advice: &str) {
    let commands: Vec<&str> = advice.split('\'').skip(1).step_by(2).collect();
    assert!(commands.iter().all(|command| command.starts_with("docker ")), "{advice}");
    for command in commands {
        run(&mut backend.command_of("sh", &["-c", command])).ok();
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_damaged_cache_is_named_with_the_way_out() {
    for volume in [true, false] {
        let backend = Backend::new();
        backend.install_plugin();
        let mut start = vec!["start", "--allow-host-port", "0"];
        let name = format!("{}-cache", backend.user);
        if volume {
            backend.keep(Volume::create(&name));
            start.extend(["--cache-volume", &name]);
        }
        backend.run(&start).ok();
        // Of the worker: BuildKit from 0.14 on makes `cache.db` anew by itself.
        let damage = "head -c 32768 /dev/zero >\"$(echo /var/lib/buildkit/runc-*/metadata_v2.db)\"";
        let break_it = || {
            let from = ["--volumes-from", &backend.name()];
            docker(&[&["run", "--rm"], &from[..], &[&base_image(), "sh", "-c", damage]].concat()).ok();
            docker(&["restart", "--time", "5", &backend.name()]).ok();
        };
        break_it();
        let told = eventually("the daemon ends of it", PATIENCE, || {
            Some(backend.run(&["doctor"])).filter(|told| told.stdout.contains("is damaged"))
        });
        let advice = told.stdout.split_once("fail  backend ").expect("it failed").1;
        let advice: Vec<&str> = advice.lines().take(2).collect();
        assert_eq!(advice[0].contains(&format!("in volume \"{name}\" is damaged")), volume, "{told:?}");
        follow(&backend, &advice.join("\n"));
        backend.run(&["cache", "usage"]).ok();
        backend.run(&start).ok();

        // A start says the same.
        break_it();
        let refusal = backend.run(&start).fails(1);
        let advice = refusal.stderr.lines().last().unwrap();
        assert!(advice.contains("damaged") && advice.ends_with("; then start again"), "{refusal:?}");
        follow(&backend, advice);
        let again = backend.run(&start).ok();
        assert!(again.stdout.starts_with("Started container "), "{again:?}");
    }
}
