//! What a person can do about an engine that fails: one line, behind its error.

use std::error::Error as StdError;
use std::io;

use explained::Explained;

use super::EngineError;
use super::failure::{PULL, UPGRADE_REQUIRED};

/// What may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[hints]
pub enum EngineHint {
    /// There is no socket at that path.
    #[error("is the docker engine installed and running?")]
    Installed,
    /// Nobody listens at that address.
    #[error("is the docker engine running?")]
    Running,
    /// The engine's socket may not be opened.
    #[error("is your user in the group \"docker\"? a new member must log in again")]
    Group,
    /// The connection does not come about in time.
    #[error("is the host up, and does a firewall drop the connection?")]
    HostUp,
    /// The way to the engine is ssh.
    #[error("does 'ssh {host} docker version' work?")]
    Ssh {
        /// Its address.
        host: String,
    },
    /// The engine's certificate is signed by somebody unknown.
    #[error("name the CA of the engine's certificate with --tlscacert")]
    Authority,
    /// The engine's certificate is another host's, or out of date.
    #[error("is it this host's certificate, and still valid?")]
    Certificate,
    /// The engine refuses the client's certificate, or that there is none.
    #[error("the engine wants a client certificate that its CA signed (--tlscert, --tlskey)")]
    ClientCertificate,
    /// The engine does not answer in TLS.
    #[error("the engine does not speak tls there; leave the tls options out")]
    NoTls,
    /// A pull does not go on.
    #[error("the registry may hang; another try goes on from the layers that are there")]
    Registry,
    /// The engine does not answer in time.
    #[error(
        "the engine may be overloaded, or something else listens there; 'docker --host {endpoint} version' shows \
         whether it answers"
    )]
    Overloaded {
        /// Where it is.
        endpoint: String,
    },
    /// The same behind `tcp://`, where TLS may want options.
    #[error(
        "the engine may be overloaded, or something else listens there; 'docker version', with the same options and \
         variables, shows whether it answers"
    )]
    OverloadedFarAway,
    /// Status 401, 403 or 405.
    #[error("an authorization plugin or a proxy in front of the engine forbids it")]
    Forbidden,
    /// Status 426.
    #[error("a proxy in front of the engine passes no upgrade on, which commands in containers need")]
    NoUpgrade,
    /// The engine does not speak the version of its API that was asked for.
    #[error("unset \"DOCKER_API_VERSION\" to let the version be negotiated")]
    ApiVersion,
}

impl EngineError {
    /// What a person can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<EngineHint> {
        match self {
            Self::Unreachable { endpoint, source } => unreachable(endpoint, source.as_ref()),
            Self::Timeout { operation, .. } if operation.verb == PULL => Some(EngineHint::Registry),
            Self::Timeout { endpoint, .. }
                if ["tcp:", "https:", "http:"].iter().any(|way| endpoint.starts_with(way)) =>
            {
                Some(EngineHint::OverloadedFarAway)
            }
            Self::Timeout { endpoint, .. } => Some(EngineHint::Overloaded { endpoint: endpoint.clone() }),
            // A registry refuses pulls, too.
            Self::Refused { status: 401, operation, .. } if operation.verb == PULL => None,
            Self::Refused { status: 401 | 403 | 405, .. } => Some(EngineHint::Forbidden),
            Self::Refused { status: UPGRADE_REQUIRED, .. } => Some(EngineHint::NoUpgrade),
            Self::Refused { status: 400, message, .. } if message.contains("client version") => {
                Some(EngineHint::ApiVersion)
            }
            _ => None,
        }
    }
}

/// Words of rustls, and what they call for. What comes first counts.
const TLS_SIGNS: [(&str, EngineHint); 4] = [
    ("invalid peer certificate: UnknownIssuer", EngineHint::Authority),
    ("invalid peer certificate", EngineHint::Certificate),
    ("received fatal alert", EngineHint::ClientCertificate),
    ("corrupt message", EngineHint::NoTls),
];

fn unreachable(endpoint: &str, source: &(dyn StdError + 'static)) -> Option<EngineHint> {
    let words = source.to_string();
    if let Some((_, hint)) = TLS_SIGNS.into_iter().find(|(sign, _)| words.contains(sign)) {
        return Some(hint);
    }
    if endpoint.starts_with("ssh:") {
        let host = endpoint.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        return Some(EngineHint::Ssh { host });
    }
    match source.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::PermissionDenied => Some(EngineHint::Group),
        io::ErrorKind::NotFound if endpoint.starts_with("unix:") => Some(EngineHint::Installed),
        io::ErrorKind::ConnectionRefused => Some(EngineHint::Running),
        io::ErrorKind::TimedOut => Some(EngineHint::HostUp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::contact::operation;
    use super::*;

    #[test]
    fn an_engine_that_may_want_tls_is_asked_with_the_same_options() {
        for (endpoint, options) in [
            ("unix:///run/docker.sock", false),
            ("ssh://ann@build", false),
            ("tcp://build:2376", true),
            ("https://build:2376", true),
            ("http://build:2375", true),
        ] {
            let (endpoint, operation) = (endpoint.to_owned(), operation("list containers", ""));
            let silent = EngineError::Timeout { endpoint: endpoint.clone(), operation, seconds: 20 };
            let hint = silent.hint().unwrap().to_string();
            assert_eq!(hint.contains("with the same options"), options, "{hint}");
            assert_eq!(hint.contains(&format!("'docker --host {endpoint} version'")), !options, "{hint}");
        }
    }
}
