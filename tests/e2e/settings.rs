//! Engines and kernels with settings of their own: what they deny costs nothing but itself.

use serde_json::{Value, json};

use crate::support::{Backend, OwnEngine, backend_image, free_port, program};

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
