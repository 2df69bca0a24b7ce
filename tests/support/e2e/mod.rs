//! What the end-to-end tests share: the plugin as a process, the engine through docker's own
//! client, a real registry, and builds sent by BuildKit's own client.
//!
//! Nothing here knows the product's code. What a test makes is removed when its guard is
//! dropped, after a failure too.

mod backend;
mod build;
mod certificate;
mod engine;
mod own_engine;
#[path = "../port.rs"]
mod port;
mod process;
mod registry;
mod service;
mod tap;
mod temp;
mod terminal;
mod witness;

pub(crate) use backend::{Backend, PLUGIN, unique};
pub(crate) use build::{Context, busybox_tar};
pub(crate) use certificate::Certificate;
pub(crate) use engine::{Image, Volume, backend_image, base_image, docker, host, inspect, signal};
pub(crate) use own_engine::OwnEngine;
pub(crate) use port::free_port;
pub(crate) use process::{Background, Outcome, PATIENCE, eventually, run};
pub(crate) use registry::{AUTH, PASSWORD, Registry, USER};
pub(crate) use service::{serve, wget};
pub(crate) use tap::{Deed, Tap, Which};
pub(crate) use temp::TempDir;
pub(crate) use terminal::Terminal;
pub(crate) use witness::Witness;
