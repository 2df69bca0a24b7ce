//! Connections to services that are bound to another namespace's loopback only, handed over.
//!
//! A dialer in that namespace (`assemble-proxy dial`) connects and passes the connected socket on
//! with `SCM_RIGHTS` (unix(7)); the relay that asked for it then relays as it always does, in one
//! hop. The relay gains no right but that to ask: what may be reached the dialer alone decides.
//!
//! `protocol` is pure; `server` is the dialer's loop and `client` the relay's side.

mod client;
mod protocol;
mod server;

pub use client::{DialClient, DialerError, probe};
pub use protocol::{Malformed, Reply, Request};
pub use server::{DialServer, DialServerConfig, DialServerError, Refusal};
