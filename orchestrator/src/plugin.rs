//! Docker's contract with its CLI plugins: the metadata, the global options in front of the
//! plugin's name, how the docker command says that it ends, and what may be said after others of
//! its commands.

pub mod hooks;

pub use docker_plugin::globals::{GlobalError, Globals};
pub use docker_plugin::stop::{Parent, watch};

/// The name under which the docker command knows this plugin.
pub const NAME: &str = "assemble";

/// The argument that asks for [`metadata`].
pub const METADATA_COMMAND: &str = "docker-cli-plugin-metadata";

/// The argument in front of what docker tells for [`hooks`].
pub const HOOK_COMMAND: &str = "docker-cli-plugin-hooks";

/// What the plugin says about itself, as one JSON object.
#[must_use]
pub fn metadata() -> String {
    serde_json::json!({
        // The only one that docker commands before 28.4.1 accept.
        "SchemaVersion": "0.1.0",
        "Vendor": "The Docker Assemble backend authors",
        "Version": concat!("v", env!("CARGO_PKG_VERSION")),
        "ShortDescription": "Manage a BuildKit backend that reaches the host's ports",
    })
    .to_string()
}
