//! What the user asks for, checked once and valid from then on.

mod backend_name;
mod settings;
mod user;

pub use crate::forward::REGISTRY_PORT;
pub use assemble_contract::{Port, Ports};
pub use backend_name::{BackendName, BadName};
pub(crate) use settings::LAST_OWN_ARGUMENT;
pub use settings::csv;
pub use settings::{
    Choice, ChoiceError, Chosen, NETWORK_HOST, Row, SETTINGS, Security, Setting, Settings, Words,
};
pub use user::UserName;

use std::collections::BTreeSet;
use std::fmt;

use docker_plugin::reference::Reference;

use crate::forward::Forward;

/// The image of the backend, unless the user names another: the one that buildx runs.
pub const BACKEND_IMAGE: &str = "moby/buildkit:buildx-stable-1";

/// Its sister, which needs no root.
pub const ROOTLESS_BACKEND_IMAGE: &str = "moby/buildkit:buildx-stable-1-rootless";

/// The variable that names another image, for those who keep a copy of it.
pub const BACKEND_IMAGE_VARIABLE: &str = "DOCKER_ASSEMBLE_BACKEND_IMAGE";

/// A container's name, without the engine's leading slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerName(pub String);

impl ContainerName {
    /// What every name of ours begins with, and that of a container that is set aside: no user's name
    /// makes one of the other.
    const PREFIX: &str = "docker-assemble-backend-";
    const ASIDE: &str = "docker-assemble-replaced-";

    /// The name of this container of ours while another one tries to take its place. Its short id is
    /// in it: several may wait for that.
    #[must_use]
    pub fn aside(&self, short_id: &str) -> Self {
        Self(format!("{}{}.{short_id}", Self::ASIDE, self.0.strip_prefix(Self::PREFIX).unwrap_or(&self.0)))
    }

    /// The name that a container had before it was set aside; `None` for one in its place.
    #[must_use]
    pub fn back(&self) -> Option<Self> {
        let (name, _) = self.0.strip_prefix(Self::ASIDE)?.rsplit_once('.')?;
        Some(Self(format!("{}{name}", Self::PREFIX)))
    }
}

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

impl ImageRef {
    /// Whether an engine that was asked for an image by the other name may call it by this one.
    #[must_use]
    pub fn stands_for(&self, asked: &Self) -> bool {
        Reference::stands_for(&self.0, &asked.0)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the sidecars' image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyImage {
    /// The one inside this program, loaded under a name that changes with its content.
    BuiltIn {
        /// That name.
        image: ImageRef,
        /// The architecture it was built for, in OCI's words.
        arch: String,
    },
    /// One the user named; it takes the arguments of the built-in one.
    Custom(ImageRef),
}

impl ProxyImage {
    /// Its name.
    #[must_use]
    pub const fn image(&self) -> &ImageRef {
        match self {
            Self::BuiltIn { image, .. } | Self::Custom(image) => image,
        }
    }

    /// The same where the user named it.
    #[must_use]
    pub const fn named(&self) -> Option<&ImageRef> {
        match self {
            Self::BuiltIn { .. } => None,
            Self::Custom(image) => Some(image),
        }
    }
}

/// When to pull an image that a new container needs.
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

/// A file that a container is given before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it appears, absolute.
    pub path: String,
    /// What it says.
    pub content: String,
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
    /// The settings of the backend's container.
    pub settings: Settings,
    /// What to forward, no port inside by two of them; empty means nothing.
    pub forwards: BTreeSet<Forward>,
    /// The sidecars' image.
    pub proxy_image: ProxyImage,
    /// Files that the daemon is given: its configuration and what that names.
    pub files: Vec<File>,
    /// The options that these come of, as they are typed.
    pub config_options: String,
    /// Variables that tell the daemon its proxies, `NAME=value`.
    pub proxies: Vec<String>,
    /// The directory on this host of a dialer that is a process of this user's, where a container of the
    /// engine's would not be in the host's network.
    pub dialer_directory: Option<String>,
    /// Whether a backend that differs may be replaced though it lives; the volume that keeps its
    /// cache goes over to the new one unless another is named.
    pub recreate: bool,
    /// Whether nothing else is asked for than forwards: a backend that runs is kept as it is, and so are the
    /// sidecars that serve.
    pub forwards_only: bool,
    /// What of it was said.
    pub named: Named,
}

/// What a start names, where it matters whether a value was named or is the usual one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The image.
    pub image: bool,
    /// The privileges.
    pub security: bool,
}

impl Desired {
    /// The names that its containers have.
    #[must_use]
    pub fn container_names(&self) -> Vec<ContainerName> {
        let in_container = self.dialer_directory.is_none() && self.loopback_ports().next().is_some();
        let dialer = in_container.then(|| self.user.dialer());
        let sidecars = self.forwards.iter().map(|forward| self.user.sidecar(forward));
        std::iter::once(self.user.backend()).chain(dialer).chain(sidecars).collect()
    }

    /// The images that somebody named.
    pub fn named_images(&self) -> impl Iterator<Item = &ImageRef> {
        self.named.image.then_some(&self.image).into_iter().chain(self.proxy_image.named())
    }

    /// The ports of the host's loopback that are forwarded: what its dialer gives sockets for.
    pub fn loopback_ports(&self) -> impl Iterator<Item = Ports> {
        self.forwards.iter().filter(|forward| forward.target.is_loopback()).map(Forward::outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_set_aside_is_nobody_elses_and_comes_back() {
        for login in ["ann", "a.b", "replaced-ann"] {
            let name = UserName::from_login(login).unwrap().backend();
            let aside = name.aside("0123456789ab");
            assert_eq!((aside.back(), name.back()), (Some(name), None), "{login}");
            assert_eq!(aside.0, format!("docker-assemble-replaced-{login}.0123456789ab"));
        }
    }
}
