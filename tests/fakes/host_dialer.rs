//! The dialer as a process on this host, beside an engine in memory that runs without root. The process is
//! a real one.

mod stops;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_assemble::commands::{Session, start, stop};
use docker_assemble::desired::{ContainerName, Desired};
use docker_assemble::dialer;
use docker_assemble::labels::DIALER_DIRECTORY;
use docker_assemble::observed::HostDialer;
use docker_assemble::spec;
use docker_plugin::cancel::Cancel;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fake_engine::FakeEngine;
use crate::screen::Screen;
use crate::starting::{must_start, run_start};
use crate::world::{IMAGE, PROXY, forwards, user, wish};

/// A user's directory for sockets, with that of an engine; dropping it ends the dialers that are in it.
struct Host {
    runtime: PathBuf,
    engine: FakeEngine,
    _socket: UnixListener,
}

impl Host {
    fn new(name: &str) -> Self {
        // Short, since it is part of paths of sockets.
        let runtime = std::env::temp_dir().join(format!("ahd-{name}-{}", std::process::id()));
        fs::create_dir(&runtime).unwrap();
        let path = runtime.join("docker.sock");
        let mut engine = FakeEngine::with_images(&[IMAGE, PROXY]);
        engine.rootless = Some(format!("unix://{}", path.display()));
        Self { _socket: UnixListener::bind(path).unwrap(), runtime, engine }
    }

    /// The wish of a start with these ports, and what was said of it.
    async fn wish(&self, ports: &str) -> (Desired, Screen) {
        self.wish_in(&self.runtime, ports).await
    }

    /// The same with another directory for sockets.
    async fn wish_in(&self, runtime: &Path, ports: &str) -> (Desired, Screen) {
        let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
        let console = screen.console();
        let session =
            Session { engine: &self.engine, user: &user, console: &console, cancel: &cancel, limit: None };
        let wish = Desired { forwards: forwards(ports), ..wish() };
        (start::dialed(session, wish, Some(runtime)).await.unwrap(), screen)
    }

    async fn start(&self, ports: &str) -> String {
        must_start(&self.engine, &self.wish(ports).await.0).await.out()
    }

    async fn stop(&self) {
        let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
        let console = screen.console();
        let session =
            Session { engine: &self.engine, user: &user, console: &console, cancel: &cancel, limit: None };
        stop::run(session, Some(&self.runtime)).await.unwrap();
    }

    /// The directory of the dialer.
    fn directory(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(&self.runtime).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.is_dir())
    }

    /// The process that answers at its socket, and the ports that it may dial.
    async fn serving(&self) -> Option<(u32, String)> {
        self.look(&self.directory()?)
            .await?
            .process
            .map(|process| (process.id, process.command.last().unwrap().clone()))
    }

    /// What the backend of the tests takes a directory for.
    async fn look(&self, directory: &Path) -> Option<HostDialer> {
        let endpoint = self.engine.rootless.as_ref().unwrap();
        dialer::look(&user(), endpoint, directory.to_str().unwrap()).await
    }

    async fn kill(&self) {
        let (process, _) = self.serving().await.unwrap();
        kill(Pid::from_raw(process.try_into().unwrap()), Signal::SIGKILL).unwrap();
        let gone = async {
            while self.serving().await.is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    }
}

/// The processes whose programs are below a directory.
fn processes(directory: &Path) -> Vec<Pid> {
    let below = format!("{}/", directory.display());
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let runs = |pid: &i32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.trim_start_matches("setsid\0").starts_with(&below)
    };
    pids.filter(runs).map(Pid::from_raw).collect()
}

impl Drop for Host {
    fn drop(&mut self) {
        for pid in processes(&self.runtime) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = fs::remove_dir_all(&self.runtime);
    }
}

#[tokio::test]
async fn a_start_runs_it_finds_it_again_and_brings_it_back_and_a_stop_ends_it() {
    let host = Host::new("life");
    let said = host.start("5000@loopback").await;
    let (first, ports) = host.serving().await.unwrap();
    assert!(said.contains(&format!("Started the dialer on this host (process {first})\n")), "{said}");
    assert_eq!(ports, "5000");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = host.directory().unwrap();
    assert_eq!((mode(directory.clone()), mode(directory.join("dial.sock"))), (0o700, 0o600));

    assert_eq!(
        host.start("5000@loopback").await,
        "Backend \"docker-assemble-backend-ann\" is already running\n"
    );
    assert_eq!(host.serving().await.unwrap().0, first);

    host.kill().await;
    let said = host.start("5000@loopback").await;
    let (second, _) = host.serving().await.unwrap();
    assert_eq!(said, format!("Started the dialer on this host (process {second})\n"));
    assert_ne!(second, first);

    host.start("5000@loopback,6000@loopback").await;
    let (third, ports) = host.serving().await.unwrap();
    assert_eq!((third != second, ports.as_str()), (true, "5000,6000"));

    host.stop().await;
    assert_eq!((host.serving().await, host.directory()), (None, None));
    assert!(host.engine.containers_now().is_empty());
    host.stop().await;
}

#[tokio::test]
async fn a_start_that_fails_takes_it_back_or_puts_back_the_one_before() {
    let host = Host::new("fails");
    let fails = async |ports: &str, number| {
        let (name, wish) = (
            ContainerName(format!("docker-assemble-backend-ann-proxy-port-{number}")),
            host.wish(ports).await.0,
        );
        host.engine.world().ending.insert(name);
        run_start(&host.engine, &wish, &Cancel::never()).await.0.unwrap_err();
        host.engine.world().ending.clear();
    };
    fails("5000@loopback", 5000).await;
    assert_eq!((host.serving().await, host.directory()), (None, None));
    host.start("5000@loopback").await;
    fails("5000@loopback,6000@loopback", 6000).await;
    assert_eq!(host.serving().await.unwrap().1, "5000");
    // Its sidecar has the directory mounted.
    host.kill().await;
    fails("5000@loopback,6000@loopback", 6000).await;
    assert_eq!((host.serving().await, host.directory().is_some()), (None, true));
    // What a start has left that was killed before it made a sidecar is found by its place.
    host.engine.world().containers.clear();
    host.stop().await;
    assert_eq!((host.serving().await, host.directory()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_begin_is_not_left_behind() {
    let host = Host::new("slow");
    let directory = host.runtime.join("docker-assemble-slow");
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink("/bin/sleep", directory.join("sleep")).unwrap();
    let slow = spec::HostDialer {
        directory: directory.to_str().unwrap().to_owned(),
        program: "sleep".to_owned(),
        args: vec!["1000".to_owned()],
    };
    let error = dialer::start(&slow).await.unwrap_err().to_string();
    assert!(error.contains("it does not answer"), "{error}");
    assert_eq!(processes(&directory), []);
}

#[tokio::test]
async fn an_engine_is_the_same_however_the_path_of_its_socket_is_written() {
    let host = Host::new("path");
    let link = host.runtime.join("link.sock");
    std::os::unix::fs::symlink(host.runtime.join("docker.sock"), &link).unwrap();
    let directory = |endpoint: &str| dialer::directory(&user(), endpoint, Some(&host.runtime)).unwrap();
    let other = format!("unix://{}", link.display());
    assert_eq!(directory(host.engine.rootless.as_ref().unwrap()), directory(&other));
}

/// Nothing else than its manager knows of one that cannot run, or has been started in vain several times.
/// The manager is a script here, which this test finds in the PATH of another run of itself.
#[tokio::test]
async fn a_unit_that_fails_is_told_as_soon_as_its_manager_has_given_it_up() {
    const PROGRAMS: &str = "ASSEMBLE_TEST_PROGRAMS";
    let host = Host::new("unit");
    if std::env::var_os(PROGRAMS).is_none() {
        for (name, script) in [
            ("systemd-run", "exit 0"),
            ("systemctl", "echo \"$@\" >>\"$XDG_RUNTIME_DIR/asked\"; [ \"$2\" != show ] || echo failed"),
        ] {
            let path = host.runtime.join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", host.runtime.display(), std::env::var("PATH").unwrap());
        let name = std::thread::current().name().unwrap().to_owned();
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let done = again.args(["--exact", &name]).env("PATH", path).env(PROGRAMS, "").output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    fs::create_dir(host.runtime.join("systemd")).unwrap();
    fs::write(host.runtime.join("systemd/private"), "").unwrap();
    let dialer = spec::host_dialer(&host.wish("5000@loopback").await.0).unwrap();
    let unit = format!("{}.service", Path::new(&dialer.directory).file_name().unwrap().to_string_lossy());
    let error = dialer::start(&dialer).await.unwrap_err().to_string();
    assert!(error.contains(&format!("'journalctl --user --unit {unit}'")), "{error}");
    let asked = fs::read_to_string(host.runtime.join("asked")).unwrap();
    assert!(asked.ends_with(&format!("stop {unit}\n")), "{asked}");
}

#[tokio::test]
async fn where_it_cannot_be_the_command_is_told_that_has_it() {
    let told = async |host: &Host, runtime: Option<&str>| {
        let (screen, user, cancel) = (Screen::default(), user(), Cancel::never());
        let console = screen.console();
        let session =
            Session { engine: &host.engine, user: &user, console: &console, cancel: &cancel, limit: None };
        let wish = Desired { forwards: forwards("5000@loopback"), ..wish() };
        let runtime = runtime.map(Path::new);
        let wish = start::dialed(session, wish, runtime).await.unwrap();
        (wish.dialer_directory, screen.err())
    };
    let mut host = Host::new("not");
    let (directory, said) = told(&host, Some("/nonexistent")).await;
    assert_eq!(directory, None);
    let start = "docker assemble backend start --allow-host-port 5000@loopback";
    assert!(said.contains(&format!("'XDG_RUNTIME_DIR=DIRECTORY {start}'")), "{said}");
    host.engine.remote = true;
    let (directory, said) = told(&host, host.runtime.to_str()).await;
    assert_eq!(directory, None);
    assert!(said.contains(&format!("another machine; '{start}' has it there, run by the user")), "{said}");
    // No forward to the loopback, no word.
    let (wish, screen) = host.wish("5000").await;
    assert_eq!((wish.dialer_directory, screen.err().as_str()), (None, ""));
}
