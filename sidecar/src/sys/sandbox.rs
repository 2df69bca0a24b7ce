//! What the process gives up once it has all it needs: landlock(7) and seccomp(2).

use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Why the process could not confine itself.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Landlock is there and fails.
    #[error("cannot confine this process with landlock")]
    Landlock(#[from] landlock::RulesetError),
    /// The filter cannot be built for this machine.
    #[error("cannot build the seccomp filter")]
    Filter(#[from] seccompiler::BackendError),
    /// The kernel refuses the filter.
    #[error("cannot confine this process with seccomp")]
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

/// Takes from this thread, and from all it will start, what a relay never needs: opening files,
/// binding ports, connecting to any port but `target_port`, starting programs.
///
/// What is open already stays usable. A forbidden system call fails with `EPERM`: an oversight
/// in the list costs one connection and not the process.
///
/// # Errors
/// The kernel refuses what it claims to have.
pub fn confine(target_port: u16) -> Result<Landlock, SandboxError> {
    let landlock = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V4))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .create()?
        .add_rule(NetPort::new(target_port, AccessNet::ConnectTcp))?
        .restrict_self()?;
    seccompiler::apply_filter(&filter()?)?;
    Ok(match landlock.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::FilesOnly,
        RulesetStatus::NotEnforced => Landlock::Absent,
    })
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let inet = [libc::AF_INET, libc::AF_INET6].map(domain).into_iter().collect::<Result<Vec<_>, _>>()?;
    let rules = ALLOWED.iter().map(|call| (*call, vec![])).chain([(libc::SYS_socket, inet)]).collect();
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// `socket(2)` of one domain.
fn domain(domain: libc::c_int) -> Result<SeccompRule, seccompiler::BackendError> {
    let condition = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        u64::from(domain.unsigned_abs()),
    )?;
    SeccompRule::new(vec![condition])
}

const ALLOWED: &[libc::c_long] = &[
    // Bytes.
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_splice,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    // Connections.
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_shutdown,
    libc::SYS_setsockopt,
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
    // The end, a panic's included.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
