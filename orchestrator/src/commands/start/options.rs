//! The options of a start, and what they ask for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, Args, Command, ValueHint};
use docker_plugin::cli::values::{OneOf, bytes, limit};
use docker_plugin::cli::{Completes, Refusal};
use docker_plugin::output::Progress;
use explained::Explained;

use super::Daemon;
use super::chosen::Named;
use super::registries::{authority, certificates, file, mirror, registry};
use crate::commands::WhenInUse;
use crate::commands::builder::Load;
use crate::commands::complete::{images, volumes};
use crate::commands::forwards::{self, Words, merged};
use crate::commands::values::image;
use crate::desired::{
    BACKEND_IMAGE, BACKEND_IMAGE_VARIABLE, ImageRef, PullPolicy, Security, Settings, VolumeName,
};
use crate::forward::asked::{self, Asked};
use crate::spec::daemon::{Mirror, Space};

const PROGRESS: OneOf<Progress> = OneOf(&[
    ("auto", Progress::Auto),
    ("plain", Progress::Plain),
    ("tty", Progress::Tty),
    ("quiet", Progress::Quiet),
]);

const PULL: OneOf<PullPolicy> =
    OneOf(&[("missing", PullPolicy::Missing), ("always", PullPolicy::Always), ("never", PullPolicy::Never)]);

const SECURITY: OneOf<Security> = OneOf(&[
    ("auto", Security::Auto),
    ("privileged", Security::Privileged),
    ("restricted", Security::Restricted),
]);

/// Start the backend, or change what it forwards
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend start --use
  $ docker assemble backend start --allow-host-port 5000,8080:80
  $ docker assemble backend start --allow-host-port 5000@loopback
  $ docker assemble backend start --forward 5432=db.internal:5432
  $ docker assemble backend start --dry-run --recreate --cache-max-used 20gb")]
pub(in crate::commands) struct Options {
    /// Let builds reach ports of the host as localhost:PORT: PORT, INSIDE:OUTSIDE, FIRST-LAST, each
    /// with @loopback for services on 127.0.0.1; 0 for none (default 5000)
    #[arg(long, value_name = "list", value_parser = asked::ports, add = Completes(forwards::complete))]
    allow_host_port: Option<Vec<Words>>,

    /// Let the daemon keep at most this much cache
    #[arg(long, value_name = "bytes", value_parser = bytes)]
    cache_max_used: Option<u64>,

    /// Let the daemon keep this much of the disk free (BuildKit 0.17)
    #[arg(long, value_name = "bytes", value_parser = bytes)]
    cache_min_free: Option<u64>,

    /// Let the daemon keep at least this much cache
    #[arg(long, value_name = "bytes", value_parser = bytes)]
    cache_reserved: Option<u64>,

    /// Keep the build cache in this volume (default "docker-assemble-backend-cache-USER" if it exists)
    #[arg(long, value_name = "string", value_parser = volume, add = Completes(volumes))]
    cache_volume: Option<VolumeName>,

    #[command(flatten)]
    named: Named,

    /// BuildKit's configuration file (buildkitd.toml), to which the other options are added
    #[arg(long, value_name = "file", value_parser = file, value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Only list what would be done
    #[arg(long)]
    dry_run: bool,

    /// Take ports, or the backend, from builds in flight
    #[arg(long)]
    force: bool,

    /// Let builds reach a port of another host as localhost:PORT; a name is followed as it moves
    #[arg(long, value_name = "port=host:port", value_parser = asked::hosts)]
    forward: Option<Vec<Words>>,

    /// Reach all ports on the host's 127.0.0.1, as a local user would
    #[arg(long)]
    host_loopback: bool,

    #[arg(long, value_name = "string", value_parser = image, add = Completes(images), help = format!(
        "BuildKit image to run, also ${BACKEND_IMAGE_VARIABLE} (default \"{BACKEND_IMAGE}\")"
    ))]
    image: Option<ImageRef>,

    /// Set type of progress output ("auto", "plain", "tty", "quiet") (default "auto")
    #[arg(long, value_name = "string", value_parser = PROGRESS)]
    progress: Option<Progress>,

    /// Image of the containers that forward ports (default built in)
    #[arg(long, value_name = "string", value_parser = image, add = Completes(images))]
    proxy_image: Option<ImageRef>,

    /// Pull images before running ("always", "missing", "never") (default "missing")
    #[arg(long, value_name = "string", value_parser = PULL)]
    pull: Option<PullPolicy>,

    /// Suppress the pull output
    #[arg(long, short)]
    quiet: bool,

    /// Replace a backend that differs from what is asked for; a cache in a named volume is kept
    #[arg(long)]
    recreate: bool,

    /// Trust the certificates in this file for a registry
    #[arg(long, value_name = "host=file", value_parser = authority, add = Completes(certificates))]
    registry_ca: Vec<(String, PathBuf)>,

    /// Accept any certificate of a registry, and plain HTTP
    #[arg(long, value_name = "host", value_parser = registry)]
    registry_insecure: Vec<String>,

    /// Ask another registry before this one
    #[arg(long, value_name = "host=url", value_parser = mirror)]
    registry_mirror: Vec<(String, Mirror)>,

    /// Privileges of the backend ("auto", "privileged", "restricted"); auto is privileged where the
    /// engine allows it (default "auto", "restricted" in the place of such a one)
    #[arg(long, value_name = "string", value_parser = SECURITY)]
    security: Option<Security>,

    /// Time the backend has to answer (default 1m)
    #[arg(long, value_name = "duration", value_parser = limit)]
    pub(in crate::commands) timeout: Option<Duration>,

    /// Make the backend the current builder of docker buildx
    #[arg(long = "use")]
    select: bool,

    #[command(flatten)]
    load: Load,

    /// Wait until builds in flight that would be cut off have ended, for as long as --timeout says
    #[arg(long)]
    wait: bool,
}

/// What a start is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// What to forward, by port inside, each once; empty means nothing.
    pub forwards: Vec<Asked>,
    /// Whether nothing was said about that.
    pub usual: bool,
    /// The settings of the backend's container.
    pub settings: Settings,
    /// Whether its privileges were named, be it by "auto".
    pub names_security: bool,
    /// The BuildKit image, when it was named.
    pub image: Option<ImageRef>,
    /// When to pull.
    pub pull: PullPolicy,
    /// The sidecars' image, when it was named.
    pub proxy_image: Option<ImageRef>,
    /// What the daemon itself is told.
    pub daemon: Daemon,
    /// Whether a living backend may be replaced.
    pub recreate: bool,
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Make it the builder of buildx that is in use.
    pub select: bool,
    /// How buildx uses it then.
    pub load: Load,
    /// How to show what goes on.
    pub progress: Progress,
    /// What becomes of what builds may be using.
    pub in_use: WhenInUse,
}

impl Options {
    /// Whether the option of this name may be repeated.
    pub(in crate::commands) fn is_list(name: &str) -> bool {
        let command = Self::augment_args(Command::new(""));
        let is_it = |option: &Arg| option.get_long() == Some(name);
        command
            .get_arguments()
            .any(|option| is_it(option) && matches!(option.get_action(), ArgAction::Append))
    }

    /// What they come to together.
    pub(in crate::commands) fn check(self) -> Result<Start, Refusal> {
        let load = Load { default_load: self.load.default_load.or(self.named.load) };
        if load != Load::default() && !self.select {
            return Err(Refusal::Options(NothingLoads.to_string()));
        }
        let usual = self.allow_host_port.is_none() && self.forward.is_none() && !self.host_loopback;
        let ports = self.allow_host_port.map(|lists| lists.concat());
        let hosts = self.forward.unwrap_or_default().concat();
        let daemon = Daemon {
            config: self.config,
            insecure: self.registry_insecure,
            mirrors: self.registry_mirror,
            authorities: self.registry_ca,
            space: Space {
                reserved_bytes: self.cache_reserved,
                max_used_bytes: self.cache_max_used,
                min_free_bytes: self.cache_min_free,
            },
        };
        Ok(Start {
            forwards: merged(ports.as_deref(), &hosts, self.host_loopback)?,
            usual,
            names_security: self.security.is_some(),
            settings: Settings {
                security: self.security.unwrap_or_default(),
                cache_volume: self.cache_volume,
                chosen: self.named.settings()?,
            },
            image: self.image.or(self.named.image),
            pull: self.pull.unwrap_or_default(),
            proxy_image: self.proxy_image,
            daemon,
            recreate: self.recreate,
            dry_run: self.dry_run,
            select: self.select,
            load,
            in_use: WhenInUse::of(self.force, self.wait)?,
            progress: if self.quiet { Progress::Quiet } else { self.progress.unwrap_or_default() },
        })
    }
}

/// Only a builder of buildx loads.
#[derive(Clone, Copy, Debug, thiserror::Error, Explained)]
#[error("--default-load needs --use")]
#[advice = "give both"]
#[status = "125"]
pub struct NothingLoads;

/// `--cache-volume` with a path.
#[derive(Clone, Copy, Debug, thiserror::Error, Explained)]
#[error("must be the name of a volume (letters, digits and \"_.-\")")]
#[advice = "make a volume and name it"]
#[status = "125"]
pub struct NoVolumeName;

/// The engine's rule for names; a path in its place would become a bind mount.
fn volume(text: &str) -> Result<VolumeName, NoVolumeName> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let fits = first && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if fits { Ok(VolumeName(text.to_owned())) } else { Err(NoVolumeName) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_names_and_not_paths() {
        assert!(volume("my-cache_1.x").is_ok());
        for bad in ["", "/tmp/cache", "./x", "-x", "a b"] {
            assert!(volume(bad).is_err(), "{bad}");
        }
    }
}
