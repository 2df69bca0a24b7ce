//! The sidecar takes what is written down for it elsewhere than on an engine.

use std::process::Command;

use crate::manifests::{COMPOSE, at, pod, strings, yaml};

/// Whether the sidecar understands these words. With `--help` behind them it does no more than that.
fn takes(words: &[String]) -> bool {
    let path = env!("DOCKER_ASSEMBLE_PROXY_PATH");
    let output = Command::new(path).args(words).arg("--help").env_clear().output();
    output.expect("a sidecar, made by scripts/sidecar.sh").status.success()
}

#[test]
fn the_proxy_itself_takes_what_it_is_told() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(!takes(&words("--port 5000 --to nowhere:0")), "the check sees bad values");
    assert!(!takes(&words("--port 5000 --from gateway")), "and bad options");

    let pod = pod("--allow-host-port 5000,8080");
    for sidecar in at(&pod, "initContainers").as_sequence().unwrap() {
        // What the downward API gives on nodes of either family.
        for node in ["192.0.2.7", "2001:db8::7"] {
            let told: Vec<String> =
                strings(at(sidecar, "args")).iter().map(|word| word.replace("$(HOST_IP)", node)).collect();
            assert!(takes(&told), "{told:?}");
        }
        let probe = strings(at(sidecar, "livenessProbe.exec.command"));
        assert!(takes(&probe[1..]), "{probe:?}");
    }

    let compose = yaml(COMPOSE);
    let told = strings(at(&compose, "services.proxy-port-5000.command"));
    assert!(takes(&told), "{told:?}");
}
