//! Connections to services that are bound to another namespace's loopback only, handed over.
//!
//! A helper in that namespace (`assemble-proxy dial`) connects and passes the connected socket on
//! with `SCM_RIGHTS` (unix(7)); the relay that asked for it then relays as it always does, in one
//! hop. The relay gains no right but that to ask: what may be reached the helper alone decides.
//!
//! `protocol` is pure; `serve` is the helper's loop and `ask` the relay's side.

mod ask;
mod protocol;
mod serve;

pub use ask::{Dialer, DialerError, probe};
pub use protocol::{Malformed, Reply, Request};
pub use serve::{Helper, HelperConfig, HelperError};
