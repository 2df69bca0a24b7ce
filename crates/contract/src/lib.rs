//! What the plugin and its sidecars say to each other, written once.
//!
//! The plugin starts sidecars (`assemble-proxy`) in containers and pods, and asks them how they do. Each
//! word, path and number that both know is here, so that the two cannot drift apart: the sidecar declares
//! its command line with these names, and the plugin writes command lines with them.
//!
//! | module | what both know |
//! |---|---|
//! | [`argv`] | verbs, options and environment of the sidecar's command line |
//! | [`image`] | paths, the user and the health check of the sidecar's image |
//! | [`compatibility`] | how a sidecar is told that is older than what it is asked |
//! | [`answer`], [`status`], [`outcome`] | how a relay is asked and answers; the status object; what comes of connecting |
//! | [`allow_list`], [`mapping`], [`target`], [`host_name`], [`ports`], [`port`] | which ports a dialer dials, which ports lead where, targets, names of hosts, ports in a row, ports: each with its one grammar |
//! | [`limits`] | how many ports one relay serves; descriptors for so many connections |
//!
//! A module may use only those that come after it here.
//!
//! Everything here is pure: no I/O, no clock, no environment.

#![warn(missing_docs)]

pub mod allow_list;
pub mod answer;
pub mod argv;
pub mod compatibility;
pub mod host_name;
pub mod image;
pub mod limits;
pub mod mapping;
pub mod outcome;
pub mod port;
pub mod ports;
pub mod status;
pub mod target;

pub use allow_list::AllowList;
pub use host_name::HostName;
pub use mapping::{Mapping, PortsSpec};
pub use outcome::Outcome;
pub use port::Port;
pub use ports::Ports;
pub use status::Status;
pub use target::{Target, TargetHost, TargetSpec};
