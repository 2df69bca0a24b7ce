//! Advice that the plugin prints is worth following: each test makes a situation, reads the command
//! that is advised, types it word for word, and sees that it helps.

use std::process::Command;

use crate::support::{
    Backend, Certificate, Context, Deed, Outcome, PATIENCE, Registry, Tap, Volume, Which, docker, eventually,
    free_port, run, signal,
};

/// Somebody who reads what the plugin says and types it.
pub(crate) struct Reader(pub(crate) Backend);

impl Reader {
    pub(crate) fn new() -> Self {
        let backend = Backend::new();
        backend.install_plugin();
        Self(backend)
    }

    /// Types a line into a shell.
    #[track_caller]
    pub(crate) fn types(&self, line: &str) -> Outcome {
        run(&mut self.0.command_of("sh", &["-c", line]))
    }

    /// Follows the advice that begins like this, and demands that the command succeeds.
    #[track_caller]
    pub(crate) fn follows(&self, said: &Outcome, beginning: &str) -> String {
        let command = advice(said, beginning);
        self.types(&command).ok();
        command
    }
}

/// The first thing in quotes that begins like this. Apostrophes stand in the words around it.
#[track_caller]
fn advice(said: &Outcome, beginning: &str) -> String {
    let words = said.words();
    let quoted = words.split_once(&format!("'{beginning}")).and_then(|(_, rest)| rest.split_once('\''));
    let (rest, _) = quoted.unwrap_or_else(|| panic!("nothing of \"{beginning}\" is advised: {said:?}"));
    format!("{beginning}{rest}")
}

#[test]
#[ignore = "needs a docker engine"]
fn a_cache_volume_that_is_missing() {
    let reader = Reader::new();
    // Made once, so that it is removed in the end.
    let volume = reader.0.volume(format!("{}-cache", reader.0.user));
    docker(&["volume", "rm", &volume]).ok();
    let start = ["start", "--allow-host-port", "0", "--cache-volume", &volume];
    let refused = reader.0.run(&start).fails(125);
    reader.follows(&refused, "docker volume create ");
    reader.0.run(&start).ok();
    assert!(reader.0.volumes().contains(&volume) && Volume::exists(&volume));
}

#[test]
#[ignore = "needs a docker engine"]
fn an_engine_that_does_not_answer() {
    let reader = Reader::new();
    for (tap, advised) in [(Tap::new(), "docker --host "), (Tap::at_an_address(), "docker version")] {
        tap.choose(Which::Any, 1, Deed::Swallow);
        let session = |line: &str| reader.types(&format!("export DOCKER_HOST={}; {line}", tap.host()));
        let refused = session("docker assemble backend info --timeout 1s").fails(1);
        session(&advice(&refused, advised)).ok();
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_backend_that_is_paused() {
    let reader = Reader::new();
    reader.0.start(&[]);
    for (command, code) in [(&["start"][..], 1), (&["cache", "usage"], 1), (&["doctor"], 1)] {
        docker(&["pause", &reader.0.name()]).ok();
        let refused = reader.0.run(command).fails(code);
        reader.follows(&refused, "docker unpause ");
        reader.0.run(command).ok();
        reader.0.start(&[]);
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_backend_that_is_stopped() {
    let (reader, registry) = (Reader::new(), Registry::start());
    reader.0.start(&[registry.port]);
    for command in [&["cache", "usage"][..], &["doctor"]] {
        docker(&["stop", "--time", "5", &reader.0.name()]).ok();
        let refused = reader.0.run(command).fails(1);
        // Which would take the cache with it.
        for said in [&refused, &reader.0.run(&["info"])] {
            assert!(!said.words().contains("docker assemble backend stop"), "{said:?}");
        }
        reader.follows(&refused, "docker assemble backend start ");
        reader.0.get(registry.port).ok();
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_port_that_leads_elsewhere() {
    let (reader, registry) = (Reader::new(), Registry::start());
    let (inside, nothing) = (free_port(), free_port());
    reader.0.run(&["start", "--allow-host-port", &format!("{inside}:{nothing}")]).ok();
    let meant = format!("{inside}:{}", registry.port);
    let ill = reader.0.run(&["doctor", &meant]).fails(1);
    reader.follows(&ill, "docker assemble backend port rm ");
    reader.follows(&ill, "docker assemble backend port add ");
    reader.0.get(inside).ok();
    reader.0.run(&["doctor", &meant]).ok();
}

/// Whatever a backend was made with, the start that is advised has it, so that it changes nothing else.
#[test]
#[ignore = "needs a docker engine"]
fn a_backend_with_options_of_its_own() {
    let (reader, registry) = (Reader::new(), Registry::start_on_loopback());
    let backend = &reader.0;
    std::fs::write(backend.home().join("my own.toml"), "[worker.oci.labels]\nmine = \"yes\"\n").unwrap();
    let port = registry.port.to_string();
    let start = ["start", "--allow-host-port", &port, "--config", "my own.toml", "--cache-max-used", "2gb"];
    let registries =
        ["--registry-insecure", "r.internal:1", "--registry-mirror", "docker.io=http://m.invalid/p"];
    let chosen = ["--memory", "1g", "--env", "TOKEN=s3cret", "--driver-opt", "cpu-shares=512"];
    let mut command = backend.command(&[&start[..], &registries, &chosen].concat());
    run(command.current_dir(backend.home())).ok();
    let (id, before) = (backend.id(), backend.inspect()["Config"].clone());
    let is_same = || assert_eq!((backend.id(), &backend.inspect()["Config"]), (id.clone(), &before));

    docker(&["stop", "--time", "5", &backend.name()]).ok();
    let advised = reader.follows(&backend.run(&["doctor"]).fails(1), "docker assemble backend start ");
    assert!(advised.contains("my own.toml\"") && !advised.contains("s3cret"), "{advised}");
    is_same();
    docker(&["rm", "--force", &backend.sidecar(registry.port)]).ok();
    reader.follows(&backend.run(&["info"]), "docker assemble backend start ");
    is_same();
    // Nothing but the forward differs in this one.
    reader.follows(&backend.run(&["doctor"]).fails(1), "docker assemble backend start ");
    backend.get(registry.port).ok();
    is_same();
    let info = backend.run(&["info"]).ok();
    assert!(info.stdout.contains("mine: yes"), "{info:?}");
}

/// A stop takes what may be a secret with it, and no command has that: the reader is told what to give again.
#[test]
#[ignore = "needs a docker engine, and root for the backend's network"]
fn a_backend_without_a_way_out_whose_secrets_are_not_told() {
    let (reader, registry) = (Reader::new(), Registry::start());
    let (backend, port) = (&reader.0, registry.port.to_string());
    let chosen = ["--memory", "512m", "--env", "TOKEN=s3cret", "--label", "team=builds"];
    backend.run(&[&["start", "--allow-host-port", &port], &chosen[..]].concat()).ok();
    let pid = backend.inspect()["State"]["Pid"].to_string();
    run(Command::new("nsenter").args(["--target", &pid, "--net", "ip", "route", "del", "default"])).ok();
    let ill = backend.run(&["doctor"]).fails(1);
    let again = "--env TOKEN and --label team";
    assert!(ill.stdout.contains(&format!("(with {again} as before, whose values are not shown)")), "{ill:?}");
    assert!(!ill.words().contains("s3cret"), "{ill:?}");

    reader.follows(&ill, "docker assemble backend stop");
    let start = advice(&ill, "docker assemble backend start ");
    reader.types(&format!("TOKEN=s3cret {start} --env TOKEN --label team=builds")).ok();
    backend.get(registry.port).ok();
    let (config, host) = (&backend.inspect()["Config"], &backend.inspect()["HostConfig"]);
    assert!(config["Env"].as_array().unwrap().contains(&"TOKEN=s3cret".into()), "{config}");
    assert_eq!((&config["Labels"]["team"], &host["Memory"]), (&"builds".into(), &(512 << 20).into()));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_stopped_backend_without_a_forward_gets_none() {
    let reader = Reader::new();
    reader.0.start(&[]);
    docker(&["stop", "--time", "5", &reader.0.name()]).ok();
    reader.follows(&reader.0.run(&["doctor"]).fails(1), "docker assemble backend start ");
    assert_eq!(reader.0.forwarded(), [0; 0]);
}

#[test]
#[ignore = "needs a docker engine"]
fn no_backend_at_all() {
    let reader = Reader::new();
    let refused = reader.0.run(&["info"]).fails(1);
    reader.follows(&refused, "docker assemble backend start");
    reader.0.run(&["info"]).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn a_sidecar_and_a_dialer_that_are_paused() {
    let (reader, registry) = (Reader::new(), Registry::start_on_loopback());
    reader.0.forward(&format!("{}@loopback", registry.port));
    for container in [reader.0.sidecar(registry.port), reader.0.dialer()] {
        docker(&["pause", &container]).ok();
        let ill = reader.0.run(&["doctor"]).fails(1);
        assert_eq!(reader.follows(&ill, "docker unpause "), format!("docker unpause {container}"));
        reader.0.get(registry.port).ok();
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_sidecar_that_hangs() {
    let (reader, registry) = (Reader::new(), Registry::start());
    reader.0.start(&[registry.port]);
    signal(&reader.0.sidecar(registry.port), "STOP");
    let ill = reader.0.run(&["doctor"]).fails(1);
    reader.follows(&ill, "docker restart ");
    eventually("the forward works", PATIENCE, || (reader.0.get(registry.port).code == Some(0)).then_some(()));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_port_that_is_not_forwarded() {
    let (reader, registry) = (Reader::new(), Registry::start());
    reader.0.start(&[]);
    let none = reader.0.run(&["doctor"]).ok();
    reader.follows(&none, "docker assemble backend port add ");
    assert_eq!(reader.0.forwarded(), [5000]);
    let ill = reader.0.run(&["doctor", &registry.port.to_string()]).fails(1);
    reader.follows(&ill, "docker assemble backend start ");
    reader.0.get(registry.port).ok();
    let mut both = [5000, registry.port];
    both.sort_unstable();
    assert_eq!(reader.0.forwarded(), both);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_service_on_127_0_0_1_alone() {
    let (reader, registry, kept) = (Reader::new(), Registry::start_on_loopback(), free_port());
    for command in ["info", "doctor"] {
        reader.0.start(&[registry.port, kept]);
        let said = reader.0.run(&[command]);
        let command = reader.follows(&said, "docker assemble backend start --allow-host-port ");
        assert!(command.contains(&format!("{}@loopback", registry.port)), "{command}");
        reader.0.get(registry.port).ok();
        assert!(reader.0.forwarded().contains(&kept));
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_backend_with_other_settings() {
    let reader = Reader::new();
    reader.0.start(&[]);
    let before = reader.0.id();
    let start = ["start", "--allow-host-port", "0", "--registry-insecure", "registry.internal"];
    let refused = reader.0.run(&start).fails(1);
    let option = advice(&refused, "--recreate");
    reader.0.run(&[&start[..], &[&option]].concat()).ok();
    assert_ne!(reader.0.id(), before);

    reader.0.run(&["stop"]).ok();
    reader.0.start(&[]);
    reader.follows(&reader.0.run(&start).fails(1), "docker assemble backend stop");
    reader.0.run(&start).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn privileges_that_the_engine_refuses() {
    let reader = Reader::new();
    let start = ["start", "--allow-host-port", "0", "--security"];
    let asked = reader.0.run(&[&start[..], &["privileged"]].concat());
    if asked.code == Some(0) {
        assert_eq!(reader.0.inspect()["HostConfig"]["Privileged"], true);
        return;
    }
    let option = advice(&asked, "--security ");
    let words: Vec<_> = option.split(' ').collect();
    reader.0.run(&[&start[..3], &words].concat()).ok();
    assert_eq!(reader.0.inspect()["HostConfig"]["Privileged"], false);
}

/// The file that is named is what the reader has to bring.
#[test]
#[ignore = "needs a docker engine"]
fn a_registry_with_a_certificate_of_its_own() {
    let (reader, certificate) = (Reader::new(), Certificate::new());
    let (cert, key) = (certificate.certificate(), certificate.key());
    let registry = Registry::start_with_tls(&cert, &key);
    reader.0.start(&[registry.port]);
    std::fs::copy(&cert, reader.0.home().join("ca.pem")).unwrap();
    let doctor = reader.0.run(&["doctor", &registry.port.to_string()]).ok();
    let command = advice(&doctor, "docker assemble backend start ");
    assert!(command.ends_with(&format!("--registry-ca localhost:{}=ca.pem", registry.port)), "{command}");
    reader.types(&format!("cd {} && {command}", reader.0.home().display())).ok();
    let push = Context::new("FROM scratch\nADD busybox.tar /\n");
    reader.0.push(&push, &registry.image("pushed")).ok();
}

/// `ADDRESS` is what the reader has to fill in.
#[test]
#[ignore = "needs a docker engine"]
fn a_host_whose_name_nobody_knows() {
    let (reader, registry, inside) = (Reader::new(), Registry::start(), free_port());
    let kept = registry.port;
    let target = format!("{inside}=nobody-knows.invalid:{kept}");
    let start = ["start", "--allow-host-port", &kept.to_string(), "--forward", &target];
    let started = reader.0.run(&start).ok();
    let gateway = &reader.0.inspect()["NetworkSettings"]["Networks"]["bridge"]["Gateway"];
    let doctor = reader.0.run(&["doctor"]).fails(1);
    let command = advice(&doctor, "docker assemble backend start ");
    assert!(started.stderr.contains(&command), "{started:?}");
    let blank = format!("--forward {inside}=ADDRESS:{kept}");
    assert!(command.contains(&blank), "{command}");
    reader.types(&command.replace("ADDRESS", gateway.as_str().unwrap())).ok();
    for port in [inside, kept] {
        assert_eq!(reader.0.get(port).ok().stdout, "{}");
    }
}
