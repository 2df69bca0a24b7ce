//! Connections to services that are bound to another namespace's loopback only, handed over.
//!
//! A dialer in that namespace (`assemble-proxy dial`) connects and passes the connected socket on
//! with `SCM_RIGHTS` (unix(7)); the relay that asked for it then relays as it always does, in one
//! hop. The relay gains no right but that to ask: what may be reached the dialer alone decides.
//!
//! # Channels
//!
//! A relay keeps one connection to its dialer, a channel, and asks for everything over it: what is asked at
//! once goes in one packet, and so do its answers with their descriptors. Requests have numbers and are
//! answered in any order, each exactly once, a cancelled one too. So a number that is not waited for, a
//! second answer, or a descriptor too many can only come from somebody else: either side ends the channel
//! over anything that the other one's code would not have sent.
//!
//! - The relay opens it when it first needs it, and learns at once when it ends. What was not answered
//!   by then is asked once more on a new one: nothing has been sent over a connection that nobody has.
//! - Whoever asks and goes away cancels the request. A socket that was on its way is closed, since the
//!   number stays its own until the answer has come.
//! - A relay asks without limit, as far as the queue takes it, and then waits for room within its time
//!   limit. The dialer bounds what it does for all of them: so many attempts that take time, of which a
//!   channel has no more than are still free, so many requests that wait behind them, and so many
//!   channels, of which the one that has been silent longest is ended for the sake of a new one.
//! - Who asks is looked at once, since the kernel remembers who connected; the port with every request.
//!
//! One question per connection, as other versions' relays ask and as health probes do, is answered as
//! well. A dialer of another version says to the first packet of a channel that it is none.
//!
//! `protocol` is pure; `server` accepts who asks, `peer` is what the dialer does for each, and
//! `attempts` what of that takes time; `client` is what the relay's side is asked for, `channel`
//! its end of a channel, and `requests` who waits there.

mod attempts;
mod channel;
mod client;
mod error;
mod peer;
mod protocol;
mod requests;
mod server;

pub use attempts::DialServerConfig;
pub use client::{DialClient, Dialling, probe};
pub use error::DialerError;
pub use peer::Refusal;
pub use protocol::{Malformed, Number, ROWS, Reply, Request};
pub use server::{DialServer, DialServerError};
