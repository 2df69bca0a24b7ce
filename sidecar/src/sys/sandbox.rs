//! What the process gives up once it has all it needs: landlock(7) and seccomp(2).

use std::collections::BTreeMap;
use std::path::PathBuf;

use explained::Explained;
use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus,
};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Why the process could not confine itself.
#[derive(Debug, thiserror::Error, Explained)]
pub enum SandboxError {
    /// The kernel has landlock and refuses.
    #[error("cannot confine this process with landlock")]
    #[advice = "`--no-sandbox`"]
    Landlock(#[from] landlock::RulesetError),
    /// Its directory cannot be opened.
    #[error("cannot keep the right to remove the socket")]
    #[advice = "correct its rights"]
    Directory(#[from] landlock::PathFdError),
    /// An unknown architecture.
    #[error("cannot build the seccomp filter")]
    #[advice = "`--no-sandbox`"]
    Filter(#[from] seccompiler::BackendError),
    /// The kernel refuses the filter.
    #[error("cannot confine this process with seccomp")]
    #[advice = "`--no-sandbox`"]
    Seccomp(#[from] seccompiler::Error),
}

/// How much of landlock this kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landlock {
    /// No files and no ports but the target's.
    Full,
    /// No files; the kernel is older than 6.7 and knows no rules for ports.
    FilesOnly,
    /// None: the kernel is older than 5.13 or was booted without it.
    Absent,
}

/// What a confined process may still do beside serving what it has open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The TCP ports it may connect to, at any address.
    pub connect: Vec<u16>,
    /// Whether it may connect to unix sockets that keep packets apart, as a dialer's, and makes no others.
    ///
    /// The rights to files do not stand in the way: connect(2) to the path of a socket is a right
    /// of its own to landlock(7), `LANDLOCK_ACCESS_FS_RESOLVE_UNIX`, which kernels before its ABI
    /// 9 do not know and which is not among those taken away here. So a dialer that was started
    /// anew is found by the same path, and no descriptor has to be kept for that.
    pub packets: bool,
    /// Whether it may give sockets an address to send from, and no port.
    pub sources: bool,
    /// Whether it may send datagrams, as to name servers. Landlock has no word for them.
    pub datagrams: bool,
    /// Where it may remove files: the directory of its own socket.
    pub remove_in: Option<PathBuf>,
}

impl From<u16> for Rights {
    fn from(port: u16) -> Self {
        Self { connect: vec![port], ..Self::default() }
    }
}

/// Takes from this thread, and from all it will start, what a relay never needs: opening files,
/// binding to ports, connecting to any port but those of its `rights`, starting programs.
///
/// What is open already stays usable. A forbidden system call fails with `EPERM`: an oversight
/// in the list costs one connection and not the process.
///
/// # Errors
/// The kernel refuses what it claims to have, or a directory of `rights` is not there.
pub fn confine(rights: impl Into<Rights>) -> Result<Landlock, SandboxError> {
    let rights = rights.into();
    let sources = rights.sources.then(|| NetPort::new(0, AccessNet::BindTcp));
    let ports = rights.connect.iter().map(|port| NetPort::new(*port, AccessNet::ConnectTcp)).chain(sources);
    let mut landlock = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V4))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .create()?
        .add_rules(ports.map(Ok).collect::<Vec<Result<NetPort, landlock::RulesetError>>>())?;
    if let Some(dir) = &rights.remove_in {
        landlock = landlock.add_rule(PathBeneath::new(PathFd::new(dir)?, AccessFs::RemoveFile))?;
    }
    let landlock = landlock.restrict_self()?;
    seccompiler::apply_filter(&filter(&rights)?)?;
    Ok(match landlock.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::FilesOnly,
        RulesetStatus::NotEnforced => Landlock::Absent,
    })
}

fn filter(rights: &Rights) -> Result<BpfProgram, seccompiler::BackendError> {
    let removal: &[libc::c_long] = match rights.remove_in {
        #[cfg(target_arch = "x86_64")]
        Some(_) => &[libc::SYS_unlink, libc::SYS_unlinkat],
        #[cfg(not(target_arch = "x86_64"))]
        Some(_) => &[libc::SYS_unlinkat],
        None => &[],
    };
    let mut allowed: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let bind = rights.sources.then_some(&libc::SYS_bind);
    allowed.extend(ALLOWED.iter().chain(removal).chain(bind).map(|call| (*call, vec![])));

    // A call that has rules is allowed by any of them, and each holds if all of its conditions do.
    let mut allow = |call, conditions: &[Condition]| {
        let conditions: Result<_, _> = conditions.iter().map(Condition::built).collect();
        allowed.entry(call).or_default().push(SeccompRule::new(conditions?)?);
        Ok::<(), seccompiler::BackendError>(())
    };
    let kinds = [
        // Who asks a dialer is handed them.
        (!rights.packets).then_some((libc::SOCK_STREAM, libc::IPPROTO_TCP)),
        rights.datagrams.then_some((libc::SOCK_DGRAM, libc::IPPROTO_UDP)),
    ];
    for (kind, usual) in kinds.into_iter().flatten() {
        for family in [libc::AF_INET, libc::AF_INET6] {
            // Landlock's rules for ports are for TCP alone: MPTCP gets past them (security/landlock/net.c).
            for protocol in [0, usual] {
                allow(
                    libc::SYS_socket,
                    &[is(0, family), Condition(1, Op::MaskedEq(KIND), kind), is(2, protocol)],
                )?;
            }
        }
    }
    if rights.packets {
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        allow(libc::SYS_socket, &[is(0, libc::AF_UNIX), is(1, kind)])?;
    }
    // One of the upper layers turns a TCP socket into one of SMC (net/smc/af_smc.c, `smc_ulp_init`), which landlock's
    // rules for ports do not bind either.
    allow(libc::SYS_setsockopt, &[Condition(1, Op::Ne, libc::IPPROTO_TCP)])?;
    allow(libc::SYS_setsockopt, &[Condition(2, Op::Ne, libc::TCP_ULP)])?;
    // Nor does landlock see the connection that such a flag has them make.
    for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2)] {
        allow(call, &[Condition(flags, Op::MaskedEq(u64::from(libc::MSG_FASTOPEN.unsigned_abs())), 0)])?;
    }

    SeccompFilter::new(
        allowed,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// What of a socket's type is not flags: `SOCK_TYPE_MASK` of linux/net.h.
const KIND: u64 = 0xf;

/// What has to hold of a system call's argument: its index, how it compares, and with what, as it is an `int`.
struct Condition(u8, Op, libc::c_int);

impl Condition {
    fn built(&self) -> Result<SeccompCondition, seccompiler::BackendError> {
        let Self(index, op, value) = self;
        SeccompCondition::new(*index, SeccompCmpArgLen::Dword, op.clone(), u64::from(value.unsigned_abs()))
    }
}

const fn is(index: u8, value: libc::c_int) -> Condition {
    Condition(index, Op::Eq, value)
}

/// What needs no look at the arguments.
const ALLOWED: &[libc::c_long] = &[
    // Bytes.
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_splice,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    // Connections.
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_close,
    // Pipes, the reserve descriptor, route tables that are open already.
    libc::SYS_pipe2,
    libc::SYS_fcntl,
    libc::SYS_pread64,
    // The runtime, one more per thread.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_create1,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_sched_yield,
    libc::SYS_getrusage,
    libc::SYS_restart_syscall,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mprotect,
    libc::SYS_getrandom,
    // Threads: no other kind of clone can do harm without execve(2).
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_prctl,
    libc::SYS_sched_getaffinity,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    // Which kernel this is, and so what TCP_INFO has.
    libc::SYS_uname,
    // The end, a panic's included.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(test)]
mod tests {
    use seccompiler::{TargetArch, compile_from_json};
    use serde_json::json;

    /// Whether an architecture has all of these system calls, by name.
    fn has(arch: TargetArch, calls: &[&str]) -> bool {
        let calls: Vec<_> = calls.iter().map(|call| json!({ "syscall": call })).collect();
        let filter =
            json!({ "relay": { "mismatch_action": "allow", "match_action": "trap", "filter": calls } });
        compile_from_json(filter.to_string().as_bytes(), arch).is_ok()
    }

    /// Constants of the architecture that is not compiled for are read from this file.
    #[test]
    fn both_architectures_have_the_calls_that_are_named_for_them() {
        let source = include_str!("sandbox.rs").split("#[cfg(test)]").next().unwrap();
        let (mut both, mut x86_64_only, mut condition) = (vec![], vec![], "");
        for line in source.lines().map(str::trim) {
            let words = line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let calls = words.filter_map(|word| word.strip_prefix("SYS_"));
            if condition == "#[cfg(target_arch = \"x86_64\")]" {
                x86_64_only.extend(calls);
            } else {
                both.extend(calls);
            }
            condition = line;
        }
        assert!(both.len() > 50 && x86_64_only.contains(&"epoll_wait"), "{both:?} {x86_64_only:?}");
        x86_64_only.retain(|call| !both.contains(call));
        assert!(has(TargetArch::aarch64, &both) && has(TargetArch::x86_64, &both));
        for call in x86_64_only {
            assert!(has(TargetArch::x86_64, &[call]) && !has(TargetArch::aarch64, &[call]), "{call}");
        }
    }
}
