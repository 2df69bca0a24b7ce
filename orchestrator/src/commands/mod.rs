//! The commands: observe, plan, apply, print. One file per verb.

pub mod builder;
pub mod cache;
pub mod complete;
mod damage;
pub mod doctor;
pub mod health;
pub mod info;
pub mod logs;
pub mod manifest;
mod namespaces;
pub mod observe;
pub mod restarts;
pub mod start;
pub mod stats;
pub mod stop;
pub mod version;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};

pub use crate::cancelled::Cancelled;

use crate::cancel::Cancel;
use crate::desired::{ContainerName, HostPort, UserName};
use crate::engine::Engine;
use crate::exit::Exit;
use crate::forward::{self, Forward, Target};
use crate::observed::{Container, Observed, State};
use crate::output::{Console, Form};
use crate::plan::way_back;
use crate::spec::proxies::on_localhost;

/// The command that helps where there is no backend.
const START: &str = "docker assemble backend start";

/// The same for a backend that has sidecars already: a start without options would forward the
/// usual port in place of theirs.
fn start_command(observed: &Observed) -> String {
    let forwards = observed.wanted();
    // Without any, only the backend's note tells whether none was wanted.
    let known = !forwards.is_empty() || observed.noted.is_some();
    let options = if known { forward::options(&forwards) } else { String::new() };
    if options.is_empty() { START.to_owned() } else { format!("{START} {options}") }
}

/// Which proxies are on the builds' own localhost without a forward there, and the start that makes
/// one beside these.
fn proxies_in_vain(proxies: &[String], forwards: &[Forward]) -> Option<(String, String)> {
    let is_forwarded = |port: &HostPort| forwards.iter().any(|forward| forward.port == *port);
    let mut vain = on_localhost(proxies);
    vain.retain(|port, _| !is_forwarded(port));
    let names: Vec<_> = vain.values().map(|name| format!("\"{name}\"")).collect();
    let more = vain.keys().map(|port| Forward { port: *port, target: Target::Loopback { port: *port } });
    let mut all: Vec<_> = forwards.iter().cloned().chain(more).collect();
    all.sort();
    let told = format!(
        "proxy {} of the docker configuration is localhost of the backend itself",
        names.join(" and ")
    );
    (!names.is_empty()).then(|| (told, format!("{START} {}", forward::options(&all))))
}

/// What there is beside a backend that runs, or in its place.
#[derive(Clone, Debug)]
enum Remains {
    /// The name of one that a start has set aside and did not live to put back. A `stop` would remove it
    /// with its cache.
    SetAside(ContainerName),
    /// The same where another one was started in its place that nobody has seen serve.
    Kept {
        /// The other one.
        backend: ContainerName,
        /// The one that is set aside.
        aside: ContainerName,
    },
    /// The names of containers that served a backend that is gone.
    Helpers {
        /// Sidecars that forward nothing, and a dialer that still has its place in the host's network.
        names: String,
        /// Whether there is something among them that no start takes the place of.
        stray: bool,
    },
}

/// What is left of a backend that was replaced, or is gone.
fn left_behind(observed: &Observed) -> Option<Remains> {
    let old = observed.replaced_backend().map(|old| old.name.clone());
    if let Some(backend) = &observed.backend {
        return old.map(|aside| Remains::Kept { backend: backend.name.clone(), aside });
    }
    if let Some(old) = old {
        return Some(Remains::SetAside(old));
    }
    let in_place = observed.containers().filter(|container| container.name.back().is_none());
    let names: Vec<_> = in_place.map(|container| format!("\"{}\"", container.name)).collect();
    let stray = !observed.strays.is_empty();
    (!names.is_empty()).then(|| Remains::Helpers { names: names.join(", "), stray })
}

/// That a backend is missing, and the start that makes one or puts the one back that is set aside.
fn no_backend(observed: &Observed, user: &UserName) -> anyhow::Error {
    let (name, start) = (user.backend(), start_command(observed));
    match left_behind(observed) {
        Some(Remains::SetAside(aside)) => anyhow!(
            "backend \"{name}\" is set aside as \"{aside}\" by a start that was ended; '{start}' puts it back"
        ),
        _ => anyhow!("there is no backend \"{name}\"; '{START}' makes one"),
    }
}

/// What ends a replacement that was begun, one way or the other.
fn finish(name: &ContainerName, aside: &ContainerName) -> String {
    format!("the same start once more removes that one when this one serves; {}", way_back(name, aside))
}

/// What every command works with.
pub struct Session<'a, E> {
    /// The engine.
    pub engine: &'a E,
    /// Whose backend it is about.
    pub user: &'a UserName,
    /// Where words go.
    pub console: &'a Console,
    /// The wish to end early.
    pub cancel: &'a Cancel,
    /// The longest wait for the backend, where the user named one.
    pub limit: Option<Duration>,
}

// Derived, these would ask the engine to be copied too.
impl<E> Clone for Session<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Session<'_, E> {}

/// Prints an object in the form that was asked for; words are for the caller to find.
fn print(console: &Console, object: &serde_json::Value, form: &Form) -> Result<()> {
    match form {
        Form::Template(template) => console.line(template.render(object)?)?,
        Form::Text | Form::Json => console.line(object)?,
    }
    Ok(())
}

/// How a process with this error ends.
#[must_use]
pub fn exit(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Cancelled>().map_or(Exit::Failure, |cancelled| Exit::Cancelled(cancelled.0))
}

/// The status of a command that ended this way.
#[must_use]
pub fn status(result: &Result<()>) -> ExitCode {
    result.as_ref().map_or_else(exit, |()| Exit::Success).into()
}

impl<E: Engine> Session<'_, E> {
    /// The backend, whatever it does.
    async fn backend(&self) -> Result<Container> {
        let mut observed = observe::ours(self.engine, self.user).await?;
        match observed.backend.take() {
            Some(backend) => Ok(backend),
            None => {
                // The note names the forwards that a start has to keep.
                let observed = observe::with_note(self.engine, self.user).await?;
                Err(no_backend(&observed, self.user))
            }
        }
    }

    /// The backend, which must run.
    async fn running_backend(&self) -> Result<Container> {
        let backend = self.backend().await?;
        match backend.state {
            State::Running => Ok(backend),
            State::Paused => {
                Err(anyhow!("backend \"{0}\" is paused; 'docker unpause {0}' wakes it", backend.name))
            }
            state => {
                let state = info::state(state);
                let start = start_command(&observe::with_note(self.engine, self.user).await?);
                Err(anyhow!("backend \"{}\" is not running ({state}); '{start}' starts it", backend.name))
            }
        }
    }

    /// Runs something that may be given up at any moment without leaving anything behind.
    ///
    /// # Errors
    /// Its own, and [`Cancelled`].
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            result = work => result,
            cause = self.cancel.cancelled() => Err(Cancelled(cause).into()),
        }
    }
}
