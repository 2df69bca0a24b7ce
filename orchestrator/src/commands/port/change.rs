//! `backend port add` and `backend port rm`.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use assemble_contract::Port;
use clap::Args;
use docker_plugin::cli::values::limit;
use docker_plugin::cli::{Completes, Refusal};
use explained::Explained;

use crate::commands::forwards::{self, Words, merged};
use crate::commands::start::{Around, How, attain, dialed, resolve};
use crate::commands::{Session, WhenInUse, observe};
use crate::desired::{Desired, Named, ProxyImage, PullPolicy, Settings};
use crate::engine::Engine;
use crate::forward::asked::{self, Asked, Word};
use crate::forward::{Conflict, Forward, MOST, MOST_PORTS, limits};
use crate::plan::{plan, prepare};
use crate::proxy_image::{Archive, is_built_in};

/// Forward more ports; all others stay as they are
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend port add 6000 8080:80 9000-9010
  $ docker assemble backend port add 5000@loopback 5432=db.internal:5432")]
pub(in crate::commands) struct AddOptions {
    /// As --allow-host-port and --forward of a start have them
    #[arg(
        value_name = "PORT",
        value_parser = asked::some,
        required = true,
        add = Completes(forwards::complete_added)
    )]
    ports: Vec<Words>,

    /// Only list what would be done
    #[arg(long)]
    dry_run: bool,

    /// Time the forwards have to answer (default 1m)
    #[arg(long, value_name = "duration", value_parser = limit)]
    pub(in crate::commands) timeout: Option<Duration>,
}

/// Forward some ports no more; all others stay as they are
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend port rm 6000
  $ docker assemble backend port rm $(docker assemble backend port ls -q)")]
pub(in crate::commands) struct RmOptions {
    /// Ports inside, or forwards as they were added
    #[arg(
        value_name = "PORT",
        value_parser = asked::some,
        required = true,
        add = Completes(forwards::complete_removed)
    )]
    ports: Vec<Words>,

    /// Only list what would be done
    #[arg(long)]
    dry_run: bool,

    /// Take them from builds in flight
    #[arg(long, short)]
    force: bool,

    /// Time the other forwards have to answer (default 1m)
    #[arg(long, value_name = "duration", value_parser = limit)]
    pub(in crate::commands) timeout: Option<Duration>,

    /// Wait until builds in flight have ended, for as long as --timeout says
    #[arg(long)]
    wait: bool,
}

/// What a change makes of the forwards.
struct Changed {
    kept: Vec<Forward>,
    new: Vec<Asked>,
    /// The first port that was to go, where none of those is there.
    free: Option<Port>,
}

/// What becomes of the forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These come.
    Add(Vec<Asked>),
    /// These go.
    Remove(Vec<Asked>),
}

impl AddOptions {
    /// What they come to together.
    pub(in crate::commands) fn check(self) -> Result<(Change, How), Refusal> {
        // Nothing is taken from anybody but by an earlier change that was not done.
        let how = How { dry_run: self.dry_run, in_use: WhenInUse::Force, ..How::default() };
        Ok((Change::Add(merged(Some(&self.ports.concat()), &[], false)?), how))
    }
}

impl RmOptions {
    /// What they come to together.
    pub(in crate::commands) fn check(self) -> Result<(Change, How), Refusal> {
        let in_use = WhenInUse::of(self.force, self.wait)?;
        let how = How { dry_run: self.dry_run, in_use, ..How::default() };
        // How many they are is no matter.
        let asked = self.ports.concat().iter().filter_map(Word::asked).cloned().collect();
        Ok((Change::Remove(asked), how))
    }
}

/// Why the forwards cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
pub enum ChangeError {
    /// `port add` with a port that leads somewhere else.
    #[error(
        "port {port} is forwarded already, to {target}; 'docker assemble backend port rm {port}' frees it"
    )]
    #[advice = "take another port, or free it"]
    Taken {
        /// The port.
        port: Port,
        /// Where it leads.
        target: String,
    },
    /// `port rm` with a port that is free, or has been removed.
    #[error("port {port} is not forwarded; 'docker assemble backend port ls' lists what is")]
    #[advice = "name one that is"]
    Free {
        /// The port.
        port: Port,
    },
    /// `port rm` with a forward to one place where there is one to another.
    #[error("port {port} is forwarded to {target}; 'docker assemble backend port rm {port}' removes that")]
    #[advice = "that command"]
    Other {
        /// The port.
        port: Port,
        /// Where it leads.
        target: String,
    },
    /// With those that there are, there are too many; a port out of the middle of a range leaves two.
    #[error("with this there would be {many} forwards, of at most {most}", most = MOST)]
    #[advice = "remove some with `port rm`"]
    TooMany {
        /// How many there would be.
        many: usize,
    },
    /// With those that there are, ranges are too wide.
    #[error("with these there would be {many} ports to forward, of at most {most}", most = MOST_PORTS)]
    #[advice = "remove some with `port rm`"]
    TooManyPorts {
        /// How many there would be.
        many: usize,
    },
}

impl Change {
    /// Which of the forwards stay, and which are new.
    fn of(&self, forwards: Vec<Forward>) -> Result<Changed, ChangeError> {
        let there: Vec<_> = forwards.iter().map(Asked::from).collect();
        // The one of this port alone.
        let at = |port: Port| forwards.iter().find_map(|forward| forward.part(port.into()));
        let leads_to = |port| at(port).map(|forward| forward.leads_to()).unwrap_or_default();
        let mut free = None;
        let (kept, new) = match self {
            Self::Add(asked) => {
                let taken = |port| ChangeError::Taken { port, target: leads_to(port) };
                let new: Result<Vec<_>, _> =
                    asked.iter().map(|asked| asked.beside(&there).map_err(taken)).collect();
                (forwards.clone(), new?.concat())
            }
            Self::Remove(asked) => {
                for asked in asked {
                    // A number alone means what is there.
                    let means = |there: &Asked| match asked.is_plain() {
                        true => there.part(asked.ports.common(there.ports)?),
                        false => Some(asked.clone()),
                    };
                    let mut rest = vec![asked.ports];
                    for there in &there {
                        let Some(meant) = means(there) else { continue };
                        let other = |port| ChangeError::Other { port, target: leads_to(port) };
                        meant.beside([there]).map_err(other)?;
                        rest = rest.into_iter().flat_map(|ports| ports.without(there.ports)).collect();
                    }
                    free = free.or_else(|| rest.first().map(|rest| rest.first()));
                }
                // A change is noted as a whole: one that was killed has left nothing that it names.
                let is_there = |asked: &Asked| there.iter().any(|it| it.ports.overlaps(asked.ports));
                if let Some(port) = free.filter(|_| asked.iter().any(is_there)) {
                    return Err(ChangeError::Free { port });
                }
                let without = |forward: &Forward| {
                    let gone = asked.iter().map(|asked| asked.ports);
                    gone.fold(vec![forward.clone()], |rest, gone| {
                        rest.iter().flat_map(|forward| forward.without(gone)).collect()
                    })
                };
                (forwards.iter().flat_map(without).collect(), Vec::new())
            }
        };
        match limits(kept.iter().map(|forward| forward.ports).chain(new.iter().map(|asked| asked.ports))) {
            Some(Conflict::TooMany { many }) => Err(ChangeError::TooMany { many }),
            Some(Conflict::TooManyPorts { many }) => Err(ChangeError::TooManyPorts { many }),
            _ => Ok(Changed { kept, new, free }),
        }
    }
}

/// Runs the command. It hears of the wish to end by itself.
///
/// # Errors
/// A backend that does not run, a [`ChangeError`], and those of a start.
pub async fn run<E: Engine>(
    session: Session<'_, E>,
    change: &Change,
    how: How,
    around: &Around,
) -> Result<()> {
    let wish = async |sidecar: &Archive| {
        let Archive { image, arch, .. } = sidecar;
        let usual = Desired {
            user: session.user.clone(),
            image: around.image.clone(),
            pull: PullPolicy::Missing,
            settings: Settings::default(),
            forwards: BTreeSet::new(),
            proxy_image: ProxyImage::BuiltIn { image: image.clone(), arch: (*arch).to_owned() },
            files: Vec::new(),
            config_options: String::new(),
            proxies: around.proxies.clone(),
            dialer_directory: None,
            recreate: false,
            forwards_only: true,
            named: Named::default(),
        };
        wish(session, change, usual, around.runtime.as_deref()).await
    };
    attain(session, around, how, &wish, &Cell::new(false)).await.map(drop)
}

/// The backend that there is, with its forwards changed. `usual` is what a start without options wishes for,
/// `runtime` the user's directory for sockets.
///
/// # Errors
/// A backend that does not run, and a [`ChangeError`].
pub async fn wish<E: Engine>(
    session: Session<'_, E>,
    change: &Change,
    usual: Desired,
    runtime: Option<&Path>,
) -> Result<Desired> {
    let backend = session.running_backend().await?;
    let observed = observe::with_note(session.engine, session.user).await?;
    // Those that stay keep what is known of their hosts: nobody has asked for anything else.
    let Changed { kept, new, free } = change.of(observed.wanted())?;
    let mut forwards = resolve(session, &new).await?;
    forwards.extend(kept);
    let own = observed.helper_image().filter(|image| !is_built_in(image)).cloned();
    let desired = Desired {
        image: if backend.image.stands_for(&usual.image) { usual.image } else { backend.image },
        forwards,
        proxy_image: own.map_or(usual.proxy_image, ProxyImage::Custom),
        files: observed.files.unwrap_or_default(),
        forwards_only: true,
        ..usual
    };
    let desired = dialed(session, desired, runtime).await?;
    if let Some(port) = free {
        // A removal that was killed has noted that the port is to go, and may have got no further.
        if is_attained(session, &desired).await? {
            return Err(ChangeError::Free { port }.into());
        }
        session.console.note(format_args!(
            "Port {port} is not forwarded; what an earlier command has left undone is done now"
        ));
    }
    Ok(desired)
}

/// Whether nothing is left to be done for it.
async fn is_attained<E: Engine>(session: Session<'_, E>, desired: &Desired) -> Result<bool> {
    let observed = observe::all(session.engine, desired).await?;
    Ok(prepare(desired, &observed).is_empty() && plan(desired, &observed)?.is_empty())
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
