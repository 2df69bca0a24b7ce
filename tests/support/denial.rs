//! System calls that a kernel or its policy denies, for one thread.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{SeccompAction, SeccompFilter, apply_filter};

/// What is denied, and with which errno.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Denial {
    call: i64,
    errno: i32,
}

impl Denial {
    pub(crate) const fn splice(errno: i32) -> Self {
        Self { call: libc::SYS_splice, errno }
    }

    pub(crate) const fn pipe(errno: i32) -> Self {
        Self { call: libc::SYS_pipe2, errno }
    }

    /// Denies it to the calling thread from now on, for good.
    pub(crate) fn impose(self) {
        let rules = BTreeMap::from([(self.call, Vec::new())]);
        let errno = SeccompAction::Errno(self.errno.unsigned_abs());
        let arch = std::env::consts::ARCH.try_into().expect("seccomp filters are known for this machine");
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, arch).unwrap();
        let program: seccompiler::BpfProgram = filter.try_into().unwrap();
        apply_filter(&program).expect("a thread may filter its own calls");
    }
}
