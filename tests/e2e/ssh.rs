//! An engine behind ssh, by a real sshd.

use std::fs::File;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::program::program;
use crate::support::{
    Backend, Background, PATIENCE, PLUGIN, Registry, TempDir, Witness, eventually, free_port, host, run,
};

/// An sshd on loopback that lets in one key. Dropping it ends it.
struct Sshd {
    gate: Gate,
    user: String,
    process: Background,
    directory: TempDir,
}

impl Sshd {
    #[track_caller]
    fn start() -> Self {
        Self::start_with("")
    }

    /// One whose configuration has these lines too.
    #[track_caller]
    fn start_with(lines: &str) -> Self {
        let (directory, port) = (TempDir::new(), free_port());
        let path = |name: &str| directory.path().join(name).display().to_string();
        for key in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &path(key)])).ok();
        }
        std::fs::copy(path("client.pub"), path("authorized")).unwrap();
        let user = run(Command::new("id").arg("-un")).ok().stdout.trim().to_owned();
        let public = std::fs::read_to_string(path("host.pub")).unwrap();
        std::fs::write(path("known"), format!("sshd {public}")).unwrap();
        // No file of the user's or the machine's is read. The directories of a test are open to
        // others, hence no strict modes.
        std::fs::write(
            path("sshd_config"),
            format!(
                "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
                 StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 PermitRootLogin prohibit-password\nAllowUsers {user}\n{lines}\n",
                path("host"),
                path("authorized")
            ),
        )
        .unwrap();
        std::fs::write(
            path("ssh_config"),
            format!(
                "IdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {}\n\
                 GlobalKnownHostsFile none\nStrictHostKeyChecking yes\nHostKeyAlias sshd\nBatchMode yes\n",
                path("client"),
                path("known")
            ),
        )
        .unwrap();
        client(&directory, "");
        // Where sshd locks itself in before anybody has logged in; a service would make it.
        let _ = std::fs::create_dir("/run/sshd");
        let log = File::create(directory.path().join("log")).unwrap();
        // It starts itself anew for each connection and wants to know where it is.
        let mut command = Command::new(which("sshd"));
        command.args(["-D", "-e", "-f", &path("sshd_config")]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Background::start_with(&mut command);
        eventually("sshd listens", PATIENCE, || {
            let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
            assert!(!process.has_ended(), "sshd ended: {log}");
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { gate: Gate::before(port), user, process, directory }
    }

    /// The engine of this machine through it.
    fn endpoint(&self) -> String {
        let socket = host().strip_prefix("unix://").expect("the engine's socket is a file");
        format!("ssh://{}@127.0.0.1:{}{socket}", self.user, self.gate.port)
    }

    /// Has a command use it, and find an ssh that knows it.
    fn by<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = format!("{}:{}", self.directory.path().display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("DOCKER_HOST", self.endpoint())
    }
}

/// An ssh that does `first`, and then all by the configuration in this directory: it takes the user's home from
/// the system, whatever HOME says.
#[track_caller]
fn client(directory: &TempDir, first: &str) {
    let (ssh, path) = (which("ssh"), directory.path());
    let config = path.join("ssh_config");
    program(path, "ssh", &format!("#!/bin/sh\n{first}\nexec {ssh} -F {} \"$@\"\n", config.display()));
}

/// Logins, as whoever watches the way to sshd counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Logins {
    most: usize,
    all: usize,
}

/// The way to sshd.
struct Gate {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    clients: Vec<TcpStream>,
    logins: Logins,
}

impl Gate {
    fn before(sshd: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self { port: listener.local_addr().unwrap().port(), seen: Arc::default() };
        let seen = Arc::clone(&gate.seen);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                seen.lock().unwrap().enters(client.try_clone().unwrap());
                thread::spawn(move || pass(&client, sshd));
            }
        });
        gate
    }

    fn now(&self) -> usize {
        self.seen.lock().unwrap().now()
    }

    /// What has been seen since the last question.
    fn logins(&self) -> Logins {
        std::mem::take(&mut self.seen.lock().unwrap().logins)
    }
}

impl Seen {
    fn enters(&mut self, client: TcpStream) {
        self.clients.push(client);
        self.logins.most = self.logins.most.max(self.now());
        self.logins.all += 1;
    }

    /// Asked of the kernel, which knows at once that a client has closed; who passes on its bytes may
    /// get to know later than that the next one connects.
    fn now(&mut self) -> usize {
        self.clients.retain(|client| {
            let mut asked = [PollFd::new(client, PollFlags::RDHUP)];
            poll(&mut asked, Some(&Timespec::default())).unwrap() == 0
        });
        self.clients.len()
    }
}

/// Passes bytes on until both ends have closed.
fn pass(client: &TcpStream, sshd: u16) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", sshd))?;
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    thread::scope(|scope| {
        scope.spawn(|| copy(client, &server));
        copy(&server, client);
    });
    Ok(())
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
    eventually("the container runs", PATIENCE, || backend.runs().then_some(()));
    run(Command::new("kill").args(["-s", "INT", "--", &format!("-{}", start.id())])).ok();
    start.outcome().fails(130);
    let seen = witness.seen(&backend);
    assert!(!seen.containers.is_empty());
    seen.is_gone_but(&[]);
}

/// Every verb, with so many forwards to a service that accepts, and what was seen at the gate meanwhile.
#[track_caller]
fn every_verb(sshd: &Sshd, many: u16) -> Vec<(&'static str, Logins)> {
    let (backend, service) = (Backend::new(), TcpListener::bind("0.0.0.0:0").unwrap());
    let outside = service.local_addr().unwrap().port();
    let list = (0..many).map(|n| format!("{}:{outside}", 7000 + n)).collect::<Vec<_>>().join(",");
    let mut seen = Vec::new();
    let mut verb = |args: &[&'static str]| {
        let outcome = run(sshd.by(&mut backend.command(args))).ok();
        eventually("nobody is logged in any more", PATIENCE, || (sshd.gate.now() == 0).then_some(()));
        seen.push((args[0], sshd.gate.logins()));
        outcome
    };
    verb(&["start", "--allow-host-port", list.leak()]);
    assert_eq!(backend.forwarded().len(), usize::from(many));
    // One that is asked while the machine is busy may not answer in time.
    eventually("all are told to be reached", PATIENCE, || {
        let info = verb(&["info"]);
        let reached = info.stdout.matches(&format!("Target gateway:{outside} accepts")).count();
        (reached == usize::from(many)).then_some(())
    });
    verb(&["stats"]);
    verb(&["doctor"]);
    verb(&["logs"]);
    verb(&["cache", "usage"]);
    verb(&["stop"]);
    assert_eq!(backend.containers(), [""; 0]);
    seen
}

#[test]
#[ignore = "needs a docker engine"]
fn many_forwards_share_one_login() {
    // What sshd does unless it is told otherwise.
    let sshd = Sshd::start_with("MaxStartups 10:30:100\nMaxSessions 10");
    for (verb, logins) in every_verb(&sshd, 11) {
        assert_eq!(logins.all, 1, "{verb}: {logins:?}");
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn where_a_login_cannot_be_shared_at_most_four_are_there_at_once() {
    // Of four sessions one may still be ending when another begins.
    for limits in ["MaxStartups 4\nMaxSessions 1", "MaxStartups 4\nMaxSessions 4"] {
        for (verb, logins) in every_verb(&Sshd::start_with(limits), 5) {
            assert!((1..=4).contains(&logins.most), "{limits}: {verb} {logins:?}");
        }
    }
}

/// A sidecar is asked by three calls, one after another: as slow as the logins are, it is not the one that hangs.
#[test]
#[ignore = "needs a docker engine"]
fn logins_that_take_their_time_are_waited_for() {
    let (sshd, backend, registry) = (Sshd::start_with("MaxSessions 1"), Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    client(&sshd.directory, "case $* in *dial-stdio) sleep 4 ;; esac");
    let accepts = format!("Target gateway:{} accepts", registry.port);
    for (command, words) in [("info", &accepts[..]), ("stats", "gateway"), ("doctor", "accepts")] {
        let said = run(sshd.by(&mut backend.command(&[command]))).ok();
        assert!(said.stdout.contains(words), "{said:?}");
    }
}
