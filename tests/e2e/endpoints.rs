//! Ways to an engine other than its socket: TLS with certificates, and ssh.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::support::{
    Backend, Background, Outcome, OwnEngine, PLUGIN, TempDir, Witness, backend_image, base_image, eventually,
    free_port, host, program, run, serve,
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
    let line = format!("timeout 10 wget -q -O - http://localhost:{port}/");
    let network = format!("container:{}", backend.name());
    let get = engine.docker(&["run", "--rm", "--network", &network, &base_image(), "sh", "-c", &line]).ok();
    assert_eq!(get.stdout, "{}");
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

/// An sshd on loopback that lets in one key. Dropping it ends it.
struct Sshd {
    port: u16,
    user: String,
    process: Background,
    directory: TempDir,
}

impl Sshd {
    #[track_caller]
    fn start() -> Self {
        let (directory, port) = (TempDir::new(), free_port());
        let path = |name: &str| directory.path().join(name).display().to_string();
        for key in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &path(key)])).ok();
        }
        std::fs::copy(path("client.pub"), path("authorized")).unwrap();
        let user = run(Command::new("id").arg("-un")).ok().stdout.trim().to_owned();
        let public = std::fs::read_to_string(path("host.pub")).unwrap();
        std::fs::write(path("known"), format!("[127.0.0.1]:{port} {public}")).unwrap();
        // No file of the user's or the machine's is read. The directories of a test are open to
        // others, hence no strict modes.
        std::fs::write(
            path("sshd_config"),
            format!(
                "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
                 StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 PermitRootLogin prohibit-password\nAllowUsers {user}\n",
                path("host"),
                path("authorized")
            ),
        )
        .unwrap();
        std::fs::write(
            path("ssh_config"),
            format!(
                "IdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {}\n\
                 GlobalKnownHostsFile none\nStrictHostKeyChecking yes\nBatchMode yes\n",
                path("client"),
                path("known")
            ),
        )
        .unwrap();
        // ssh takes the user's home from the system, whatever HOME says.
        let ssh = which("ssh");
        program(
            directory.path(),
            "ssh",
            &format!("#!/bin/sh\nexec {ssh} -F {} \"$@\"\n", path("ssh_config")),
        );
        // Where sshd locks itself in before anybody has logged in; a service would make it.
        let _ = std::fs::create_dir("/run/sshd");
        let log = File::create(directory.path().join("log")).unwrap();
        // It starts itself anew for each connection and wants to know where it is.
        let mut command = Command::new(which("sshd"));
        command.args(["-D", "-e", "-f", &path("sshd_config")]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Background::start_with(&mut command);
        eventually("sshd listens", Duration::from_secs(30), || {
            let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
            assert!(!process.has_ended(), "sshd ended: {log}");
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { port, user, process, directory }
    }

    /// The engine of this machine through it.
    fn endpoint(&self) -> String {
        let socket = host().strip_prefix("unix://").expect("the engine's socket is a file");
        format!("ssh://{}@127.0.0.1:{}{socket}", self.user, self.port)
    }

    /// Has a command use it, and find an ssh that knows it.
    fn by<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = format!("{}:{}", self.directory.path().display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("DOCKER_HOST", self.endpoint())
    }
}

/// Where a program is.
#[track_caller]
fn which(name: &str) -> String {
    let line = format!("PATH=$PATH:/usr/sbin:/sbin; command -v {name}");
    run(Command::new("sh").args(["-c", &line])).ok().stdout.trim().to_owned()
}

#[test]
#[ignore = "needs a docker engine"]
fn an_engine_behind_ssh_is_used_from_start_to_stop() {
    let (mut sshd, backend, port) = (Sshd::start(), Backend::new(), free_port());
    let list = port.to_string();
    run(sshd.by(&mut backend.command(&["start", "--allow-host-port", &list]))).ok();
    assert_eq!(backend.forwarded(), [port]);
    let info = run(sshd.by(&mut backend.command(&["info"]))).ok();
    assert!(info.stdout.contains(&format!("{} (running)\n", backend.sidecar(port))), "{info:?}");
    run(sshd.by(&mut backend.command(&["cache", "usage"]))).ok();
    run(sshd.by(&mut backend.command(&["logs"]))).ok();

    // The same by a context.
    let endpoint = format!("host={}", sshd.endpoint());
    run(&mut backend.command_of("docker", &["context", "create", "far", "--docker", &endpoint])).ok();
    let mut command = backend.command_of(PLUGIN, &["--context", "far", "assemble", "backend", "info"]);
    run(sshd.by(&mut command).env_remove("DOCKER_HOST")).ok();

    let stranger = sshd.endpoint().replace(&format!("{}@", sshd.user), "nobody@");
    let refusal = run(sshd.by(&mut backend.command(&["info"])).env("DOCKER_HOST", &stranger)).fails(1);
    let line = refusal.only_complaint();
    assert!(line.contains(&stranger) && line.contains("Permission denied"), "{refusal:?}");

    run(sshd.by(&mut backend.command(&["stop"]))).ok();
    assert_eq!(backend.containers(), [""; 0]);
    assert!(!sshd.process.has_ended());
}

/// Ctrl-C on a terminal reaches ssh as well as the command that needs it to clean up.
#[test]
#[ignore = "needs a docker engine"]
fn a_start_through_ssh_that_is_interrupted_leaves_nothing() {
    let (sshd, backend, witness) = (Sshd::start(), Backend::new(), Witness::start());
    let image = backend
        .image("idle", &["ENTRYPOINT [\"/bin/sh\", \"-c\", \"sleep 600\"]", "VOLUME /var/lib/buildkit"]);
    let mut command = backend.command(&["start", "--allow-host-port", "0", "--image", &image]);
    let start = Background::start(sshd.by(&mut command).process_group(0));
    eventually("the container runs", Duration::from_secs(60), || backend.runs().then_some(()));
    run(Command::new("kill").args(["-s", "INT", "--", &format!("-{}", start.id())])).ok();
    start.outcome().fails(130);
    let seen = witness.seen(&backend);
    assert!(!seen.containers.is_empty());
    seen.is_gone_but(&[]);
}
