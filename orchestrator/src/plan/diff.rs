//! Which differences between a container and its spec count, and what they lead to.

use std::collections::BTreeMap;
use std::fmt;

use crate::desired::{Desired, Security};
use crate::labels;
use crate::observed::{Container, Observed};
use crate::spec::ContainerSpec;

/// What a difference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Only a new backend can have it: the cache and running builds are at stake.
    Recreate,
    /// A sidecar is replaced; the backend goes on.
    Update,
    /// It stays.
    Ignore,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The reference of the image.
    Image,
    /// What the reference points to: a tag moved.
    ImageContent,
    /// Privileged or not.
    Security,
    /// The volume that keeps the build cache.
    CacheVolume,
    /// The configuration that the daemon was given.
    Config,
    /// The proxies in docker's configuration.
    Proxies,
    /// Something this program chose, in another version of it.
    Defaults,
}

impl Field {
    const fn effect(self) -> Effect {
        match self {
            // The user named each of these.
            Self::Image | Self::Security | Self::CacheVolume | Self::Config => Effect::Recreate,
            // Nobody asked for them at this moment, and a running build is worth more.
            Self::ImageContent | Self::Proxies | Self::Defaults => Effect::Ignore,
        }
    }
}

/// One difference, with both sides in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub field: Field,
    /// What the container has.
    pub has: String,
    /// What was asked for.
    pub asked: String,
}

impl Difference {
    /// What it leads to.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.field.effect()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.field {
            Field::Image => "image",
            Field::ImageContent => "content of the image",
            Field::Security => "security",
            Field::CacheVolume => "cache volume",
            Field::Config => "configuration",
            Field::Proxies => "proxies",
            Field::Defaults => "version of docker assemble",
        };
        write!(f, "{what}: has \"{}\", asked for \"{}\"", self.has, self.asked)
    }
}

/// How the backend differs from the wish that `candidates` were made from.
#[must_use]
pub fn backend(
    desired: &Desired,
    observed: &Observed,
    container: &Container,
    candidates: &[ContainerSpec],
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut note = |field, has: &str, asked: &str| {
        if has != asked {
            differences.push(Difference { field, has: has.to_owned(), asked: asked.to_owned() });
        }
    };

    let same_image = container.image.normalized() == desired.image.normalized();
    if !same_image {
        note(Field::Image, &container.image.0, &desired.image.0);
    } else if let Some(here) = observed.images.get(&desired.image) {
        note(Field::ImageContent, &container.image_id, here);
    }

    let has = if container.privileged { "privileged" } else { "restricted" };
    match desired.security {
        // Either is what `auto` may have come to.
        Security::Auto => {}
        Security::Privileged => note(Field::Security, has, "privileged"),
        Security::Restricted => note(Field::Security, has, "restricted"),
    }

    let has = container.cache_volume.as_ref().map_or("none", |name| &name.0);
    let asked = candidates.iter().find_map(ContainerSpec::cache_volume);
    note(Field::CacheVolume, has, asked.map_or("none", |name| &name.0));

    for (field, label) in [(Field::Config, labels::CONFIG), (Field::Proxies, labels::PROXIES)] {
        let hash = |labels: &BTreeMap<String, String>| {
            labels.get(label).map_or_else(|| "none".to_owned(), Clone::clone)
        };
        note(field, &hash(&container.labels), &hash(&candidates[0].labels));
    }

    if same_image && !candidates.iter().any(|spec| same_settings(spec, container)) {
        let version = |labels: &BTreeMap<String, String>| {
            labels.get(labels::VERSION).map_or_else(|| "unknown".to_owned(), Clone::clone)
        };
        // The same version means the same settings in other words, such as a longer image name.
        note(Field::Defaults, &version(&container.labels), &version(&candidates[0].labels));
    }
    differences
}

/// Whether a sidecar or the dialer has to be replaced. Its image's content counts for nothing: the built-in
/// image has a new name whenever its content changes, and for a user's own a tag that moved is
/// no reason to cut connections.
#[must_use]
pub fn helper(spec: &ContainerSpec, container: &Container) -> Effect {
    if same_settings(spec, container) { Effect::Ignore } else { Effect::Update }
}

fn same_settings(spec: &ContainerSpec, container: &Container) -> bool {
    container.labels.get(labels::SETTINGS).is_some_and(|hash| hash == spec.settings())
}
