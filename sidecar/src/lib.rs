//! A TCP relay from a port, or several in a row, of a network namespace's loopback to a target, on splice(2).
//!
//! A room uses those that come after it here (`tests/words/rooms.rs` sees to it), and the crate
//! `assemble_contract`, which has what the plugin knows as well.
//!
//! | room | what lives there | may use |
//! |---|---|---|
//! | [`server`], [`shutdown`] | accept loop and drain; signals | `session`, `upstream`, `relay`, `reports`, `congestion`, `sys` |
//! | [`health`], [`exporter`] | health and status for whoever asks; metrics over HTTP | `session`, `sys` |
//! | [`session`] | one connection from accept to its closing event | `upstream`, `relay`, `reports`, `sys` |
//! | [`probe`] | the target tried once, for whoever asks | `upstream`, `sys` |
//! | [`upstream`] | finding the target and dialling it | `dialer`, `connect`, `resolve`, `sys` |
//! | [`dialer`] | a dialer that hands over sockets of its namespace, and who asks it | `connect`, `congestion`, `reports`, `sys` |
//! | [`connect`], [`congestion`] | one attempt to connect; congestion control on link | `sys` |
//! | [`resolve`] | names of hosts to addresses, by the files of the namespace | `sys` |
//! | [`relay`] | bytes both ways between two sockets: copy small, splice big | `sys` |
//! | [`reports`] | the log of what any client can cause again and again | the pure ones |
//! | [`sys`] | one file per kernel object, no decisions | the pure ones |
//! | [`accept`], [`config`], [`keepalive`], [`repeats`], [`routes`], [`metrics`], [`status`], [`service`], [`stats`], [`warning`] | **pure**, and open to all: meaning of accept errors; settings; when the kernel probes; when repetitions are told; route tables; counters, their texts, and the ports they are of; what the log warns of | each other |
//!
//! The binary (`main.rs`, `cli.rs`) is the life of the process and nothing else.

pub mod accept;
pub mod config;
pub mod congestion;
pub mod connect;
pub mod dialer;
pub mod exporter;
pub mod health;
pub mod keepalive;
pub mod metrics;
pub mod probe;
pub mod relay;
pub mod repeats;
pub mod reports;
pub mod resolve;
pub mod routes;
pub mod server;
pub mod service;
pub mod session;
pub mod shutdown;
pub mod stats;
pub mod status;
pub mod sys;
pub mod upstream;
pub mod warning;
