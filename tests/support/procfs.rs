//! What procfs tells of a process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::unistd::Pid;

/// Open descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    pub(crate) sockets: usize,
    pub(crate) pipe_ends: usize,
}

pub(crate) fn descriptors(pid: u32) -> Descriptors {
    let links: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the process is there")
        // One that is closed in the meantime is none.
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let count = |kind| links.iter().filter(|link| link.starts_with(kind)).count();
    Descriptors { sockets: count("socket:"), pipe_ends: count("pipe:") }
}

/// User memory of its own, in bytes. By its page tables: what `status` says may be some hundred
/// pages behind (proc(5), `RssAnon`).
pub(crate) fn anonymous_memory(pid: u32) -> u64 {
    field_of(Path::new(&format!("/proc/{pid}/smaps_rollup")), "Anonymous:") * 1024
}

/// Whether it may be given huge pages.
pub(crate) fn may_have_huge_pages(pid: u32) -> bool {
    status(pid, "THP_enabled:") != 0
}

/// How often it went to sleep and was woken.
pub(crate) fn sleeps(pid: u32) -> u64 {
    status(pid, "voluntary_ctxt_switches:")
}

/// How many filters of system calls each of its threads is behind (seccomp(2)).
pub(crate) fn seccomp_filters(pid: u32) -> Vec<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    threads.map(|thread| filters(&thread.unwrap().path())).collect()
}

/// Those of this thread; others of the tests come and go.
pub(crate) fn own_seccomp_filters() -> u64 {
    filters(Path::new("/proc/thread-self"))
}

fn filters(thread: &Path) -> u64 {
    field_of(&thread.join("status"), "Seccomp_filters:")
}

/// Whether it has nothing to do: each of its threads waits (proc(5), `state`). One that something has come for
/// does not, however long the machine keeps it from a processor.
pub(crate) fn is_idle(pid: u32) -> bool {
    let mut threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    threads.all(|thread| sleeps_in(&thread.unwrap().path()))
}

/// The same of one thread of this process.
pub(crate) fn thread_is_idle(tid: Pid) -> bool {
    sleeps_in(Path::new(&format!("/proc/self/task/{tid}")))
}

fn sleeps_in(thread: &Path) -> bool {
    stat_in(thread).is_none_or(|stat| stat[0] == "S")
}

fn status(pid: u32, field: &str) -> u64 {
    field_of(Path::new(&format!("/proc/{pid}/status")), field)
}

fn field_of(status: &Path, field: &str) -> u64 {
    let status = fs::read_to_string(status).expect("the process is there");
    let value = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of proc(5)");
    value.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

/// Processor time used, in user mode and in the kernel.
pub(crate) fn cpu(pid: u32) -> Duration {
    /// `USER_HZ`, 100 on all machines that this runs on (proc(5), `utime`).
    const TICK: Duration = Duration::from_millis(10);
    let [utime, stime] = [11, 12].map(|field| stat(pid)[field].parse::<u32>().unwrap());
    TICK * (utime + stime)
}

/// The only child of a process.
pub(crate) fn child_of(parent: u32) -> Option<u32> {
    let parent = parent.to_string();
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.into_iter().find(|pid| try_stat(*pid).is_some_and(|stat| stat[1] == parent))
}

fn stat(pid: u32) -> Vec<String> {
    try_stat(pid).expect("the process is there")
}

/// The fields behind the name, which may have blanks in it.
fn try_stat(pid: u32) -> Option<Vec<String>> {
    stat_in(Path::new(&format!("/proc/{pid}")))
}

fn stat_in(process: &Path) -> Option<Vec<String>> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}
