//! A start from its options to its last warning: it waits for its turn, remembers, wishes, and runs.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use docker_plugin::output::Progress;

use super::last_start::{configured, left_by};
use super::{
    Start, StartError, StartLine, StartWarning, certificates_of_the_engine, next, preview, resolve, restore,
    run_and, warn_of_blocked, warn_of_proxies,
};
use crate::commands::builder::{self, Buildx};
use crate::commands::variables::Given;
use crate::commands::{Cancelled, Session, WhenInUse, health};
use crate::desired::{BACKEND_IMAGE, Desired, ImageRef, Named, ProxyImage};
use crate::dialer;
use crate::engine::Engine;
use crate::health::Place;
use crate::lock::{self, Lock};
use crate::proxy_image::{self, Archive};

/// How long a start waits for another one, which may pull images meanwhile.
const LOCK_LIMIT: Duration = Duration::from_secs(600);

/// What this machine says beside the command line.
#[derive(Clone, Debug)]
pub struct Around {
    /// Where docker's configuration is.
    pub configuration: Option<PathBuf>,
    /// Where docker's engine looks for the certificates of registries.
    pub certificates: Vec<PathBuf>,
    /// Variables with the proxies of docker's configuration.
    pub proxies: Vec<String>,
    /// The way to buildx.
    pub buildx: Buildx,
    /// The image of the backend where none is named.
    pub image: ImageRef,
    /// Where starts wait for each other.
    pub locks: PathBuf,
    /// The user's directory for sockets, where one is named.
    pub runtime: Option<PathBuf>,
    /// Options that variables give beside the command line.
    pub given: Vec<Given>,
    /// Whether a person at a terminal wants to know what to do next.
    pub hints: bool,
}

/// Runs the whole command. It hears of the wish to end by itself.
///
/// # Errors
/// Those of [`run_and`], and files or hosts that the options name and that cannot be read or found.
pub async fn command<E: Engine>(session: Session<'_, E>, start: Start, around: &Around) -> Result<()> {
    let how = How { dry_run: start.dry_run, progress: start.progress, in_use: start.in_use };
    let (select, load, served) = (start.select && !start.dry_run, start.load, Cell::new(false));
    if select {
        // What cannot be is said before anything is made.
        around.buildx.address(&session.user.backend(), "use")?;
    }
    let work = async {
        let wish = async |sidecar: &Archive| desire(session, start.clone(), sidecar, around).await;
        let new = attain(session, around, how, &wish, &served).await?;
        if how.dry_run {
            around.given.iter().try_for_each(|given| session.console.line(format_args!("With {given}")))?;
        }
        if select {
            session.unless_cancelled(builder::run(session, &around.buildx, load)).await?;
        }
        if let Some(desired) = new.filter(|_| around.hints && session.console.in_place(how.progress)) {
            next::tell(session.console, &desired, &around.buildx, select).await;
        }
        anyhow::Ok(())
    };
    let done = work.await;
    if select && served.get() && done.as_ref().is_err_and(|error| error.is::<Cancelled>()) {
        session.console.note("'docker assemble backend use' makes it the builder of docker buildx");
    }
    done
}

/// How a wish is gone about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Only tell what would be done.
    pub dry_run: bool,
    /// How to show what goes on.
    pub progress: Progress,
    /// What becomes of what builds may be using.
    pub in_use: WhenInUse,
}

/// Makes the backend what is wished for, when nobody else is at that; `wish` is asked for then. `served`
/// tells when the backend has come to serve. What was wished for comes back where that made a backend and
/// none was there.
pub(in crate::commands) async fn attain<E: Engine>(
    session: Session<'_, E>,
    around: &Around,
    how: How,
    wish: &impl AsyncFn(&Archive) -> Result<Desired>,
    served: &Cell<bool>,
) -> Result<Option<Desired>> {
    let sidecar = proxy_image::shipped()?;
    if how.dry_run {
        let previewing = async { preview(session, &wish(sidecar).await?, how.in_use).await };
        return session.unless_cancelled(previewing).await.map(|()| None);
    }
    let archive = || sidecar.bytes.clone();
    let trying = async || {
        let wishing = async {
            let lock = turn(session, around).await?;
            Ok((lock, wish(sidecar).await?))
        };
        let (_lock, desired) = session.unless_cancelled(wishing).await.inspect_err(|error| {
            if error.is::<Cancelled>() {
                session.console.note("Cancelled; nothing has been changed");
            }
        })?;
        let remember = async || {
            served.set(true);
            restore::keep(session, &desired, &around.image, around.configuration.as_deref()).await;
        };
        let serves = run_and(session, &desired, how, &archive, remember).await?;
        Ok((desired, serves))
    };
    let (desired, serves) = Box::pin(how.in_use.obey(session, trying)).await?;
    let warning = async {
        warn_of_blocked(session, &serves).await;
        warn_of_proxies(session, &desired).await;
        Ok(())
    };
    session.unless_cancelled(warning).await?;
    Ok(serves.is_first.then_some(desired))
}

/// Waits until no other start for the same backend is at work. Where no lock can be had, nobody is
/// waited for.
async fn turn<E: Engine>(session: Session<'_, E>, around: &Around) -> Result<Option<Lock>> {
    let path = lock::path(&around.locks, session.user, session.engine.endpoint());
    let waiting = || session.console.note("Waiting for another start to finish...");
    let limit = session.limit.unwrap_or(LOCK_LIMIT);
    match tokio::time::timeout(limit, lock::acquire(&path, waiting)).await {
        Ok(lock) => {
            Ok(lock.inspect_err(|error| tracing::debug!(%error, path = %path.display(), "no lock")).ok())
        }
        Err(_) => Err(StartError::Busy { name: session.user.backend(), seconds: limit.as_secs() }.into()),
    }
}

/// The wish: what was asked for, by this start or by the last one, and the defaults for what was not.
async fn desire<E: Engine>(
    session: Session<'_, E>,
    mut start: Start,
    sidecar: &Archive,
    around: &Around,
) -> Result<Desired> {
    restore::of_the_last(session, &mut start, around.configuration.as_deref()).await?;
    let found = certificates_of_the_engine(&around.certificates, |warning| session.console.warning(warning));
    // Elsewhere, since a pipe may have one wait for what it has to say, and the end is to be heard meanwhile.
    let daemon = start.daemon.clone();
    let files = tokio::task::spawn_blocking(move || daemon.files(found)).await??;
    let config_options = configured(StartLine::default(), &start.daemon).options();
    let proxy_image = start.proxy_image.map_or_else(
        || ProxyImage::BuiltIn { image: sidecar.image.clone(), arch: sidecar.arch.to_owned() },
        ProxyImage::Custom,
    );
    let named = Named { image: start.image.is_some(), security: start.names_security };
    let desired = Desired {
        user: session.user.clone(),
        image: start.image.unwrap_or_else(|| around.image.clone()),
        pull: start.pull,
        settings: start.settings,
        forwards: resolve(session, &start.forwards).await?,
        proxy_image,
        files,
        config_options,
        proxies: around.proxies.clone(),
        dialer_directory: None,
        recreate: start.recreate,
        forwards_only: false,
        named,
    };
    dialed(session, desired, around.runtime.as_deref()).await
}

/// The same wish, with a dialer on this host where the engine has no container in its network. Where that
/// cannot be, it is said who can have one.
///
/// # Errors
/// Those of the engine.
pub async fn dialed<E: Engine>(
    session: Session<'_, E>,
    mut desired: Desired,
    runtime: Option<&Path>,
) -> Result<Desired> {
    let Session { engine, user, console, .. } = session;
    if desired.loopback_ports().next().is_none() {
        return Ok(desired);
    }
    let facts = engine.facts().await?;
    if health::place(&facts, false) != Place::Rootless {
        return Ok(desired);
    }
    match dialer::place(user, engine.endpoint(), &facts.name, runtime) {
        Ok(directory) => desired.dialer_directory = Some(directory),
        Err(why) => {
            let backend = engine.container(&user.backend()).await?;
            let start = left_by(&desired, backend.as_ref(), &ImageRef(BACKEND_IMAGE.to_owned())).command();
            let help = why.hint(engine.endpoint(), &start);
            console.warning(StartWarning::NoDialer { why, help });
        }
    }
    Ok(desired)
}
