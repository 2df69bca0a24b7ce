//! Docker's contract as a plugin meets it, without docker and without an engine.

mod command_line;
mod endpoint;
#[cfg(unix)]
mod hello;
mod tls;

#[path = "../support/authority.rs"]
mod authority;
#[cfg(unix)]
#[path = "../support/program.rs"]
mod program;
