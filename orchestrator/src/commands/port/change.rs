//! `backend port add` and `backend port rm`.

use std::cell::Cell;
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
use crate::desired::{Desired, ImageRef, ProxyImage, PullPolicy, Settings};
use crate::engine::Engine;
use crate::forward::asked::{self, Asked, MOST};
use crate::forward::{Forward, Target};
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
        Ok((Change::Remove(merged(Some(&self.ports.concat()), &[], false)?), how))
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
        target: Target,
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
        target: Target,
    },
    /// With those that there are, ranges are too wide.
    #[error("with these there would be {many} ports to forward, of at most {most}", most = MOST)]
    #[advice = "remove some with `port rm`"]
    TooMany {
        /// How many there would be.
        many: usize,
    },
}

impl Change {
    /// Which of the forwards stay, and which are new.
    fn of(&self, forwards: Vec<Forward>) -> Result<(Vec<Forward>, Vec<Asked>), ChangeError> {
        let there = |asked: &Asked| forwards.iter().find(|forward| forward.port == asked.port).cloned();
        match self {
            Self::Add(asked) => {
                let mut new = Vec::new();
                for asked in asked {
                    match there(asked) {
                        Some(forward) if Asked::from(&forward) == *asked => {}
                        Some(Forward { port, target }) => return Err(ChangeError::Taken { port, target }),
                        None => new.push(asked.clone()),
                    }
                }
                let many = forwards.len() + new.len();
                if many > MOST { Err(ChangeError::TooMany { many }) } else { Ok((forwards, new)) }
            }
            Self::Remove(asked) => {
                for asked in asked {
                    let forward = there(asked).ok_or(ChangeError::Free { port: asked.port })?;
                    // A number alone means what is there.
                    if !asked.is_plain() && Asked::from(&forward) != *asked {
                        return Err(ChangeError::Other { port: forward.port, target: forward.target });
                    }
                }
                let goes = |forward: &Forward| asked.iter().any(|asked| asked.port == forward.port);
                Ok((forwards.into_iter().filter(|forward| !goes(forward)).collect(), Vec::new()))
            }
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
        let built_in = ProxyImage::BuiltIn { image: image.clone(), arch: (*arch).to_owned() };
        let desired = wish(session, change, built_in, &around.image).await?;
        let desired = Desired { proxies: around.proxies.clone(), ..desired };
        dialed(session, desired, around.runtime.as_deref()).await
    };
    attain(session, around, how, &wish, &Cell::new(false)).await.map(drop)
}

/// The backend that there is, with its forwards changed. `usual` is the image that is taken where none is
/// named.
///
/// # Errors
/// A backend that does not run, and a [`ChangeError`].
pub async fn wish<E: Engine>(
    session: Session<'_, E>,
    change: &Change,
    built_in: ProxyImage,
    usual: &ImageRef,
) -> Result<Desired> {
    let backend = session.running_backend().await?;
    let observed = observe::with_note(session.engine, session.user).await?;
    // Those that stay keep what is known of their hosts: nobody has asked for anything else.
    let (kept, new) = change.of(observed.wanted())?;
    let mut forwards = resolve(session, &new).await?;
    forwards.extend(kept);
    let own = observed.helper_image().filter(|image| !is_built_in(image)).cloned();
    Ok(Desired {
        user: session.user.clone(),
        image: if backend.image.stands_for(usual) { usual.clone() } else { backend.image },
        pull: PullPolicy::Missing,
        settings: Settings::default(),
        forwards,
        proxy_image: own.map_or(built_in, ProxyImage::Custom),
        files: observed.files.unwrap_or_default(),
        proxies: Vec::new(),
        dialer_directory: None,
        recreate: false,
        forwards_only: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(number: u16) -> Port {
        Port::new(number).unwrap()
    }

    /// The ports that stay, and those that come.
    fn changed(
        change: impl Fn(Vec<Asked>) -> Change,
        words: &str,
        forwards: &[Forward],
    ) -> Result<(Vec<u16>, Vec<u16>), ChangeError> {
        let asked = asked::merge(Some(&asked::some(words).unwrap()), &[], false).unwrap();
        let (kept, new) = change(asked).of(forwards.to_vec())?;
        let kept = kept.iter().map(|forward| forward.port.get()).collect();
        Ok((kept, new.iter().map(|asked| asked.port.get()).collect()))
    }

    #[test]
    fn what_is_added_leaves_the_rest() {
        let target = Target::Gateway { port: port(80) };
        let there = [Forward::plain(port(5000)), Forward { port: port(8080), target: target.clone() }];
        let add = |words| changed(Change::Add, words, &there);
        assert_eq!(add("6000"), Ok((vec![5000, 8080], vec![6000])));
        assert_eq!(add("5000,8080:80,9000=db:1"), Ok((vec![5000, 8080], vec![9000])));
        assert_eq!(add("9000,8080"), Err(ChangeError::Taken { port: port(8080), target }));
        assert_eq!(add("6000-6125").unwrap().1.len(), 126);
        assert_eq!(add("6000-6126"), Err(ChangeError::TooMany { many: 129 }));
    }

    #[test]
    fn what_is_removed_is_named_by_its_port_or_as_it_was_added() {
        let target = Target::Loopback { port: port(80) };
        let there = [Forward::plain(port(5000)), Forward { port: port(8080), target: target.clone() }];
        let remove = |words| changed(Change::Remove, words, &there);
        for words in ["8080", "8080:80@loopback"] {
            assert_eq!(remove(words), Ok((vec![5000], vec![])), "{words}");
        }
        assert_eq!(remove("5000,8080"), Ok((vec![], vec![])));
        assert_eq!(remove("5000-5001"), Err(ChangeError::Free { port: port(5001) }));
        assert_eq!(remove("8080:80"), Err(ChangeError::Other { port: port(8080), target }));
    }
}
