//! What stands between builds and the host: each made real on an engine of the test's own, told, and
//! overcome by what is advised, word for word.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::support::{
    Backend, Context, Outcome, OwnEngine, PATIENCE, Registry, TempDir, backend_image, base_image, eventually,
    free_port, run, serve, wget,
};

/// An engine with the images that a start needs.
#[track_caller]
pub(crate) fn engine(options: &[&str]) -> OwnEngine {
    let engine = OwnEngine::start(&options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>());
    engine.take(&[backend_image(), base_image()]);
    engine
}

/// `docker-assemble backend ARGS` where the engine's network is the host's.
#[track_caller]
fn plugin(engine: &OwnEngine, backend: &Backend, args: &[&str]) -> Outcome {
    let mut command = backend.command(args);
    command.env("DOCKER_HOST", engine.host());
    engine.network.run(|| run(&mut command))
}

/// Runs a command line that was printed.
#[track_caller]
fn obey(engine: &OwnEngine, backend: &Backend, line: &str) {
    match line.strip_prefix("docker assemble backend ") {
        Some(rest) => plugin(engine, backend, &rest.split(' ').collect::<Vec<_>>()),
        None => engine
            .network
            .run(|| run(Command::new("sh").args(["-c", line]).env("DOCKER_HOST", engine.host()))),
    }
    .ok();
}

/// The command lines in a text.
pub(crate) fn commands(text: &str) -> Vec<&str> {
    text.split('\'').skip(1).step_by(2).collect()
}

/// How the only forward does.
#[track_caller]
fn forward(engine: &OwnEngine, backend: &Backend) -> Value {
    let info = plugin(engine, backend, &["info", "--format", "json"]).ok();
    let object: Value = serde_json::from_str(&info.stdout).unwrap();
    object["Sidecars"][0]["Forward"].clone()
}

/// Asks for a page from a container of its own in this network.
#[track_caller]
fn ask(engine: &OwnEngine, network: &str, host: &str, port: u16) -> Outcome {
    let line = wget(10, &format!("http://{host}:{port}/"));
    engine.docker(&["run", "--rm", "--network", network, &base_image(), "sh", "-c", &line])
}

#[track_caller]
pub(crate) fn is_reached(engine: &OwnEngine, backend: &Backend, port: u16) {
    engine.get(backend, port).ok();
    let found = forward(engine, backend);
    assert_eq!(found["Health"], "accepted", "{found:#}");
}

/// Has the host turn away what comes from containers to this port, in two tables: what one accepts
/// the other still rejects.
#[track_caller]
fn close(engine: &OwnEngine, port: u16) {
    let rule = format!("iifname \"docker0\" tcp dport {port} reject");
    let table = format!(
        "add table inet guard; add chain inet guard in {{ type filter hook input priority 0; }}; add rule inet guard in {rule}"
    );
    let iptables = format!("iptables -w -A INPUT -i docker0 -p tcp --dport {port} -j REJECT");
    engine.network.run(|| {
        run(Command::new("nft").arg(&table)).ok();
        run(Command::new("sh").args(["-c", &iptables])).ok();
    });
}

#[test]
#[ignore = "needs a docker engine, and root for an engine and a firewall of its own"]
fn each_table_that_rejects_is_opened_by_what_is_advised_and_loopback_goes_around_all() {
    let (engine, backend, port) = (engine(&[]), Backend::new(), free_port());
    serve(&engine.network, port);
    let list = port.to_string();
    close(&engine, port);

    // The start that makes the forward says so.
    let start = plugin(&engine, &backend, &["start", "--allow-host-port", &list]).ok();
    assert!(start.stderr.contains("a firewall rejects traffic from the engine's bridge"), "{start:?}");
    let found = forward(&engine, &backend);
    let advice = found["Help"].as_str().unwrap_or_else(|| panic!("{found:#}")).to_owned();
    assert!(start.stderr.contains(&advice), "{start:?}");
    let [around, doors @ ..] = &commands(&advice)[..] else { panic!("{advice}") };
    assert_eq!(doors.len(), 2, "{advice}");
    doors.iter().for_each(|door| obey(&engine, &backend, door));
    is_reached(&engine, &backend, port);
    let again = plugin(&engine, &backend, &["start", "--allow-host-port", &list]).ok();
    assert_eq!(again.stderr, "");

    engine.network.run(|| run(Command::new("nft").args(["flush", "ruleset"]))).ok();
    close(&engine, port);
    assert_eq!(forward(&engine, &backend)["Health"], "refused");
    obey(&engine, &backend, around);
    is_reached(&engine, &backend, port);
    plugin(&engine, &backend, &["stop"]).ok();
}

/// Not every engine keeps its networks apart: 29 leads to what is published, and nothing is wrong there until
/// a firewall is in the way. A container of the test's own, which asks where the forward will, shows which it is.
#[test]
#[ignore = "needs a docker engine, and root for an engine of its own"]
fn a_service_that_a_container_publishes_from_another_network_is_reached_by_what_is_advised() {
    let engine = engine(&["--userland-proxy=false", "--iptables=true"]);
    let (backend, port) = (Backend::new(), free_port());
    engine.docker(&["network", "create", "other"]).ok();
    let publish = format!("{port}:80");
    let serve = ["sh", "-c", "echo hello > /tmp/index.html; exec busybox httpd -f -p 80 -h /tmp"];
    let web =
        ["run", "--detach", "--name", "web", "--network", "other", "--publish", &publish, &base_image()];
    engine.docker(&[&web[..], &serve].concat()).ok();
    eventually("it serves", PATIENCE, || {
        (ask(&engine, "container:web", "localhost", 80).code == Some(0)).then_some(())
    });
    let gateway = "$(ip route | awk '/^default/ { print $3 }')";
    let without = ask(&engine, "bridge", gateway, port);

    let list = port.to_string();
    let start = || plugin(&engine, &backend, &["start", "--allow-host-port", &list]).ok();
    let mut said = start();
    if without.code == Some(0) {
        assert_eq!((without.stdout.as_str(), said.stderr.as_str()), ("hello\n", ""));
        is_reached(&engine, &backend, port);
        let doctor = plugin(&engine, &backend, &["doctor"]).ok();
        assert!(doctor.stdout.contains(&format!("\nok    target {port} ")), "{doctor:?}");
        assert_eq!(forward(&engine, &backend)["Help"], Value::Null);
        let apart = "add table inet guard; add chain inet guard forward { type filter hook forward priority 0; }; \
                     add rule inet guard forward iifname \"docker0\" oifname \"br-*\" drop";
        engine.network.run(|| run(Command::new("nft").arg(apart))).ok();
        said = start();
    }
    assert!(said.stderr.contains("container \"web\" publishes port"), "{said:?}\n{without:?}");
    let found = forward(&engine, &backend);
    let advice = found["Help"].as_str().unwrap_or_else(|| panic!("{found:#}"));
    obey(&engine, &backend, commands(advice)[0]);
    is_reached(&engine, &backend, port);
    plugin(&engine, &backend, &["stop"]).ok();
}

#[test]
#[ignore = "needs a docker engine, and root for an engine of its own"]
fn a_backend_without_a_network_is_told_what_works_and_what_gives_it_one() {
    let (settings, backend, port) = (TempDir::new(), Backend::new(), free_port());
    let file = settings.path().join("daemon.json");
    std::fs::write(&file, json!({ "bridge": "none" }).to_string()).unwrap();
    let mut engine = engine(&["--config-file", file.to_str().unwrap()]);
    serve(&engine.network, port);
    let list = port.to_string();
    let refused = plugin(&engine, &backend, &["start", "--allow-host-port", &list]).fails(1);
    let advised = commands(refused.stderr.lines().last().unwrap()).pop();
    obey(&engine, &backend, advised.unwrap_or_else(|| panic!("{refused:?}")));
    is_reached(&engine, &backend, port);

    // Builds reach the host, and nothing else yet.
    let start = plugin(&engine, &backend, &["start", "--allow-host-port", &format!("{port}@loopback")]).ok();
    assert!(start.stderr.contains("the backend is in no network"), "{start:?}");
    let doctor = plugin(&engine, &backend, &["doctor"]).fails(1);
    let told: Vec<_> =
        doctor.stdout.lines().skip_while(|line| !line.starts_with("fail  network")).take(2).collect();
    assert!(told.len() == 2 && start.stderr.contains(told[1].split("-> ").nth(1).unwrap()), "{doctor:?}");

    std::fs::write(&file, "{}").unwrap();
    engine.restart();
    commands(told[1]).into_iter().for_each(|line| obey(&engine, &backend, line));
    is_reached(&engine, &backend, port);
    plugin(&engine, &backend, &["doctor"]).ok();
    let gateway = plugin(&engine, &backend, &["start", "--allow-host-port", &list]).ok();
    assert!(!gateway.stderr.contains("WARNING"), "{gateway:?}");
    is_reached(&engine, &backend, port);
    plugin(&engine, &backend, &["stop"]).ok();
}

/// A proxy on this host's 127.0.0.1 that refuses everything, and the lines of what it was asked for.
fn proxy() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, asked) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
    let lines = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            // A forward is tried without a word.
            lines.lock().unwrap().extend((!line.is_empty()).then_some(line));
            let _ =
                stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (port, asked)
}

#[test]
#[ignore = "needs a docker engine"]
fn a_proxy_on_localhost_is_reached_by_what_is_advised_and_pushes_do_not_go_there() {
    let (backend, registry, (port, asked)) = (Backend::new(), Registry::start(), proxy());
    let url = format!("http://localhost:{port}");
    let configuration = json!({ "proxies": { "default": { "httpProxy": url, "httpsProxy": url } } });
    std::fs::write(backend.home().join("config.json"), configuration.to_string()).unwrap();
    let pull = Context::new("FROM pulled.invalid/x\n");

    let start = backend.forward(&registry.port.to_string());
    assert!(start.stderr.contains(&format!("\"localhost:{port}\"")), "{start:?}");
    let doctor = backend.run(&["doctor"]).fails(1);
    assert!(doctor.stdout.contains("fail  proxy"), "{doctor:?}");
    backend.build(&pull);
    assert_eq!(*asked.lock().unwrap(), [""; 0]);

    let advised = commands(&start.stderr).pop().unwrap();
    assert!(doctor.stdout.contains(advised) && advised.contains(&format!("{port}@loopback")), "{doctor:?}");
    backend.run(&advised.split(' ').skip(3).collect::<Vec<_>>()).ok();
    backend.build(&pull).fails(1);
    let lines = asked.lock().unwrap().clone();
    assert!(lines.iter().any(|line| line.starts_with("CONNECT pulled.invalid:443 ")), "{lines:?}");

    // The registry on localhost is asked without it, by BuildKit and by what honours the variables.
    backend.push(&Context::new("FROM scratch\nADD busybox.tar /\n"), &registry.image("pushed")).ok();
    let lines = asked.lock().unwrap().clone();
    assert!(lines.iter().all(|line| line.contains("pulled.invalid")), "{lines:?}");
    let environment = backend.inspect()["Config"]["Env"].to_string();
    assert!(environment.contains("NO_PROXY=localhost,127.0.0.1,::1"), "{environment}");
}
