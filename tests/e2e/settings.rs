//! Engines and kernels with settings of their own: what they deny costs nothing but itself.

use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::program::program;
use crate::support::{Backend, OwnEngine, PATIENCE, backend_image, base_image, eventually, free_port};

/// A runtime on a kernel that lacks a setting, in the words of the real one, which writes its error
/// where it is told to.
const LACKING: &str = r#"#!/bin/sh
for word in "$@"; do
	case $before in --log) log=$word ;; --bundle) bundle=$word ;; esac
	before=$word
done
if [ -n "$bundle" ] && grep -q net.ipv4.tcp_tw_reuse "$bundle/config.json"; then
	echo '{"level":"error","msg":"open /proc/sys/net/ipv4/tcp_tw_reuse: no such file or directory"}' >"$log"
	exit 1
fi
exec runc "$@"
"#;

#[test]
#[ignore = "needs a docker engine"]
fn a_setting_that_the_kernel_lacks_is_left_out_and_named() {
    let backend = Backend::new();
    program(backend.home(), "lacking", LACKING);
    let runtime = format!("--add-runtime=lacking={}", backend.home().join("lacking").display());
    let engine = OwnEngine::start(&[runtime, "--default-runtime=lacking".to_owned()]);
    engine.take(&[backend_image()]);
    let start = engine.plugin(&backend, &["start"]).ok();
    let named = "runs without the setting \"net.ipv4.tcp_tw_reuse\", which the engine refuses";
    assert_eq!(start.stderr.matches(named).count(), 1, "{start:?}");
    let settings = "{{json .HostConfig.Sysctls}}";
    let left = engine.docker(&["container", "inspect", "--format", settings, &backend.name()]).ok().stdout;
    assert!(!left.contains("tcp_tw_reuse") && left.contains("ip_local_port_range"), "{left}");
    // That it lacks something is no difference to repair.
    let again = engine.plugin(&backend, &["start"]).ok();
    assert!(again.stdout.contains("is already running"), "{again:?}");
    engine.plugin(&backend, &["stop"]).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn a_builder_gains_privileges_where_the_engine_denies_them_to_containers() {
    let backend = Backend::new();
    let engine = OwnEngine::start(&["--no-new-privileges".to_owned()]);
    engine.take(&[backend_image()]);
    engine.plugin(&backend, &["start"]).ok();
    let status = |name: &str| engine.docker(&["exec", name, "cat", "/proc/1/status"]).ok().stdout;
    assert!(status(&backend.name()).contains("NoNewPrivs:\t0\n"), "{}", status(&backend.name()));
    let doctor = engine.plugin(&backend, &["doctor", "--format", "json"]).stdout;
    assert!(!doctor.contains("no-new-privileges"), "{doctor}");
    engine.plugin(&backend, &["stop"]).ok();
}

/// Most engines give a sidecar the descriptors that it asks for; one without `CAP_SYS_RESOURCE` and
/// with a limit of its own below that gives what its `default-ulimits` say.
#[test]
#[ignore = "needs a docker engine"]
fn who_gets_no_descriptor_is_told_and_so_is_whoever_asks_the_doctor() {
    /// More than there are with 1,024 descriptors.
    const CLIENTS: u64 = 600;
    let backend = Backend::new();
    let mut engine = OwnEngine::start(&["--default-ulimit=nofile=1024:1024".to_owned()]);
    engine.take(&[backend_image(), base_image()]);
    let service = engine.network.run(|| TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = service.local_addr().unwrap().port();
    let number = port.to_string();
    let start = engine.plugin(&backend, &["start", "--allow-host-port", &number]).ok();
    assert!(!start.stderr.contains("limit"), "{start:?}");
    let sidecar = backend.sidecar(port);
    let status = || -> Value {
        let ask = ["exec", &sidecar, "/assemble-proxy", "status", "--port", &number, "--format", "json"];
        serde_json::from_str(&engine.docker(&ask).ok().stdout).unwrap()
    };
    let doctor = |engine: &OwnEngine| engine.plugin(&backend, &["doctor"]).stdout;

    let before = status();
    let capacity = before["capacity"].as_u64().unwrap();
    let excess = CLIENTS.saturating_sub(capacity);
    let few = format!("a sidecar has descriptors for {capacity} connections, and resets more");
    assert_eq!(doctor(&engine).contains(&few), excess > 0, "{}", doctor(&engine));
    // Holds whoever comes, until it is told to hold nobody.
    let held = Arc::new(Mutex::new(Some(Vec::new())));
    let holder = Arc::clone(&held);
    std::thread::spawn(move || {
        for mut stream in service.incoming().flatten() {
            stream.write_all(b"x").ok();
            if let Some(held) = &mut *holder.lock().unwrap() {
                held.push(stream);
            }
        }
    });
    let (network, clients) = (format!("container:{}", backend.name()), format!("{}-clients", backend.name()));
    let script = format!(
        "i=0; while [ $i -lt {CLIENTS} ]; do i=$((i + 1)); nc 127.0.0.1 {port} </dev/null 2>/dev/null & done; wait"
    );
    let run =
        ["run", "--detach", "--name", &clients, "--network", &network, &base_image(), "sh", "-c", &script];
    engine.docker(&run).ok();
    let all = eventually("each client is relayed or reset", PATIENCE, || {
        let now = status();
        let opened = now["opened"].as_u64().unwrap() - before["opened"].as_u64().unwrap();
        (opened == CLIENTS && now["active"] == CLIENTS - excess).then(|| now["failed"]["descriptors"].clone())
    });
    assert_eq!(all, excess);
    let found = doctor(&engine);
    let reset = format!("{excess} connection(s) were reset for want of descriptors");
    assert_eq!(found.contains(&reset), excess > 0, "{found}");
    *held.lock().unwrap() = None;
    engine.docker(&["wait", &clients]).ok();
    let relayed = engine.docker(&["logs", &clients]).ok().stdout;
    assert_eq!(relayed.len() as u64, CLIENTS - excess, "{relayed}");

    // What the doctor advises, as far as an engine without more rights can follow it.
    engine.restart_with(&["--default-ulimit=nofile=8192:8192".to_owned()]);
    engine.plugin(&backend, &["stop"]).ok();
    engine.plugin(&backend, &["start", "--allow-host-port", &number]).ok();
    assert!(!doctor(&engine).contains("descriptors"), "{}", doctor(&engine));
    engine.plugin(&backend, &["stop"]).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn logs_have_a_limit_where_the_engine_has_none() {
    let limit = json!({"max-size": "10m", "max-file": "3"});
    for (driver, limit) in [("json-file", limit), ("local", json!({})), ("none", json!({}))] {
        let (backend, port) = (Backend::new(), free_port());
        let engine = OwnEngine::start(&[format!("--log-driver={driver}")]);
        engine.take(&[backend_image()]);
        engine.plugin(&backend, &["start", "--allow-host-port", &port.to_string()]).ok();
        for name in [backend.name(), backend.sidecar(port)] {
            let inspect = ["container", "inspect", "--format", "{{json .HostConfig.LogConfig}}", &name];
            let config: Value = serde_json::from_str(&engine.docker(&inspect).ok().stdout).unwrap();
            assert_eq!(config, json!({"Type": driver, "Config": limit}), "{name}");
        }
        engine.plugin(&backend, &["stop"]).ok();
    }
}
