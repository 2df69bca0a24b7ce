//! A TCP relay from one port of a network namespace's loopback to a target, on splice(2).
//!
//! | room | what lives there | may use |
//! |---|---|---|
//! | [`server`], [`shutdown`], [`health`], [`exporter`] | accept loop and drain; signals; health and status; metrics over HTTP | `session`, `accept`, `config`, `stats`, `sys` |
//! | [`session`], [`upstream`] | one connection from accept to its closing event; finding and dialling the target | `relay`, `config`, `resolve`, `stats`, `sys` |
//! | [`resolve`] | names of hosts to addresses, by the files of the namespace | `sys` |
//! | [`probe`] | the target tried once, for whoever asks | `upstream`, `config`, `sys` |
//! | [`dialer`], [`connect`], [`congestion`] | sockets handed over by a helper, and that helper; one attempt to connect; congestion control on link | `accept`, `sys` |
//! | [`relay`] | bytes both ways between two sockets: copy small, splice big | `stats`, `sys` |
//! | [`sys`] | one file per kernel object, no decisions | nothing of ours |
//! | [`reports`] | the log of what any client can cause again and again | `repeats` |
//! | [`accept`], [`config`], [`repeats`], [`routes`], [`stats`], [`metrics`], [`status`] | **pure**: meaning of accept errors; settings and their words; when repetitions are told; route tables; counters and their texts | nothing of ours |
//!
//! The binary (`main.rs`, `cli.rs`) is the life of the process and nothing else.

pub mod accept;
pub mod config;
pub mod congestion;
pub mod connect;
pub mod dialer;
pub mod exporter;
pub mod health;
pub mod metrics;
pub mod probe;
pub mod relay;
pub mod repeats;
pub mod reports;
pub mod resolve;
pub mod routes;
pub mod server;
pub mod session;
pub mod shutdown;
pub mod stats;
pub mod status;
pub mod sys;
pub mod upstream;
