//! What the daemon is told about registries and its cache, seen from builds.

use crate::support::{Backend, Certificate, Context, Registry, TempDir, run};

fn hello() -> Context {
    Context::new("FROM scratch\nADD busybox.tar /\nCMD [\"echo\", \"hello\"]\n")
}

#[test]
#[ignore = "needs a docker engine"]
fn a_registry_with_a_certificate_of_its_own_is_trusted_when_told() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.certificate(), certificate.key());
    let (backend, registry) = (Backend::new(), Registry::start_with_tls(&cert, &key));
    let port = registry.port.to_string();
    let image = registry.image("hello");

    backend.start(&[registry.port]);
    backend.push(&hello(), &image).fails(1);

    let ca = format!("localhost:{port}={cert}");
    let start = ["start", "--allow-host-port", &port, "--registry-ca", &ca];
    let refusal = backend.run(&start).fails(1);
    let difference = format!("configuration: has none, asked for \"registry-ca localhost:{port}\"");
    assert!(refusal.stderr.contains(&difference), "{refusal:?}");
    assert!(refusal.stderr.contains("'--recreate'"), "{refusal:?}");

    backend.run(&[&start[..], &["--recreate"]].concat()).ok();
    backend.push(&hello(), &image).ok();
    // The same again changes nothing.
    let again = backend.run(&start).ok();
    assert!(again.stdout.contains("already running"), "{again:?}");

    let insecure = ["start", "--allow-host-port", &port, "--registry-insecure", &format!("localhost:{port}")];
    backend.run(&[&insecure[..], &["--recreate"]].concat()).ok();
    backend.push(&hello(), &registry.image("second")).ok();
}

/// A registry that lets nobody in without the client's half of this certificate, which is its own.
fn mutual(certificate: &Certificate) -> Registry {
    Registry::start_with_mutual_tls(&certificate.certificate(), &certificate.key())
}

#[test]
#[ignore = "needs a docker engine"]
fn certificates_and_keys_that_a_configuration_names_come_along() {
    let (certificate, backend, dir) = (Certificate::new(), Backend::new(), TempDir::new());
    let registry = mutual(&certificate);
    let (cert, key, port) = (certificate.certificate(), certificate.key(), registry.port);
    let file = dir.path().join("buildkitd.toml");
    let pair = format!("[[registry.\"localhost:{port}\".keypair]]\ncert = \"{cert}\"\nkey = \"{key}\"\n");
    let trust = format!("[registry.\"localhost:{port}\"]\nhttp = false\nca = [\"{cert}\"]\n{pair}");
    let ports = port.to_string();
    let start = ["start", "--allow-host-port", &ports, "--config", file.to_str().unwrap()];

    std::fs::write(&file, format!("{trust}[registry.other]\nca = [\"missing.pem\"]\n")).unwrap();
    let missing = backend.run(&start).fails(125);
    let words = "cannot read the file \"missing.pem\" of \"registry.other.ca\" in --config";
    assert!(missing.stderr.starts_with(words), "{missing:?}");
    assert_eq!(backend.containers(), [""; 0]);

    std::fs::write(&file, &trust).unwrap();
    backend.run(&start).ok();
    backend.push(&hello(), &registry.image("hello")).ok();
    assert!(backend.run(&start).ok().stdout.contains("already running"));
}

#[test]
#[ignore = "needs a docker engine"]
fn certificates_of_dockers_engine_are_taken_for_forwarded_registries() {
    let (certificate, backend, dir) = (Certificate::new(), Backend::new(), TempDir::new());
    let registry = mutual(&certificate);
    let port = registry.port.to_string();
    let engines = dir.path().join(format!("docker/certs.d/localhost:{port}"));
    let start = |more: &[&str]| {
        let mut command = backend.command(&[&["start", "--allow-host-port", &port], more].concat());
        run(command.env("XDG_CONFIG_HOME", dir.path())).ok()
    };
    start(&[]);
    backend.push(&hello(), &registry.image("hello")).fails(1);

    std::fs::create_dir_all(&engines).unwrap();
    for (from, name) in [
        (certificate.certificate(), "ca.crt"),
        (certificate.certificate(), "client.cert"),
        (certificate.key(), "client.key"),
    ] {
        std::fs::copy(from, engines.join(name)).unwrap();
    }
    let told = start(&[]);
    assert!(told.stderr.contains(&format!("\"registry-ca localhost:{port}\"; '--recreate'")), "{told:?}");
    start(&["--recreate"]);
    backend.push(&hello(), &registry.image("hello")).ok();
    assert_eq!(start(&[]).stderr, "");
}

#[test]
#[ignore = "needs a docker engine"]
fn an_insecure_registry_may_do_without_tls() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let port = registry.port.to_string();
    let host = format!("localhost:{port}");
    backend.run(&["start", "--allow-host-port", &port, "--registry-insecure", &host]).ok();
    backend.push(&hello(), &registry.image("hello")).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn a_mirror_is_asked_in_place_of_the_registry() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let port = registry.port.to_string();
    let mirror = format!("registry.invalid=http://localhost:{port}");
    backend.run(&["start", "--allow-host-port", &port, "--registry-mirror", &mirror]).ok();
    backend.push(&hello(), &registry.image("hello")).ok();
    let from = Context::new("FROM registry.invalid/hello\nRUN true\n");
    backend.build(&from).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn limits_and_a_file_reach_the_daemon_as_one_configuration() {
    let (backend, dir) = (Backend::new(), TempDir::new());
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, "[worker.oci.labels]\n\"mine\" = \"yes\"\n").unwrap();
    let file = file.display().to_string();
    let limits =
        ["start", "--allow-host-port=0", "--config", &file, "--cache-max-used=2gb", "--cache-reserved=128mb"];
    backend.run(&limits).ok();
    let info = backend.run(&["info"]).ok();
    assert!(info.stdout.contains("mine: yes"), "{info:?}");
    let buildctl = ["exec", &backend.name(), "buildctl", "debug", "workers", "-v"];
    let workers = crate::support::docker(&buildctl).ok();
    assert!(workers.stdout.contains("2.147483648GB"), "{workers:?}");

    let missing = backend.run(&["start", "--config", "/nowhere.toml"]).fails(125);
    assert!(missing.stderr.starts_with("cannot read the file \"/nowhere.toml\" of --config"), "{missing:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn variables_stand_for_options_that_are_not_typed() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let port = registry.port.to_string();
    let with = |args: &[&str], port: &str| {
        let mut command = backend.command(args);
        run(command.env("DOCKER_ASSEMBLE_ALLOW_HOST_PORT", port))
    };
    let told = with(&["start", "--dry-run"], &port).ok();
    let from = format!("With --allow-host-port {port} from DOCKER_ASSEMBLE_ALLOW_HOST_PORT\n");
    assert!(told.stdout.contains(&from), "{told:?}");
    with(&["start"], "no port").fails(125);
    assert_eq!(backend.containers(), [""; 0]);
    with(&["start"], &port).ok();
    backend.push(&hello(), &registry.image("hello")).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn the_daemon_has_the_proxies_of_dockers_configuration() {
    let backend = Backend::new();
    let text = r#"{"proxies":{"default":{"httpProxy":"http://proxy.invalid:1"}}}"#;
    std::fs::write(backend.home().join("config.json"), text).unwrap();
    backend.start(&[]);
    let env = backend.inspect()["Config"]["Env"].to_string();
    assert!(env.contains("\"HTTP_PROXY=http://proxy.invalid:1\""), "{env}");
    assert!(env.contains("\"http_proxy=http://proxy.invalid:1\""), "{env}");
}
