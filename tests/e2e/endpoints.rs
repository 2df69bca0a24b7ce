//! Ways to an engine other than its socket: TLS with certificates.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::support::{
    Backend, Outcome, OwnEngine, PLUGIN, TempDir, backend_image, base_image, free_port, run, serve,
};

/// A directory with what docker expects in one: `ca.pem`, and `cert.pem` and `key.pem` of a client
/// or server that the CA vouches for.
struct Certificates {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    fn new(name: &str) -> Self {
        let directory = TempDir::new();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { directory, issuer: Issuer::new(params, key) }
    }

    /// A directory of its own for somebody with this name.
    fn issue(&self, name: &str) -> PathBuf {
        let directory = self.directory.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        std::fs::copy(self.directory.path().join("ca.pem"), directory.join("ca.pem")).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
        directory
    }
}

fn option(name: &str, directory: &Path, file: &str) -> String {
    format!("--{name}={}", directory.join(file).display())
}

const TCP: &str = "tcp://127.0.0.1:2376";

#[test]
#[ignore = "needs a docker engine"]
fn an_engine_behind_mutual_tls_is_used_by_options_variables_and_contexts() {
    let (ours, theirs) = (Certificates::new("ours"), Certificates::new("theirs"));
    let (server, client) = (ours.issue("127.0.0.1"), ours.issue("client"));
    let files = |directory: &Path| {
        [("tlscacert", "ca.pem"), ("tlscert", "cert.pem"), ("tlskey", "key.pem")]
            .map(|(name, file)| option(name, directory, file))
    };
    let listen = ["--host".to_owned(), TCP.to_owned(), "--tlsverify".to_owned()];
    let engine = OwnEngine::start(&[&listen[..], &files(&server)].concat());
    engine.take(&[backend_image(), base_image()]);
    let (backend, port) = (Backend::new(), free_port());
    serve(&engine.network, port);
    // Its port is one of its own network.
    let inside = |command: &mut Command| engine.network.run(|| run(command));
    let plugin = |globals: &[String], args: &[&str]| {
        let mut command = backend.command_of(PLUGIN, &[]);
        command.args(globals).args(["assemble", "backend"]).args(args).env_remove("DOCKER_HOST");
        command
    };
    let by_options = |args: &[&str]| {
        let options = ["--tlsverify".to_owned(), format!("--host={TCP}")];
        inside(&mut plugin(&[&options[..], &files(&client)].concat(), args))
    };
    let by_variables = |directory: &Path, args: &[&str]| {
        let mut command = plugin(&[], args);
        command.envs([("DOCKER_HOST", TCP), ("DOCKER_TLS_VERIFY", "1")]);
        inside(command.env("DOCKER_CERT_PATH", directory))
    };
    let path = |file: &str| client.join(file).display().to_string();
    let endpoint =
        format!("host={TCP},ca={},cert={},key={}", path("ca.pem"), path("cert.pem"), path("key.pem"));
    run(&mut backend.command_of("docker", &["context", "create", "secured", "--docker", &endpoint])).ok();
    let by_context = |args: &[&str]| inside(&mut plugin(&["--context=secured".to_owned()], args));

    by_options(&["start", "--allow-host-port", &port.to_string()]).ok();
    assert_eq!(engine.get(&backend, port).ok().stdout, "{}");
    let info = by_context(&["info"]).ok();
    assert!(info.stdout.contains(&format!("{} (running)\n", backend.sidecar(port))), "{info:?}");
    by_variables(&client, &["cache", "usage"]).ok();

    // Whom the engine's CA does not vouch for, and an engine for which ours does not.
    std::fs::remove_file(client.join("cert.pem")).unwrap();
    std::fs::remove_file(client.join("key.pem")).unwrap();
    named(&by_variables(&client, &["info"]), "--tlscert");
    named(&by_variables(&theirs.issue("client"), &["info"]), "--tlscacert");

    by_context(&["stop"]).ok();
    assert_eq!(engine.docker(&["ps", "--all", "--quiet"]).ok().stdout, "");
}

/// Demands a failure in one line that names the endpoint and what may help.
#[track_caller]
fn named(outcome: &Outcome, help: &str) {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let line = outcome.only_complaint();
    assert!(line.contains(TCP) && line.contains(help), "{outcome:?}");
}
