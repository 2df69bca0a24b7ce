//! From a command to its work: the user, docker's configuration and the engine that it needs, and no
//! more than that.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use docker_plugin::cancel::Cancel;
use docker_plugin::endpoint::{self, EndpointError, Resolved};
use docker_plugin::hooks;
use docker_plugin::output::Console;
use docker_plugin::vars::Vars;

use super::builder::{self, Buildx, Registered};
use super::doctor::{self, Doctor};
use super::start::{self, Around};
use super::variables::Given;
use super::{
    Offline, OnEngine, Session, Tolerant, Which, cache, explain, info, logs, ls, manifest, port, stats, stop,
    unless_cancelled, version,
};
use crate::account;
use crate::desired::{BACKEND_IMAGE, BACKEND_IMAGE_VARIABLE, ImageRef, UserName};
use crate::engine::{DockerEngine, USUAL};
use crate::plugin::{Globals, Parent};

/// Where this program runs.
#[derive(Debug)]
pub struct Here<'a, V> {
    /// Its environment.
    pub vars: &'a V,
    /// The words of its command line.
    pub words: &'a [String],
    /// Docker's global options among them.
    pub globals: &'a Globals,
    /// Options that variables give beside them.
    pub given: &'a [Given],
    /// The backend that is meant; none where that cannot be told and does not matter.
    pub which: Option<&'a Which>,
}

impl<V: Vars> Here<'_, V> {
    /// Runs a command that asks no engine.
    ///
    /// # Errors
    /// A user or an engine that cannot be told, and an output that is closed.
    pub fn print(&self, command: &Offline, console: &Console) -> Result<()> {
        match command {
            Offline::CacheVolume => Ok(console.line(self.user()?.cache_volume())?),
            Offline::Env => {
                let buildx = self.buildx(&self.resolve()?);
                Ok(console.line(builder::shell_line(&buildx, &self.user()?)?)?)
            }
            Offline::Manifest(wish, None) => manifest::print(console, wish),
            Offline::Manifest(wish, Some(directory)) => manifest::write(console, wish, directory),
        }
    }

    /// The user, with the backend that is meant in mind.
    fn user(&self) -> Result<UserName, account::NoUser> {
        let user = account::user(self.vars).zip(self.which);
        user.map(|(user, which)| which.of_user(&user)).ok_or(account::NoUser)
    }

    /// Runs a command that may do without an engine.
    ///
    /// # Errors
    /// Those of the command.
    pub async fn tolerate(&self, command: Tolerant, console: &Console) -> Result<()> {
        let (resolved, user) = (self.resolve(), self.user().ok());
        match command {
            Tolerant::Version(form) => {
                let engine = match resolved {
                    Ok(found) => connect(found, USUAL, console).await.ok(),
                    Err(_) => None,
                };
                version::run(engine.as_ref(), user.as_ref(), console, form).await
            }
            Tolerant::Doctor(examination) => {
                let found = resolved.as_ref().ok();
                let builder = match (found, &user) {
                    (Some(found), Some(user)) => self.buildx(found).registered(&user.backend(), host(found)),
                    _ => Registered::No,
                };
                let proxies = found.map(|found| found.proxies.clone()).unwrap_or_default();
                // What is wrong with the endpoint is the first thing it tells.
                // It bounds each step by itself, and a slow one may be given longer than usual.
                let limit = examination.limit.map_or(USUAL, |limit| limit.max(USUAL));
                let engine = match resolved {
                    Ok(found) => connect(found, limit, console).await,
                    Err(error) => Err(error.into()),
                };
                let engine = engine.as_ref().map_err(explain);
                let doctor =
                    Doctor { engine, user: user.as_ref(), builder, proxies, runtime: self.runtime() };
                doctor::run(doctor, console, examination).await
            }
        }
    }

    /// Runs a command on the engine, and waits no longer than `limit` where that is said. A wish to end
    /// is heard wherever it waits.
    ///
    /// # Errors
    /// An engine or a user that cannot be told, those of the command, and [`super::Cancelled`].
    pub async fn obey(
        &self,
        command: OnEngine,
        limit: Option<Duration>,
        console: &Console,
        cancel: &Cancel,
    ) -> Result<()> {
        let found = self.resolve()?;
        let around = Around {
            configuration: found.credentials.config_dir.clone(),
            certificates: self.certificates(),
            proxies: found.proxies.clone(),
            buildx: self.buildx(&found),
            image: usual_image(self.vars),
            locks: self.runtime().unwrap_or_else(std::env::temp_dir),
            runtime: self.runtime(),
            given: self.which.and_then(Which::given).into_iter().chain(self.given.iter().cloned()).collect(),
            hints: hooks::hints(self.vars),
        };
        let (host, prune_filters) = (host(&found).to_owned(), found.prune_filters.clone());
        let engine = unless_cancelled(cancel, connect(found, command.patience(limit), console)).await?;
        let user = &self.user()?;
        let session = Session { engine: &engine, user, console, cancel, limit };
        match command {
            OnEngine::CachePurge(purge, manner) => {
                let purge = cache::with_configured(purge, &prune_filters);
                session.unless_cancelled(cache::purge(session, &purge, manner)).await
            }
            OnEngine::CacheUsage(usage) => session.unless_cancelled(cache::usage(session, &usage)).await,
            OnEngine::Info(what) => {
                let builder = around.buildx.registered(&user.backend(), &host);
                session.unless_cancelled(info::run(session, what, builder)).await
            }
            OnEngine::List(list) => session.unless_cancelled(ls::run(session, &list)).await,
            OnEngine::Logs(logs) => session.unless_cancelled(logs::run(session, &logs)).await,
            // These hear of the end by themselves: what they have done by then is taken back, or told.
            OnEngine::Start(mut start) => {
                start.settings.chosen.fill(|name| self.vars.get(name));
                start::command(session, *start, &around).await
            }
            OnEngine::PortChange(change, how) => port::change(session, &change, how, &around).await,
            OnEngine::PortList(list) => session.unless_cancelled(port::list(session, &list)).await,
            OnEngine::Stats(stats) => {
                session.unless_cancelled(stats::run(session, &stats, self.has_screen())).await
            }
            OnEngine::Stop(how) => stop::command(session, how, &around).await,
            OnEngine::Use(load) => {
                session.unless_cancelled(builder::run(session, &around.buildx, load)).await
            }
        }
    }

    /// The engine that is meant.
    pub(super) fn resolve(&self) -> Result<Resolved, EndpointError> {
        let mut found = endpoint::resolve(self.globals, self.vars, account::home(self.vars).as_deref())?;
        found.endpoint.through = Parent::of(self.vars).through(self.words);
        Ok(found)
    }

    /// The user's directory for sockets, where one is named.
    fn runtime(&self) -> Option<PathBuf> {
        self.vars.get("XDG_RUNTIME_DIR").map(PathBuf::from)
    }

    /// Where docker's engine looks for the certificates of registries: one without root, then the usual.
    fn certificates(&self) -> Vec<PathBuf> {
        let own = self.vars.get("XDG_CONFIG_HOME").map(PathBuf::from);
        let own = own.or_else(|| account::home(self.vars).map(|home| home.join(".config")));
        let own = own.map(|own| own.join("docker/certs.d"));
        own.into_iter().chain([PathBuf::from("/etc/docker/certs.d")]).collect()
    }

    /// The way to buildx, with the same options.
    fn buildx(&self, found: &Resolved) -> Buildx {
        let own = found.credentials.config_dir.as_ref().map(|directory| directory.join("buildx"));
        Buildx {
            docker: Parent::of(self.vars).docker().to_owned(),
            globals: Globals::words(self.words).to_vec(),
            store: self.vars.get("BUILDX_CONFIG").map(PathBuf::from).or(own),
            chosen: self.vars.get("BUILDX_BUILDER"),
            named: found.named.clone(),
            endpoint: found.endpoint.clone(),
            installed: found.builder_alias.as_deref() == Some("buildx"),
        }
    }

    /// Whether standard output is a terminal whose cursor moves.
    fn has_screen(&self) -> bool {
        io::stdout().is_terminal() && self.vars.get("TERM").as_deref() != Some("dumb")
    }
}

/// The image of the backend where none is named.
fn usual_image(vars: &impl Vars) -> ImageRef {
    ImageRef(vars.get(BACKEND_IMAGE_VARIABLE).unwrap_or_else(|| BACKEND_IMAGE.to_owned()))
}

fn host(found: &Resolved) -> &str {
    &found.endpoint.host
}

async fn connect(found: Resolved, limit: Duration, console: &Console) -> Result<DockerEngine> {
    let Resolved { endpoint, credentials, warning, .. } = found;
    if let Some(warning) = warning {
        console.warning(warning);
    }
    // Elsewhere, since a certificate may come out of a pipe, and the end is to be heard meanwhile.
    let engine = move || DockerEngine::within(limit, &endpoint, credentials);
    Ok(tokio::task::spawn_blocking(engine).await??)
}
