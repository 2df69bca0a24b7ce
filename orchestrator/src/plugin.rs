//! What this plugin says in docker's contract with its CLI plugins: about itself, and after others of
//! docker's commands.

pub mod hooks;

pub use docker_plugin::globals::Globals;
use docker_plugin::metadata::Metadata;
pub use docker_plugin::parent::Parent;
pub use docker_plugin::stop::watch;

/// What the plugin says about itself, as one JSON object.
#[must_use]
pub fn metadata() -> String {
    let metadata = Metadata {
        short_description: "Manage a BuildKit backend that reaches the host's ports",
        vendor: "The Docker Assemble backend authors",
        version: concat!("v", env!("CARGO_PKG_VERSION")),
    };
    metadata.to_string()
}
