//! Connections to services that are bound to another namespace's loopback only.
//!
//! A socket belongs to the network namespace in which it was made, whoever connects it. So a dialer in that
//! namespace (`assemble-proxy dial`) makes sockets and passes them on with `SCM_RIGHTS` (unix(7)), and the
//! relay that asked for them connects them itself when it has a client, as it connects its own: in one hop, and
//! without a word to anybody. Connections that go fast take a packet in each direction for sixteen of them.
//!
//! The dialer decides for which ports it makes any, and gives each the loopback address to come from: so it
//! reaches none but its host's own addresses (net/ipv4/route.c, `__mkroute_output`), unless devices of it lead
//! packets from loopback on (`route_localnet`). That it goes to the port that it was asked for is the relay's
//! confinement.
//!
//! # Channels
//!
//! A relay keeps one connection to its dialer, a channel, for all that it asks. The answers come in the order of
//! the questions, so whatever has none, or is of another kind or number than was asked for, can only come from
//! somebody else: either side ends the channel over anything that the other one's code would not have sent.
//!
//! - The relay opens it when it first needs it, and learns at once when it ends. What it had from it is closed
//!   then, and what was not answered is asked once more on a new one.
//! - It asks for one socket when it has a client and none is there. The sooner they go, the more it asks for at
//!   once, and ahead of its clients. Whoever goes away leaves the one that was on its way to the next.
//! - The dialer answers each channel in its turn, and bounds how many there are: the one that has been silent
//!   longest is ended for the sake of a new one. Nothing that it does takes time.
//! - Who asks is looked at once, since the kernel remembers who connected; the port with every question.
//!
//! One question per connection, as other versions' relays ask and as health probes do, is answered as
//! well: for those relays the dialer connects. A dialer of another version says to the first packet of a channel
//! that it is none, and is asked in that way.
//!
//! `protocol` is pure; `server` accepts who asks, `peer` is what the dialer does for each, and `grants` what it
//! may give; `client` is what the relay's side is asked for, `channel` its end of a channel, and `pool` what came
//! over it and who waits.

mod channel;
mod client;
mod error;
mod grants;
mod peer;
mod pool;
mod protocol;
mod server;

pub use client::{DialClient, Dialling, probe};
pub use error::DialerError;
pub use grants::DialServerConfig;
pub use peer::Refusal;
pub use pool::SPARE;
// The fuzz targets speak it.
pub use protocol::{Loopback, MOST, Malformed, Order, Reply, Request, Talk};
pub use server::{DialServer, DialServerError};
