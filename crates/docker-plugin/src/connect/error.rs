//! Why an engine is not reached.

use std::io;

use explained::Explained;

use super::tls::TlsError;
use crate::authority::AuthorityError;

/// Why no connection to an endpoint can be made.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "part"]
pub enum ConnectError {
    /// An endpoint of a kind that is not spoken, or one that is not understood.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Certificates or a key that are no good.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// `HttpHeaders` of `config.json`, or `DOCKER_CUSTOM_HEADERS`.
    #[error("\"{name}\" is no http header")]
    #[advice = "correct the name"]
    HeaderName {
        /// What is there for a name.
        name: String,
    },
    /// The same.
    #[error("the value of http header \"{name}\" has control characters")]
    #[advice = "correct the value"]
    HeaderValue {
        /// The header.
        name: String,
    },
}

/// What is wrong with an endpoint's host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum AddressError {
    /// `unix://` without a path.
    #[error("the socket's path is missing")]
    #[advice = "write `unix:///PATH`"]
    NoPath,
    /// Another scheme in `--host`, `DOCKER_HOST` or a context.
    #[error("\"{scheme}\" endpoints are not supported, only unix, tcp and ssh")]
    #[advice = "use one of those"]
    Scheme {
        /// What is before `://`.
        scheme: String,
    },
    /// No host, or a bad port.
    #[error("want \"tcp://host:port\"")]
    #[advice = "write it so"]
    Tcp,
    /// No scheme that docker knows.
    #[error("want \"unix:///path\" or \"tcp://host:port\"")]
    #[advice = "write it so"]
    NoScheme,
    /// `https://` alone says nothing of certificates.
    #[error("an https endpoint needs the option \"--tls\" or \"--tlsverify\"")]
    #[advice = "add one of them"]
    NoTls,
    /// `?` or `#` in it.
    #[error("an ssh endpoint takes no query and no fragment")]
    #[advice = "leave them out"]
    SshQuery,
    /// A password in it.
    #[error("an ssh endpoint takes no password")]
    #[advice = "use a key"]
    SshPassword,
    /// A bad port.
    #[error(transparent)]
    SshPort(AuthorityError),
    /// No host in it.
    #[error("want \"ssh://user@host\"")]
    #[advice = "write it so"]
    Ssh,
    /// Other characters in the path.
    #[error("the socket's path may hold letters, digits and \"/._-+@\" only")]
    #[advice = "move the socket"]
    SshPath,
}

/// Why a connection does not come about: inside of an [`io::Error`].
#[derive(Debug, thiserror::Error, Explained)]
#[status = "part"]
pub enum DialError {
    /// Nobody answers at that address.
    #[error("no connection within {seconds} s")]
    #[advice = "is the engine up? a firewall?"]
    Late {
        /// The limit.
        seconds: u64,
    },
    /// Ssh, or the docker command, is missing.
    #[error("cannot run \"{program}\": {error}")]
    #[advice = "install it"]
    Run {
        /// Its name.
        program: String,
        /// The system's reason.
        error: io::Error,
    },
    /// The system refused descriptors to ssh, or to the docker command.
    #[error("\"{program}\" has no pipes")]
    #[advice = "raise the limits"]
    NoPipes {
        /// Its name.
        program: String,
    },
    /// Ssh, or the docker command, gave neither a connection nor a reason.
    #[error("{program} ended without a word")]
    #[advice = "run it by hand"]
    NoWord {
        /// Its name.
        program: String,
    },
    /// It is no engine, or its answer has no end.
    #[error("the answer has more than {mebibytes} MiB")]
    #[advice = "see what listens there"]
    Endless {
        /// The limit.
        mebibytes: u64,
    },
}
