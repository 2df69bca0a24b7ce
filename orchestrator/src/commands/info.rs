//! `backend info`: what runs, for whom, how its forwards do, and what its cache holds.

mod container;
mod daemon;
mod forwards;
mod helpers;
mod made_of;
mod object;

pub(in crate::commands) use container::ports;

use std::time::Duration;

use anyhow::Result;
use assemble_contract::argv::Question;
use clap::Args;
use docker_plugin::cli::Refusal;
use docker_plugin::cli::values::{FORMS, form, limit};
use docker_plugin::output::Form;
use docker_plugin::reference::Reference;

use super::builder::Registered;
use super::health::{answer_limit, examine};
use super::leftovers::{BackendError, Leftovers, finish, left_behind, no_backend};
use super::restarts::restarts;
use super::silence::Silence;
use super::start::again;
use super::{Session, log_end, observe};
use crate::desired::UserName;
use crate::engine::{Engine, EngineError};
use crate::forward::Forward;
use crate::observed::{Container, ContainerId, Observed, State};
use daemon::ask;
use helpers::Helpers;

/// Describe the backend, what it forwards and its cache
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend info --format '{{.State}}'
  $ docker assemble backend info --format '{{range .Sidecars}}{{.Port}} {{.State}}{{println}}{{end}}'
  $ docker inspect $(docker assemble backend info -q)")]
pub(super) struct Options {
    /// Format output: "pretty", "json" (one object) or a Go template; fields: .ID .Name .State
    /// .Unhealthy .Image .CacheVolume .Privileged .Settings .Configuration (.Digest .Files (.Path .SHA256))
    /// .Sidecars (.ID .Name .State .Unhealthy .Port .Target .Stale .Forward (.Health .Why .Help .Active .Opened
    /// .BytesUp .BytesDown .LastError; of a range .Accepting .Findings .Ports)) .Dialer
    /// .Workers (.ID .Platforms .Labels .GCPolicy) .Builds (.ID .Image) .Cache (.Entries .Size .InUse)
    #[arg(long, short, value_name = "string", value_parser = FORMS)]
    format: Option<String>,

    /// Don't truncate the ids of --quiet
    #[arg(long)]
    no_trunc: bool,

    /// Only display the ids of the containers
    #[arg(long, short)]
    quiet: bool,

    /// Time for each answer (default 20s, 8s for a sidecar, 2m for the size of the cache)
    #[arg(long, value_name = "duration", value_parser = limit)]
    pub(super) timeout: Option<Duration>,

    /// List the ports of ranges that have had connections or are not reached
    #[arg(long, short)]
    verbose: bool,
}

/// What to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Info {
    /// Everything.
    All {
        /// In this form.
        form: Form,
        /// With the ports of ranges, in a form for people; all others have them anyway.
        verbose: bool,
    },
    /// The ids of the containers.
    Ids {
        /// With all their digits.
        whole: bool,
    },
}

impl Options {
    /// What they come to together.
    pub(super) fn check(self) -> Result<Info, Refusal> {
        if self.quiet {
            return Ok(Info::Ids { whole: self.no_trunc });
        }
        Ok(Info::All { form: form(self.format.as_deref())?, verbose: self.verbose })
    }
}

/// Runs the command.
///
/// # Errors
/// A missing backend, and those of the engine and BuildKit.
pub async fn run<E: Engine>(session: Session<'_, E>, info: Info, builder: Registered) -> Result<()> {
    match info {
        Info::All { form, verbose } => describe(session, form, verbose, builder).await,
        Info::Ids { whole } => ids(session, whole).await,
    }
}

/// Prints the ids of the containers, the backend's first.
async fn ids<E: Engine>(session: Session<'_, E>, whole: bool) -> Result<()> {
    let observed = observe::ours(session.engine, session.user).await?;
    if observed.backend.is_none() {
        return Err(session.missing_backend().await?);
    }
    let shown = |id: &ContainerId| if whole { id.0.clone() } else { id.short().to_owned() };
    observed.containers().try_for_each(|container| session.console.line(shown(&container.id)))?;
    Ok(())
}

async fn describe<E: Engine>(
    session: Session<'_, E>,
    form: Form,
    verbose: bool,
    builder: Registered,
) -> Result<()> {
    let Session { engine, console, user, limit, .. } = session;
    let observed = observe::closely(engine, user).await?;
    let again = again(&observed, user);
    let (start, anew) = (again.command(), again.anew());
    let start_with = |forwards: &[Forward]| again.command_with(forwards);
    let backend = observed.backend.clone().ok_or_else(|| absent(&observed, builder, user))?;
    let image = image(engine, &backend).await?;
    let silence = Silence::new(engine, user, answer_limit(engine, limit));
    // Worth an answer without them: they tell only where the engine is.
    let facts = match engine.facts().await {
        Err(EngineError::Timeout { .. }) if silence.is_there().await => return Err(silence.error().into()),
        told => told.ok(),
    };
    let examining = async {
        let wanted = (&observed, &start_with as &_, anew.as_str());
        let forwards = examine(&silence, facts.as_ref(), &backend, wanted, |_| Question::Target).await;
        // Nothing more is to be had of such an engine.
        if silence.is_known() { Err(silence.error()) } else { Ok(forwards) }
    };
    if let Form::Object(form) = &form {
        let asking = async {
            if backend.state == State::Running {
                log_end::quoting(session, &backend, ask(engine, &backend, limit)).await.map(Some)
            } else {
                Ok(None)
            }
        };
        let (forwards, daemon) = tokio::join!(examining, asking);
        let object = object::info(
            &backend,
            &image,
            &observed,
            &Helpers::of(&forwards?, &observed, user),
            daemon?.as_ref(),
        );
        super::print(console, &object, form)?;
        return Ok(());
    }
    console.line(format_args!("ID: {} ({})", backend.id.0, condition(&backend.state, backend.unhealthy)))?;
    if let Some(told) = restarts(&backend, None) {
        console.line(format_args!("It {told}"))?;
    }
    if let Some(Leftovers::Kept { backend, aside }) = left_behind(&observed) {
        console.line(format_args!(
            "It was started in the place of \"{aside}\", and that start was ended before it was seen to serve"
        ))?;
        console.line(format_args!("What helps: {}", finish(&backend, &aside)))?;
    }
    console.line(format_args!("Image: {image}"))?;
    let settings = made_of::settings_line(&observed);
    if !settings.is_empty() {
        console.line(format_args!("Settings: {settings}"))?;
    }
    if let Some(configuration) = made_of::Configuration::of(&observed) {
        console.line(format_args!("Configuration: {configuration}"))?;
    }
    console.line("")?;
    Helpers::of(&examining.await?, &observed, user).list(console, &start, verbose)?;
    console.line("")?;

    if backend.state != State::Running {
        let help = match backend.state {
            State::Paused => format!("'docker unpause {}' wakes it", backend.name),
            _ => format!("'{start}' starts it"),
        };
        console.line(format_args!(
            "The backend does not run, so its workers and its cache are not known; {help}."
        ))?;
        return Ok(());
    }
    let daemon = log_end::quoting(session, &backend, ask(engine, &backend, limit)).await?;
    daemon.list(console)
}

/// That there is no backend, and what there still is that leads to it or belongs to it.
fn absent(observed: &Observed, builder: Registered, user: &UserName) -> BackendError {
    let error = no_backend(observed, user);
    let mut beside = String::new();
    match left_behind(observed) {
        Some(Leftovers::SetAside(_)) => return error,
        Some(Leftovers::Helpers { names, stray }) => {
            let replaced = if stray { "" } else { "that start replaces it, " };
            beside.push_str(&format!(
                "; {names} outlived it: {replaced}'docker assemble backend stop' removes it"
            ));
        }
        Some(Leftovers::Kept { .. }) | None => {}
    }
    if builder != Registered::No {
        let name = user.backend();
        beside.push_str(&format!(
            "; buildx has a builder that leads to it, and 'docker buildx rm {name}' forgets that"
        ));
    }
    if beside.is_empty() { error } else { BackendError::Gone { error: Box::new(error), beside } }
}

/// A state in the engine's words.
#[must_use]
pub fn state(state: &State) -> &str {
    match state {
        State::Created => "created",
        State::Running => "running",
        State::Paused => "paused",
        State::Restarting => "restarting",
        State::Removing => "removing",
        State::Exited => "exited",
        State::Dead => "dead",
        State::Other(word) => word,
    }
}

/// A container's state, and its health when that is bad.
fn condition(now: &State, unhealthy: bool) -> &str {
    match now {
        State::Running if unhealthy => "running, unhealthy",
        other => state(other),
    }
}

/// The image by the digest under which its registry knows it, else as it was asked for.
async fn image<E: Engine>(engine: &E, backend: &Container) -> Result<String> {
    let asked = &backend.image;
    if asked.0.contains("@sha256:") {
        return Ok(asked.0.clone());
    }
    let id = crate::desired::ImageRef(backend.image_id.clone());
    let digests = engine.image(&id).await?.map(|image| image.repo_digests).unwrap_or_default();
    let repository = |name: &str| Reference::parse(name).map(|name| name.name());
    let Some(wanted) = repository(&asked.0) else { return Ok(asked.0.clone()) };
    let known = digests.into_iter().find(|digest| repository(digest).as_ref() == Some(&wanted));
    Ok(known.unwrap_or_else(|| asked.0.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_health_is_told_of_what_runs() {
        assert_eq!(condition(&State::Running, false), "running");
        assert_eq!(condition(&State::Running, true), "running, unhealthy");
        assert_eq!(condition(&State::Exited, true), "exited");
        assert_eq!(condition(&State::Other("stopped".to_owned()), false), "stopped");
    }
}
