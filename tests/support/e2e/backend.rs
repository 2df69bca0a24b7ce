//! One user's backend, driven through the plugin's own command line.

use std::any::Any;
use std::cell::RefCell;
use std::fs::{DirEntry, read_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::geteuid;
use serde_json::Value;

use super::build::Context;
use super::engine::{Image, Volume, backend_image, base_image, docker, host, inspect};
use super::process::{Outcome, run};
use super::service::{page, wget};
use super::temp::TempDir;

/// The plugin.
pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_docker-assemble");

/// The backend of a user that nobody is. Dropping it removes all containers of that user.
pub(crate) struct Backend {
    login: String,
    /// Its name among those of this login, where it is not the usual one.
    named: Option<String>,
    /// The user as the names of containers have it.
    pub(crate) user: String,
    home: TempDir,
    /// Where its services are, for it alone where that is its home.
    runtime: PathBuf,
    /// What was made for it. As a field it goes after the containers, which may still use it.
    made: RefCell<Vec<Box<dyn Any>>>,
}

impl Backend {
    pub(crate) fn new() -> Self {
        let home = TempDir::new();
        let runtime = home.path().to_owned();
        Self::at(unique(), home, runtime)
    }

    fn at(user: String, home: TempDir, runtime: PathBuf) -> Self {
        Self { login: user.clone(), named: None, user, home, runtime, made: RefCell::default() }
    }

    /// One with this home, and with the services of whoever runs the tests, which another test may find again.
    pub(crate) fn lasting(home: &Path) -> Self {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(|| home.to_owned(), PathBuf::from);
        Self::at("asmtlasting".to_owned(), TempDir::at(home), runtime)
    }

    /// For a login that is not a part of names as it is: the plugin tells what becomes of it.
    #[track_caller]
    pub(crate) fn of(login: &str) -> Self {
        Self::found(login, None)
    }

    /// Another one of the same login, with a home of its own.
    #[track_caller]
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self::found(&self.login, Some(name.to_owned()))
    }

    #[track_caller]
    fn found(login: &str, named: Option<String>) -> Self {
        let mut backend = Self::new();
        backend.named = named;
        login.clone_into(&mut backend.login);
        let volume = backend.run(&["cache", "volume"]).ok().stdout;
        let user = volume.trim_end().strip_prefix("docker-assemble-backend-cache-").unwrap();
        user.clone_into(&mut backend.user);
        backend
    }

    /// The container's name.
    pub(crate) fn name(&self) -> String {
        format!("docker-assemble-backend-{}", self.user)
    }

    /// The name of the sidecar for `port`.
    pub(crate) fn sidecar(&self, port: u16) -> String {
        format!("{}-proxy-port-{port}", self.name())
    }

    /// The name of the sidecar for `port`, which leads to another one.
    pub(crate) fn mapped(&self, port: u16, outside: u16) -> String {
        format!("{}-to-{outside}", self.sidecar(port))
    }

    /// The name of the dialer, and of the volume with its socket.
    pub(crate) fn dialer(&self) -> String {
        format!("{}-dialer", self.name())
    }

    /// The directory that is the user's home, docker's configuration and more.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Makes the plugin one of the user's docker command, and tells where others go.
    pub(crate) fn install_plugin(&self) -> PathBuf {
        let plugins = self.home().join("cli-plugins");
        std::fs::create_dir(&plugins).unwrap();
        std::os::unix::fs::symlink(PLUGIN, plugins.join("docker-assemble")).unwrap();
        plugins
    }

    /// A new volume with this name.
    #[track_caller]
    pub(crate) fn volume(&self, name: String) -> String {
        self.keep(Volume::create(&name));
        name
    }

    /// A new image that does `changes`, in the words of a Dockerfile, with the base image's files.
    #[track_caller]
    pub(crate) fn image(&self, tag: &str, changes: &[&str]) -> String {
        let name = format!("asmt/{}:{tag}", self.user);
        self.keep(Image::import(&name, changes));
        name
    }

    /// Has something dropped once the containers are gone.
    pub(crate) fn keep(&self, made: impl Any) {
        self.made.borrow_mut().push(Box::new(made));
    }

    /// `program` run by this user with `args`, not run yet. No setting of whoever runs the
    /// tests gets through.
    pub(crate) fn command_of(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env_clear();
        command.envs(std::env::var("PATH").map(|path| ("PATH", path)));
        command.env("USER", &self.login).env("DOCKER_HOST", host());
        command
            .env("HOME", self.home())
            .env("DOCKER_CONFIG", self.home())
            .env("XDG_RUNTIME_DIR", &self.runtime);
        command.env("DOCKER_ASSEMBLE_BACKEND_IMAGE", backend_image());
        command.envs(self.named.iter().map(|name| ("DOCKER_ASSEMBLE_NAME", name)));
        command
    }

    /// `docker-assemble backend ARGS`, not run yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(PLUGIN, &[&["backend"], args].concat())
    }

    /// Runs `docker-assemble backend ARGS`.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        run(&mut self.command(args))
    }

    /// Starts it with these ports forwarded and demands that it works.
    #[track_caller]
    pub(crate) fn start(&self, ports: &[u16]) -> Outcome {
        let ports = if ports.is_empty() { &[0] } else { ports };
        self.forward(&ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    }

    /// Starts it with this value of `--allow-host-port` and demands that it works.
    #[track_caller]
    pub(crate) fn forward(&self, list: &str) -> Outcome {
        self.run(&["start", "--allow-host-port", list]).ok()
    }

    /// The id of the backend's container, which has to exist.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.inspect()["Id"].as_str().unwrap().to_owned()
    }

    /// What the engine knows about the backend's container.
    #[track_caller]
    pub(crate) fn inspect(&self) -> Value {
        inspect(&self.name())
    }

    /// Whether the backend's container runs at this moment; one that is refused its privileges is gone
    /// again in the next.
    pub(crate) fn runs(&self) -> bool {
        let name = format!("name=^/?{}$", self.name());
        !docker(&["ps", "--quiet", "--filter", &name]).ok().stdout.is_empty()
    }

    /// The ids of everything that has this user's names or label, running or not.
    pub(crate) fn containers(&self) -> Vec<String> {
        let (backend, format) =
            (self.name(), "{{.ID}} {{.Names}} {{.Label \"io.github.docker-assemble.user\"}}");
        // No demand for success: this is asked while a failed test is cleaned up, too.
        let all = docker(&["ps", "--all", "--no-trunc", "--format", format]).stdout;
        let mut ids: Vec<_> = all
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                let (id, name, user) = (words.next()?, words.next()?, words.next()?);
                let has_name = name.strip_prefix(&backend).is_some_and(|rest| {
                    rest.is_empty() || rest == "-dialer" || rest.starts_with("-proxy-port-")
                });
                (has_name || user == self.user).then(|| id.to_owned())
            })
            .collect();
        ids.sort();
        ids
    }

    /// The ports that have a sidecar, by the names of the containers.
    pub(crate) fn forwarded(&self) -> Vec<u16> {
        let start = format!("{}-proxy-port-", self.name());
        let filter = format!("name=^/?{start}");
        let found = docker(&["ps", "--all", "--format", "{{.Names}}", "--filter", &filter]).ok();
        let inside = |name: &str| name.strip_prefix(&start)?.split('-').next()?.parse().ok();
        let mut ports: Vec<u16> = found.stdout.lines().map(|name| inside(name).unwrap()).collect();
        ports.sort_unstable();
        ports
    }

    /// The volumes that are mounted in any of its containers.
    #[track_caller]
    pub(crate) fn volumes(&self) -> Vec<String> {
        let mounts = self
            .containers()
            .into_iter()
            .flat_map(|id| inspect(&id)["Mounts"].as_array().cloned().unwrap_or_default());
        mounts.filter_map(|mount| mount["Name"].as_str().map(str::to_owned)).collect()
    }

    /// Builds without keeping the result.
    #[track_caller]
    pub(crate) fn build(&self, context: &Context) -> Outcome {
        context.build(&self.name(), None)
    }

    /// Builds and pushes the result under this name.
    #[track_caller]
    pub(crate) fn push(&self, context: &Context, image: &str) -> Outcome {
        context.build(&self.name(), Some(&format!("type=image,name={image},push=true")))
    }

    /// Runs a shell line in the backend's network, where what a build can reach is seen.
    #[track_caller]
    pub(crate) fn inside(&self, line: &str) -> Outcome {
        let network = format!("container:{}", self.name());
        // Not every user namespace may join that network: the backend is in the host's. What it says is
        // read from its log: Podman may lose the last words to a client that is attached.
        let run = ["run", "--detach", "--log-driver", "json-file", "--userns", "host", "--network", &network];
        let started = docker(&[&run[..], &[&base_image(), "sh", "-c", line]].concat());
        if started.code != Some(0) {
            return started;
        }
        let id = started.stdout.trim();
        let (ended, mut said) = (docker(&["wait", id]).ok(), docker(&["logs", id]).ok());
        docker(&["rm", "--force", id]).ok();
        said.code = ended.stdout.trim().parse().ok();
        said
    }

    /// Asks for the registry's front page at this port of 127.0.0.1, which is `localhost` to a build. Not by
    /// that name: Podman empties the file of names that containers of one network share, and writes it anew,
    /// whenever one of them ends.
    #[track_caller]
    pub(crate) fn get(&self, port: u16) -> Outcome {
        let first =
            docker(&["container", "inspect", "--format", "{{.State.Pid}} {{.Id}}", &self.name()]).stdout;
        // An engine without root counts processes of its own, and its user may not enter their network as he is.
        let may_enter = |(pid, id): &(&str, &str)| {
            geteuid().is_root()
                && read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(id))
        };
        match first.trim().split_once(' ').filter(may_enter) {
            Some((pid, _)) => page(pid.parse().unwrap(), port),
            None => self.inside(&wget(60, &format!("http://127.0.0.1:{port}/v2/"))),
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let mut ids = self.containers();
        let logs = ids.iter().map(|id| docker(&["logs", id]).stderr);
        let faults: Vec<String> = logs.filter(|log| log.contains("panicked at")).collect();
        // The anonymous volumes go with them. All go at once, and Podman refuses one in whose network another still is.
        for _ in 0..2 {
            if !ids.is_empty() {
                let all: Vec<_> = ids.iter().map(String::as_str).collect();
                let _ = docker(&[&["rm", "--force", "--volumes"], &all[..]].concat());
                ids = self.containers();
            }
        }
        let _ = docker(&["volume", "rm", "--force", &self.dialer()]);
        // On an engine without root the dialer is a process, with a directory below the home.
        let is_dialer = |entry: &DirEntry| {
            entry.path().is_dir() && entry.file_name().to_string_lossy().starts_with("docker-assemble-")
        };
        if read_dir(self.home()).is_ok_and(|entries| entries.flatten().any(|entry| is_dialer(&entry))) {
            let _ = self.command(&["stop"]).output();
        }
        // A program of ours has no business to panic, whatever a test was about.
        assert!(std::thread::panicking() || faults.is_empty(), "faults of their own: {faults:#?}");
    }
}

/// A login name that no person and no other test has.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("asmt{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
