//! The dialer as a process of the user's on this host.
//!
//! On rootless Docker a container in "the host's network" is in a namespace of the engine's own.
//!
//! The process is told from others by its socket: the kernel says who listens there (`SO_PEERCRED` of
//! unix(7)), and that one has to answer as a dialer does. What it was started with is its command line,
//! where the name of its program tells the version.

mod error;
#[cfg(target_os = "linux")]
mod manager;
mod not_here;
#[cfg(target_os = "linux")]
mod peer;
#[cfg_attr(not(target_os = "linux"), path = "elsewhere.rs")]
mod process;

pub use error::DialerError;
pub use not_here::{DialerHint, NotHere};
pub use process::{directory, end, look, place, start, stop};

/// What this machine is called; empty where the system does not tell as Linux does.
#[must_use]
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim_end().to_owned()
}
