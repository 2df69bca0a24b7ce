//! Network namespaces of a test's own.
//!
//! They have no names and belong to nobody but the descriptors and processes that use them, so
//! the kernel removes them, with their links and routes, however the test ends.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace with nothing but loopback, as long as something uses it.
#[derive(Clone, Debug)]
pub(crate) struct Namespace(Arc<File>);

impl Namespace {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(File::open("/proc/thread-self/ns/net").expect("procfs is mounted"))
        });
        let namespace = match made.join().unwrap() {
            Ok(file) => Self(Arc::new(file)),
            Err(nix::errno::Errno::EPERM) => {
                panic!("this test makes network namespaces of its own: run it as root")
            }
            Err(error) => panic!("cannot make a network namespace: {error}"),
        };
        namespace.ip("link set lo up");
        namespace
    }

    /// That of a process.
    ///
    /// # Errors
    /// Those of open(2): there is no such process, or it is not ours to look at.
    pub(crate) fn of(pid: u32) -> std::io::Result<Self> {
        Ok(Self(Arc::new(File::open(format!("/proc/{pid}/ns/net"))?)))
    }

    /// Makes the calling thread a part of it.
    pub(crate) fn enter(&self) {
        setns(&*self.0, CloneFlags::CLONE_NEWNET).expect("a namespace can be entered");
    }

    /// Does something inside, in a thread of its own. Sockets and processes made there stay
    /// there.
    #[track_caller]
    pub(crate) fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let done = thread::scope(|scope| {
            let visit = scope.spawn(|| {
                self.enter();
                inside()
            });
            visit.join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs ip(8) inside.
    #[track_caller]
    pub(crate) fn ip(&self, words: &str) {
        let run = self.run(|| Command::new("ip").args(words.split_ascii_whitespace()).output());
        let output = run.expect("this test needs ip(8), of the package iproute2");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {words}: {complaint}");
    }

    /// Sets a value below /proc/sys/net, which holds for this namespace only.
    #[track_caller]
    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        self.run(|| std::fs::write(&path, value)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Joins two namespaces by a link, each end with its name and address.
    #[track_caller]
    pub(crate) fn link(&self, (name, addr): (&str, &str), other: &Self, (peer, peer_addr): (&str, &str)) {
        let there = format!("/proc/{}/fd/{}", std::process::id(), other.0.as_raw_fd());
        self.ip(&format!("link add {name} type veth peer name {peer} netns {there}"));
        for (end, name, addr) in [(self, name, addr), (other, peer, peer_addr)] {
            // No duplicate address detection: an IPv6 address is of use at once.
            end.sysctl(&format!("ipv6/conf/{name}/accept_dad"), "0");
            end.ip(&format!("address add {addr} dev {name}"));
            end.ip(&format!("link set {name} up"));
        }
    }

    /// A counter of TCP's in /proc/net/snmp, such as `OutRsts`.
    pub(crate) fn tcp_counter(&self, name: &str) -> u64 {
        self.counter("snmp", "Tcp: ", name)
    }

    /// A counter of TCP's in /proc/net/netstat, such as `ListenOverflows`.
    pub(crate) fn tcp_ext_counter(&self, name: &str) -> u64 {
        self.counter("netstat", "TcpExt: ", name)
    }

    /// Both tables have a line of names and one of values per protocol.
    fn counter(&self, table: &str, protocol: &str, name: &str) -> u64 {
        let table = self.run(|| std::fs::read_to_string(format!("/proc/thread-self/net/{table}"))).unwrap();
        let mut lines = table.lines().filter_map(|line| line.strip_prefix(protocol));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let mut columns = names.split(' ').zip(values.split(' '));
        columns.find(|(column, _)| *column == name).unwrap().1.parse().unwrap()
    }
}
