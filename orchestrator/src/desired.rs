//! What the user asks for, checked once and valid from then on.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU16;

/// The user a backend belongs to, fit to be part of a container name.
///
/// Made from a login name: a Windows `DOMAIN\` is dropped, and each run of characters that
/// the engine refuses in names (outside `[a-zA-Z0-9_.-]`) becomes one `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

impl UserName {
    /// Maps a login name; `None` when nothing usable is left of it.
    #[must_use]
    pub fn from_login(login: &str) -> Option<Self> {
        let login = login.rsplit('\\').next().unwrap_or(login);
        let mut name = String::with_capacity(login.len());
        for c in login.chars() {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') {
                name.push(c);
            } else if !name.ends_with('-') {
                name.push('-');
            }
        }
        name.chars().any(|c| c.is_ascii_alphanumeric()).then_some(Self(name))
    }

    /// The name of this user's backend container.
    #[must_use]
    pub fn backend(&self) -> ContainerName {
        ContainerName(format!("docker-assemble-backend-{self}"))
    }

    /// The name of the sidecar that forwards `port`.
    #[must_use]
    pub fn sidecar(&self, port: HostPort) -> ContainerName {
        ContainerName(format!("docker-assemble-backend-{self}-proxy-port-{port}"))
    }

    /// The volume that is used as the build cache when it exists.
    #[must_use]
    pub fn cache_volume(&self) -> VolumeName {
        VolumeName(format!("docker-assemble-backend-cache-{self}"))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container's name, without the engine's leading slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerName(pub String);

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeName(pub String);

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image as a person names it: `repo`, `repo:tag`, `repo@sha256:…` or an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageRef(pub String);

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A TCP port of the host that the builder may reach, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort(pub NonZeroU16);

impl HostPort {
    /// The usual port of a local registry, forwarded unless the user says otherwise.
    pub const REGISTRY: Self = Self(NonZeroU16::new(5000).unwrap());

    /// The port as a number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When to pull the backend's image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Only when the engine does not have it.
    #[default]
    Missing,
    /// Always; a failure is not fatal when the engine has the image.
    Always,
    /// Never; a missing image is an error.
    Never,
}

/// How much the backend container may do on the engine's host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Privileged, and the restricted set where the engine refuses that.
    #[default]
    Auto,
    /// Privileged, as buildx does it.
    Privileged,
    /// The smallest set that runs whole builds.
    Restricted,
}

/// Which volume keeps the build cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CacheVolume {
    /// The volume of [`UserName::cache_volume`] when it exists, else an anonymous one.
    #[default]
    Conventional,
    /// This volume, which must exist.
    Named(VolumeName),
}

/// A backend as the user wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Whose backend it is.
    pub user: UserName,
    /// The BuildKit image.
    pub image: ImageRef,
    /// When to pull it.
    pub pull: PullPolicy,
    /// How much the backend may do.
    pub security: Security,
    /// Where the build cache is kept.
    pub cache: CacheVolume,
    /// The host ports to forward; empty means none.
    pub ports: BTreeSet<HostPort>,
    /// The sidecars' image, when it is not the built-in one.
    pub proxy_image: Option<ImageRef>,
}
