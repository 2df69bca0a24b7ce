//! What the relay does to the connections of two scripted peers.
//!
//! One file per subject; every engine is held to the same cases. Long forms of cases are
//! `#[ignore]`d.

#[path = "../support/container.rs"]
mod container;
#[path = "../support/denial.rs"]
mod denial;
#[path = "../support/dialer.rs"]
mod dialer;
#[path = "../support/dialer_world.rs"]
mod dialer_world;
#[path = "../support/freezer.rs"]
mod freezer;
#[path = "../support/name_server.rs"]
mod name_server;
#[path = "../support/namespace.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
mod namespace;
#[path = "../support/pattern.rs"]
mod pattern;
#[path = "../support/peers.rs"]
mod peers;
#[path = "../support/port.rs"]
mod port;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/procfs.rs"]
mod procfs;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/setups.rs"]
mod setups;
#[path = "../support/sockets.rs"]
mod sockets;
#[path = "../support/targets.rs"]
mod targets;
#[path = "../support/tcp_info.rs"]
mod tcp_info;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[path = "../support/tracer.rs"]
mod tracer;

mod abandoned;
mod activation;
mod bytes;
mod cases;
mod channels;
mod congestion;
mod crowds;
mod delays;
mod denied;
mod dial;
mod drain;
mod exhaustion;
mod fairness;
mod faults;
mod half_close;
mod handed_over;
mod handshake;
mod impostors;
mod keepalive;
mod killed;
mod load;
mod log;
mod names;
mod namespaces;
mod narrow;
mod pauses;
mod pipes;
mod ranges;
mod resets;
mod resources;
mod schedules;
mod signals;
mod slow_readers;
mod startup;
mod status;
mod strangers;
mod unreachable;
mod vanishing;

/// The size of a long case: all of it, or the part that `RELAY_SOAK_PERCENT` says.
fn scaled(full: u32) -> u32 {
    let percent = std::env::var("RELAY_SOAK_PERCENT").ok().and_then(|text| text.parse().ok());
    (full * percent.unwrap_or(100) / 100).max(1)
}
