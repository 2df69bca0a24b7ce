//! The whole product against a real engine, a real BuildKit and a real registry.
//!
//! Each test has a user of its own, so that they run side by side and no person's backend is
//! ever touched. Images are expected on the engine: nothing is pulled from outside.

#[path = "../support/e2e/mod.rs"]
mod support;

#[path = "../support/namespace.rs"]
#[expect(dead_code, reason = "the relay's tests use the rest")]
mod namespace;

#[path = "../support/screen.rs"]
mod console;
#[path = "../../crates/docker-plugin/tests/support/program.rs"]
mod program;
#[path = "../support/transcript.rs"]
#[expect(dead_code, reason = "the golden tests use the rest")]
mod transcript;

mod advice;
mod advice_kernel;
mod blocked;
mod buildx;
mod buildx_commands;
mod cache;
mod capability;
mod chosen;
mod ci;
mod compose;
mod configured;
mod containers;
mod crashes;
mod credentials;
mod endpoints;
mod engine;
mod faults;
mod firewalld;
mod forward;
mod gpus;
mod healing;
mod health;
mod in_use;
mod info;
mod interrupts;
mod lifecycle;
mod logs;
mod loopback;
mod manifest;
mod names;
mod plugin;
mod ports;
mod quickstart;
mod ranges;
mod registries;
mod repair;
mod screen;
mod settings;
mod ssh;
mod targets;
mod trouble;
