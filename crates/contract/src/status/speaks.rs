//! What a target makes of a request in plain HTTP.

use serde::{Deserialize, Serialize};

/// What a target makes of a request in plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SpeaksObject", into = "SpeaksObject")]
pub enum Speaks {
    /// HTTP.
    Http {
        /// Whether it says of itself that it is a registry.
        registry: bool,
        /// The status of its answer.
        status: u16,
    },
    /// TLS: it refuses the request for being plain.
    Tls,
    /// It ended the connection without a word.
    Closed,
    /// It said nothing in time.
    Silent,
    /// Something else.
    Other,
}

/// [`Speaks`] as it is written. By hand: what serde has for enums with a tag would take 15 kB of the
/// sidecar.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SpeaksObject {
    protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl Speaks {
    const fn protocol(self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Tls => "tls",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Other => "other",
        }
    }
}

impl From<Speaks> for SpeaksObject {
    fn from(speaks: Speaks) -> Self {
        let protocol = speaks.protocol().to_owned();
        match speaks {
            Speaks::Http { registry, status } => {
                Self { protocol, registry: Some(registry), status: Some(status) }
            }
            _ => Self { protocol, ..Self::default() },
        }
    }
}

impl From<SpeaksObject> for Speaks {
    fn from(object: SpeaksObject) -> Self {
        let http =
            object.registry.zip(object.status).map(|(registry, status)| Self::Http { registry, status });
        let mut all = http.into_iter().chain([Self::Tls, Self::Closed, Self::Silent]);
        all.find(|speaks| speaks.protocol() == object.protocol).unwrap_or(Self::Other)
    }
}
