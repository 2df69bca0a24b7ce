//! An engine of a test's own: the installed one once more, in namespaces of its own.

use std::fs::{File, read_to_string};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::backend::Backend;
use super::engine::{base_image, docker_command};
use super::process::{Background, Outcome, eventually, run};
use super::service::wget;
use super::temp::TempDir;
use crate::namespace::Namespace;

/// How long an engine may take to begin, or to end with its containers.
const PATIENCE: Duration = Duration::from_secs(90);

/// The images that the first engine was given, for all later ones to begin with: to pack and unpack them takes
/// seconds each time.
static IMAGES: OnceLock<PathBuf> = OnceLock::new();

/// A second engine. It shares nothing with the machine's own but the images given to it; its
/// network is one of its own, and dropping it ends all that runs in it.
pub(crate) struct OwnEngine {
    /// Where its gateway is the host.
    pub(crate) network: Namespace,
    process: Option<Background>,
    options: Vec<String>,
    /// The most descriptors that it may have and give, where it may not go beyond its own limit.
    descriptors: Option<u32>,
    /// A directory with programs that it finds before all others.
    programs: Option<PathBuf>,
    // After the process, whose files these are.
    dir: TempDir,
}

impl OwnEngine {
    /// Starts one that also takes these options.
    #[track_caller]
    pub(crate) fn start(options: &[String]) -> Self {
        Self::start_with(options, None, None)
    }

    /// Starts one that finds the programs in this directory.
    #[track_caller]
    pub(crate) fn start_finding(programs: &Path) -> Self {
        Self::start_with(&[], None, Some(programs.to_owned()))
    }

    /// Starts one as a service manager does that limits its descriptors, without the right to exceed
    /// the limit.
    #[track_caller]
    pub(crate) fn limited_to(descriptors: u32) -> Self {
        Self::start_with(&[], Some(descriptors), None)
    }

    #[track_caller]
    fn start_with(options: &[String], descriptors: Option<u32>, programs: Option<PathBuf>) -> Self {
        let (dir, network, options) = (TempDir::new(), Namespace::new(), options.to_vec());
        let mut engine = Self { network, process: None, options, descriptors, programs, dir };
        if let Some(images) = IMAGES.get() {
            copy_images(images, &engine.path("data"));
        }
        engine.launch();
        engine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Its endpoint on this machine.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// In namespaces for processes and mounts, so that nothing outlives it; and without what the
    /// machine's own engine keeps in /run, containerd's socket among it.
    fn launch(&mut self) {
        let limited = self.descriptors.map(|most| {
            format!("ulimit -n {most}; exec setpriv --bounding-set -sys_resource --inh-caps -sys_resource ")
        });
        let run = limited.as_deref().unwrap_or("exec ");
        let script = format!(
            "for d in /run/docker /run/containerd; do [ ! -d $d ] || mount -t tmpfs tmpfs $d; done; {run}dockerd \"$@\""
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
        command.args(["sh", "-c", &script, "dockerd", "--host", &self.host()]);
        for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(option).arg(self.path(name));
        }
        command.args(["--cgroup-parent", &self.cgroup(), "--iptables=false", "--ip6tables=false"]);
        command.args(&self.options);
        if let Some(programs) = &self.programs {
            let path = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("{}:{path}", programs.display()));
        }
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = self.network.run(|| Background::start_with(&mut command));
        self.process = Some(process);
        eventually("the engine answers", PATIENCE, || {
            let has_ended = self.process.as_mut().is_none_or(Background::has_ended);
            assert!(!has_ended, "the engine ended: {}", self.log());
            (self.docker(&["version"]).code == Some(0)).then_some(())
        });
    }

    /// A control group with a name that no other engine has.
    fn cgroup(&self) -> String {
        format!("/{}", self.dir.path().file_name().unwrap().to_str().unwrap())
    }

    fn log(&self) -> String {
        read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Ends it as a service manager does, and starts it again.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        let mut process = self.process.take().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", process.id());
        let dockerd = read_to_string(children).unwrap();
        run(Command::new("kill").args(["-s", "TERM", dockerd.trim()])).ok();
        eventually("the engine ends", PATIENCE, || process.has_ended().then_some(()));
        self.launch();
    }

    /// The same with these options in place of those it was started with.
    #[track_caller]
    pub(crate) fn restart_with(&mut self, options: &[String]) {
        self.options = options.to_vec();
        self.restart();
    }

    /// The same with this limit in place of that it was started with.
    #[track_caller]
    pub(crate) fn restart_limited_to(&mut self, descriptors: u32) {
        self.descriptors = Some(descriptors);
        self.restart();
    }

    /// Gives it copies of images of the machine's engine.
    #[track_caller]
    pub(crate) fn take(&self, images: &[String]) {
        let images: Vec<_> = images.iter().map(String::as_str).collect();
        if self.docker(&[&["image", "inspect"], &images[..]].concat()).code == Some(0) {
            return;
        }
        let tar = self.path("images.tar");
        run(&mut docker_command(&[&["save", "--output", tar.to_str().unwrap()], &images[..]].concat())).ok();
        self.docker(&["load", "--quiet", "--input", tar.to_str().unwrap()]).ok();
        std::fs::remove_file(tar).unwrap();
        IMAGES.get_or_init(|| {
            let copy = std::env::temp_dir().join(format!("asmt-{}-images", std::process::id()));
            removed_in_the_end(&copy);
            copy_images(&self.path("data"), &copy);
            copy
        });
    }

    /// Runs `docker ARGS` with it.
    #[track_caller]
    pub(crate) fn docker(&self, args: &[&str]) -> Outcome {
        run(docker_command(args).env("DOCKER_HOST", self.host()))
    }

    /// Runs `docker-assemble backend ARGS` as this backend's user with it.
    #[track_caller]
    pub(crate) fn plugin(&self, backend: &Backend, args: &[&str]) -> Outcome {
        run(backend.command(args).env("DOCKER_HOST", self.host()))
    }

    /// Asks for a service's front page at `localhost:PORT`, as a build would.
    #[track_caller]
    pub(crate) fn get(&self, backend: &Backend, port: u16) -> Outcome {
        let (network, url) = (format!("container:{}", backend.name()), format!("http://localhost:{port}/"));
        self.docker(&["run", "--rm", "--network", &network, &base_image(), "sh", "-c", &wget(60, &url)])
    }

    /// The whole engine's log, for those who want to know why.
    pub(crate) fn blame(&self) -> String {
        let log = self.log();
        log.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the engine said last:\n{}", self.blame());
        }
        // The kernel ends what is left in its namespaces.
        self.process = None;
        let gone = || std::fs::remove_dir_all(self.dir.path()).is_ok() || !self.dir.path().exists();
        for _ in 0..100 {
            if gone() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        remove_cgroups(&self.cgroup());
    }
}

/// Copies what an engine keeps of its images, its layers as links: nobody writes to them.
#[track_caller]
fn copy_images(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for (part, how) in [("image", "--archive"), ("overlay2", "-al")] {
        // One that keeps them in another way begins without, and is given them.
        if from.join(part).is_dir() {
            run(Command::new("cp").arg(how).args([&from.join(part), to])).ok();
        }
    }
}

/// Has a directory removed when this process has ended, in whatever way: the shell's input ends with it.
#[track_caller]
#[expect(clippy::zombie_processes, reason = "it outlives this process")]
fn removed_in_the_end(path: &Path) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "read -r _; rm -rf -- \"$0\""]).arg(path).stdin(Stdio::piped()).process_group(0);
    let mut shell = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::mem::forget(shell.stdin.take());
}

/// Removes the control groups of that name, which are empty.
fn remove_cgroups(name: &str) {
    let pattern = format!("*{name}*");
    let mut find = Command::new("find");
    find.args(["/sys/fs/cgroup", "-depth", "-type", "d", "-path", &pattern, "-exec", "rmdir", "{}", "+"]);
    let _ = run(&mut find);
}
