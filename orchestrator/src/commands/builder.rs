//! The backend as a builder of buildx: registered and forgotten by docker's own command, since
//! only buildx knows how it keeps its builders.

mod buildx;

pub use buildx::{Buildx, BuildxError, INSTALLING, Registered};

use anyhow::Result;
use clap::Args;
use docker_plugin::cli::values::boolean;
use explained::Explained;

use super::Session;
use crate::desired::{ContainerName, UserName};
use crate::engine::Engine;

/// Make the backend the current builder of docker buildx
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend use
  $ docker assemble backend use --default-load
  $ docker buildx build --push -t localhost:5000/app .")]
pub(super) struct UseOptions {
    #[command(flatten)]
    pub(super) load: Load,
}

/// How buildx uses the builder.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Load what is built into the engine's images, unless it goes elsewhere; false ends that
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub default_load: Option<bool>,
}

/// Print the BUILDKIT_HOST of the backend, for buildctl and other clients
#[derive(Args)]
#[command(after_help = "  $ eval \"$(docker assemble backend env)\"
  $ buildctl debug workers")]
pub(super) struct EnvOptions {}

/// What is told of builders beside a success.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "warning"]
pub enum BuilderWarning {
    /// `backend use` where that variable names another builder.
    #[error(
        "\"BUILDX_BUILDER\" is \"{chosen}\" here, and builds use that one; 'unset BUILDX_BUILDER' ends it"
    )]
    #[advice = "that command"]
    Chosen {
        /// The other builder.
        chosen: String,
    },
    /// Buildx failed while the backend was stopped.
    #[error("could not forget the builder: {error}; 'docker buildx rm {name}' tries again")]
    #[advice = "that command"]
    NotForgotten {
        /// Why.
        error: BuildxError,
        /// The builder.
        name: ContainerName,
    },
}

/// The line for a shell that lets `buildctl` and other clients of BuildKit use the backend.
///
/// # Errors
/// An engine that such an address cannot name.
pub fn shell_line(buildx: &Buildx, user: &UserName) -> Result<String, BuildxError> {
    let address = buildx.address(&user.backend(), "env")?;
    // A name holds no NUL, which alone cannot be quoted.
    Ok(format!("export BUILDKIT_HOST={}", shlex::try_quote(&address).unwrap_or_default()))
}

/// Makes the backend the builder in use.
///
/// # Errors
/// A missing backend, those of the engine, and what buildx says.
pub async fn run<E: Engine>(session: Session<'_, E>, buildx: &Buildx, load: Load) -> Result<()> {
    let address = buildx.address(&session.user.backend(), "use")?;
    let backend = session.running_backend().await?.name;
    buildx.select(&backend, &address, load).await?;
    session.console.done(format_args!("Builder \"{backend}\" is in use by docker buildx"));
    if let Some(chosen) = buildx.chosen.as_ref().filter(|chosen| **chosen != backend.0) {
        session.console.warning(BuilderWarning::Chosen { chosen: chosen.clone() });
    }
    if !buildx.installed && buildx.chosen.as_ref() != Some(&backend.0) {
        session.console.note(format_args!(
            "'docker build' and 'docker bake' go on with the builder of the engine: 'docker build --builder {backend} .' \
             takes this one, and all builds do after 'export BUILDX_BUILDER={backend}'"
        ));
    }
    Ok(())
}

/// Forgets the builder, if there is one. That it cannot be is only a warning: the backend goes
/// all the same.
pub async fn forget<E>(session: Session<'_, E>, buildx: &Buildx) {
    let name = session.user.backend();
    if !buildx.has(&name) {
        return;
    }
    if let Err(error) = buildx.call(&["rm", "--force", &name.0]).await {
        session.console.warning(BuilderWarning::NotForgotten { error, name });
    }
}
