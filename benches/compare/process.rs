//! Processes that are started, watched and always ended.
//!
//! Each makes a process group of its own, so that a forwarder's workers end with it, and is
//! told by the kernel to die with this program, should it not get to end it.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process, kill_process_group,
    setpriority_process, setrlimit, waitid,
};
use rustix::thread::{
    CpuSet, Gid, Uid, sched_setaffinity, set_thread_gid, set_thread_groups, set_thread_uid,
};

/// How long a process may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(2);

static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A running process, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) pid: Pid,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        check_interrupt()?;
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let pid = Pid::from_child(&child);
        running().push(pid);
        Ok(Self { child, pid })
    }

    /// To the whole group, or to the process alone where it has not made one yet.
    fn signal(&self, signal: Signal) {
        if kill_process_group(self.pid, signal).is_err() {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Whether it has ended by itself. It is not waited for, so its number stays its own.
    pub(crate) fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.pid), look), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.signal(Signal::TERM);
            let deadline = Instant::now() + PATIENCE;
            while !self.has_ended() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
        }
        // What it has left behind in its group, too.
        self.signal(Signal::KILL);
        running().retain(|pid| *pid != self.pid);
        let _ = self.child.wait();
    }
}

/// What a process says, line by line, with a limit to the patience for each.
pub(crate) struct Lines(mpsc::Receiver<String>);

impl Lines {
    pub(crate) fn of(output: Option<ChildStdout>) -> Self {
        let (sender, receiver) = mpsc::channel();
        if let Some(output) = output {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Self(receiver)
    }

    pub(crate) fn next(&mut self, patience: Duration) -> anyhow::Result<String> {
        let line = self.0.recv_timeout(patience);
        check_interrupt()?;
        line.map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => anyhow::anyhow!("no end within {} s", patience.as_secs()),
            mpsc::RecvTimeoutError::Disconnected => anyhow::anyhow!("it has ended without a word"),
        })
    }
}

fn running() -> std::sync::MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Ends everything that runs on Ctrl-C, so that whoever waits for it returns and cleans up.
pub(crate) fn catch_interrupts() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(mut int), Ok(mut term), Ok(mut hup)) = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
                signal(SignalKind::hangup()),
            ) else {
                return;
            };
            loop {
                tokio::select! { _ = int.recv() => {}, _ = term.recv() => {}, _ = hup.recv() => {} }
                INTERRUPTED.store(true, Ordering::Relaxed);
                for pid in &*running() {
                    let _ = kill_process_group(*pid, Signal::KILL);
                }
            }
        });
    });
    Ok(())
}

pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

pub(crate) fn check_interrupt() -> anyhow::Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    Ok(())
}

/// Runs a short command to its end.
pub(crate) fn run(program: &str, args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(args)
        .process_group(0)
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Where a program is, looked for as the shell does, sbin included.
pub(crate) fn find(program: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"])
        .map(|dir| format!("{dir}/{program}"))
        .find(|file| Path::new(file).is_file())
}

const AUTOGROUP: &str = "/proc/self/autogroup";

/// Becomes another program: on one core, with all the descriptors allowed, perhaps as another
/// user. Returns only if that fails.
pub(crate) fn exec(core: usize, nice: i32, uid: Option<u32>, command: &[String]) -> anyhow::Result<()> {
    // What it starts later inherits this.
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)?;
    // A session of its own: a process group to end by, and the kernel's unit of priority
    // (sched(7), autogroup), within which alone the usual nice value counts.
    rustix::process::setsid()?;
    setpriority_process(None, nice)?;
    if nice != 0 && Path::new(AUTOGROUP).exists() {
        fs::write(AUTOGROUP, nice.to_string()).context("cannot set the priority of the session")?;
    }
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    if let Some(id) = uid {
        set_thread_groups(&[])?;
        set_thread_gid(Gid::from_raw(id))?;
        set_thread_uid(Uid::from_raw(id))?;
    }
    // After the change of user, which forgets it (prctl(2)).
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let [program, args @ ..] = command else { bail!("nothing to run") };
    Err(Command::new(program).args(args).exec()).with_context(|| format!("cannot run {program}"))
}

/// Whether a text is the number of a process that is no more: what bears it is left over from a
/// run that was killed.
pub(crate) fn has_ended(pid: &str) -> bool {
    pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()
}

/// How many descriptors a process may have, at most.
pub(crate) fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20)
}

/// A directory that everyone may enter, gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    const PREFIX: &str = "relay-compare-";

    pub(crate) fn make() -> anyhow::Result<Self> {
        let parent = std::env::temp_dir();
        for entry in fs::read_dir(&parent)?.flatten() {
            if entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix(Self::PREFIX))
                .is_some_and(has_ended)
            {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let dir = parent.join(format!("{}{}", Self::PREFIX, std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        fs::set_permissions(&dir, Permissions::from_mode(0o755))?;
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
