//! The settings of a backend that options of a start choose and that stay with its container. All that is
//! known of one stands here: its value, its words, and the engine's field for it.

mod api;
mod choice_error;
mod chosen;
pub mod csv;
mod grammar;
mod table;
mod values;

pub(crate) use api::LAST_OWN_ARGUMENT;
pub use choice_error::ChoiceError;
pub use chosen::Chosen;
pub use grammar::NETWORK_HOST;
pub use table::{Choice, Row, Words};

use serde::{Deserialize, Serialize};

use super::{UserName, VolumeName};

/// The settings that a wish names, that a container is made with, or that one has.
///
/// Written with serde they are a part of the engine's `HostConfig`: a setting that has a field there is
/// made and seen by its name alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How much the backend may do.
    #[serde(rename = "Privileged", default = "restricted", skip_serializing_if = "Security::is_auto")]
    pub security: Security,
    /// The volume that keeps the build cache. Without one a wish means that of
    /// [`UserName::cache_volume`] where it exists, and a container has an anonymous one.
    #[serde(skip)]
    pub cache_volume: Option<VolumeName>,
    /// Those that stay as a backend has them where a start does not name them.
    #[serde(skip)]
    pub chosen: Chosen,
}

impl Settings {
    /// These, and those of `other` that are not named here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let Self { security, cache_volume, chosen } = self;
        Self {
            security: if security.is_auto() { other.security } else { security },
            cache_volume: cache_volume.or(other.cache_volume),
            chosen: chosen.over(&other.chosen),
        }
    }
}

/// One of them, as people meet it.
#[derive(Debug)]
pub struct Setting {
    /// The option of a start that asks for it.
    pub option: &'static str,
    /// What a difference calls it.
    pub name: &'static str,
    /// What that option would be given; `None` where there is nothing to ask for.
    pub value: fn(&Settings) -> Option<String>,
    /// What a start without the option comes to.
    pub usual: fn(&UserName) -> Option<String>,
}

/// All of them, in the order in which differences are told.
pub const SETTINGS: [Setting; 2] = [
    Setting {
        option: "security",
        name: "security",
        value: |settings| settings.security.word().map(str::to_owned),
        usual: |_| Security::Privileged.word().map(str::to_owned),
    },
    Setting {
        option: "cache-volume",
        name: "cache volume",
        value: |settings| settings.cache_volume.as_ref().map(ToString::to_string),
        usual: |user| Some(user.cache_volume().to_string()),
    },
];

/// How much the backend container may do on the engine's host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Security {
    /// Privileged, and the restricted set where the engine refuses that: no container's.
    #[default]
    Auto,
    /// Privileged, as buildx does it.
    Privileged,
    /// The smallest set that runs whole builds.
    Restricted,
}

impl Security {
    const fn is_auto(&self) -> bool {
        matches!(self, Self::Auto)
    }

    const fn word(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Privileged => Some("privileged"),
            Self::Restricted => Some("restricted"),
        }
    }
}

impl From<bool> for Security {
    fn from(privileged: bool) -> Self {
        if privileged { Self::Privileged } else { Self::Restricted }
    }
}

impl From<Security> for bool {
    fn from(security: Security) -> Self {
        security == Security::Privileged
    }
}

const fn restricted() -> Security {
    Security::Restricted
}

#[cfg(test)]
mod tests;
