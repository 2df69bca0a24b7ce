//! System calls that a kernel or its policy denies, for one thread.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
};

/// What is denied, and with which errno.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Denial {
    call: i64,
    /// Only with this for its second argument.
    command: Option<i32>,
    errno: i32,
}

impl Denial {
    pub(crate) const fn splice(errno: i32) -> Self {
        Self { call: libc::SYS_splice, command: None, errno }
    }

    pub(crate) const fn pipe(errno: i32) -> Self {
        Self { call: libc::SYS_pipe2, command: None, errno }
    }

    pub(crate) const fn bigger_pipes(errno: i32) -> Self {
        Self { call: libc::SYS_fcntl, command: Some(libc::F_SETPIPE_SZ), errno }
    }

    /// Denies it to the calling thread from now on, for good.
    pub(crate) fn impose(self) {
        let rule = |command: i32| {
            let (second, value) = (1, command.cast_unsigned().into());
            let is = SeccompCondition::new(second, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap();
            SeccompRule::new(vec![is]).unwrap()
        };
        let rules = BTreeMap::from([(self.call, self.command.map(rule).into_iter().collect())]);
        let errno = SeccompAction::Errno(self.errno.unsigned_abs());
        let arch = std::env::consts::ARCH.try_into().expect("seccomp filters are known for this machine");
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, arch).unwrap();
        let program: seccompiler::BpfProgram = filter.try_into().unwrap();
        apply_filter(&program).expect("a thread may filter its own calls");
    }
}
