//! Engines and kernels with settings of their own: what they deny costs nothing but itself.

use crate::support::{Backend, OwnEngine, backend_image, program};

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
