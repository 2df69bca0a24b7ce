//! System calls of another process, changed on their way by ptrace(2).
//!
//! Calls fail with errors that cannot be had on demand, or ask for something else than they would.

use nix::errno::Errno;
use nix::libc::{PTRACE_SYSCALL_INFO_ENTRY, user_regs_struct};
use nix::sys::ptrace;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use registers::Registers;

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// It is made, with the arguments that it has by now.
    Made,
    /// It is not made and has this error for its result.
    Fails(Errno),
    /// It is made, and the process is left alone from then on.
    Last,
}

/// A call at its entry.
#[derive(Debug)]
pub(crate) struct Call(user_regs_struct);

impl Call {
    /// Whether it is this one (`libc::SYS_…`).
    pub(crate) fn is(&self, number: i64) -> bool {
        self.0.number() == number.cast_unsigned()
    }

    /// An argument, from 0; of those with a place in all conventions, the first three.
    pub(crate) fn argument(&mut self, n: usize) -> &mut u64 {
        self.0.argument(n)
    }
}

/// Shows every call of the process's first thread to `judge` until that has seen enough.
pub(crate) fn trace(pid: u32, mut judge: impl FnMut(&mut Call) -> Verdict) -> nix::Result<()> {
    let pid = Pid::from_raw(pid.try_into().unwrap());
    ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
    ptrace::interrupt(pid)?;
    let mut failing = None;
    loop {
        match waitpid(pid, None)? {
            WaitStatus::PtraceSyscall(_) => {
                let entering = ptrace::syscall_info(pid)?.op == PTRACE_SYSCALL_INFO_ENTRY;
                let mut call = Call(ptrace::getregs(pid)?);
                if entering {
                    match judge(&mut call) {
                        Verdict::Made => ptrace::setregs(pid, call.0)?,
                        Verdict::Fails(error) => {
                            failing = Some(error);
                            // Nothing is done by a call on a descriptor that cannot be one.
                            *call.argument(0) = u64::MAX;
                            ptrace::setregs(pid, call.0)?;
                        }
                        Verdict::Last => {
                            ptrace::setregs(pid, call.0)?;
                            return ptrace::detach(pid, None);
                        }
                    }
                } else if let Some(error) = failing.take() {
                    *call.0.result() = (-i64::from(error as i32)).cast_unsigned();
                    ptrace::setregs(pid, call.0)?;
                }
            }
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Ok(()),
            _ => {}
        }
        ptrace::syscall(pid, None)?;
    }
}

/// Where the convention of an architecture has what (syscall(2)).
mod registers {
    use super::user_regs_struct;

    pub(super) trait Registers {
        fn number(&self) -> u64;
        fn argument(&mut self, n: usize) -> &mut u64;
        fn result(&mut self) -> &mut u64;
    }

    #[cfg(target_arch = "x86_64")]
    impl Registers for user_regs_struct {
        fn number(&self) -> u64 {
            self.orig_rax
        }

        fn argument(&mut self, n: usize) -> &mut u64 {
            [&mut self.rdi, &mut self.rsi, &mut self.rdx].into_iter().nth(n).unwrap()
        }

        fn result(&mut self) -> &mut u64 {
            &mut self.rax
        }
    }

    #[cfg(target_arch = "aarch64")]
    impl Registers for user_regs_struct {
        fn number(&self) -> u64 {
            self.regs[8]
        }

        fn argument(&mut self, n: usize) -> &mut u64 {
            &mut self.regs[n]
        }

        fn result(&mut self) -> &mut u64 {
            &mut self.regs[0]
        }
    }
}
