//! The commands and the program against engines that are none: in memory, on sockets that say what
//! a test tells them, behind programs in place of ssh and docker.

mod apply;
mod endings;
mod forwards;
mod golden;
mod health;
#[cfg(target_os = "linux")]
mod host_dialer;
mod killed;
mod overtaken;
mod recreate;
mod starting;

mod engine_faults;
mod tls;

#[cfg(unix)]
mod buildx;
#[cfg(unix)]
mod pipes;
#[cfg(unix)]
mod plugin_engine;
mod process;
mod settings;
mod sidecar;
#[cfg(unix)]
mod silent;
#[cfg(unix)]
mod ssh;

#[path = "../../crates/docker-plugin/tests/support/authority.rs"]
mod authority;
#[path = "../support/fake_buildkit.rs"]
mod fake_buildkit;
#[path = "../support/fake_engine/mod.rs"]
mod fake_engine;
#[path = "../support/manifests.rs"]
mod manifests;
#[cfg(unix)]
#[path = "../../crates/docker-plugin/tests/support/program.rs"]
mod program;
#[path = "../support/screen.rs"]
mod screen;
#[path = "../support/scripted_engine.rs"]
mod scripted_engine;
#[path = "../support/e2e/temp.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
mod temp;
#[path = "../support/transcript.rs"]
mod transcript;
#[path = "../support/world.rs"]
#[expect(dead_code, reason = "the planner's tests use the rest")]
mod world;
