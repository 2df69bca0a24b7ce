//! The kernel, one file per object. Nothing here decides anything or knows of connections and targets; every descriptor is owned,
//! non-blocking and close-on-exec from its creation.

mod activation;
mod congestion;
mod datagram;
mod fd_passing;
mod kept_file;
mod limits;
mod listener;
mod listeners;
mod options;
mod pipe;
mod ports;
mod reactor;
mod routes;
mod sandbox;
mod seqpacket;
mod socket;
mod tcp_info;
mod thread;

pub use activation::{PassedError, passed};
pub use congestion::{congestion_control, may_use_congestion_control};
pub use datagram::datagrams;
pub use fd_passing::{Control, DESCRIPTORS, Impostor, Passed, verify_fresh, verify_loopback};
pub use kept_file::KeptFile;
pub use limits::{Reserve, raise_descriptor_limit, refuse_huge_pages};
pub use listener::{Bound, Listener, ListenerError};
pub use listeners::Listeners;
pub use options::choose_port_late;
pub use pipe::Pipe;
pub use ports::LocalPorts;
pub use routes::{RouteMonitor, RouteTables};
pub use sandbox::{Landlock, Rights, SandboxError, confine};
pub use seqpacket::{Packet, PacketListener, PacketSocket};
pub use socket::{Socket, Spliced};
pub use thread::{time_used, times_preempted};
