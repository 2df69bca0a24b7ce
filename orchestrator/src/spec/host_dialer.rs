//! The process that leads to the host's loopback for the sidecars, where no container of the engine's
//! is in the host's network.

use std::collections::BTreeSet;

use assemble_contract::argv;
use assemble_contract::image::{DIALER_DIRECTORY, DIALER_SOCKET, NAME};

use super::Mount;
use crate::desired::{Desired, ProxyImage};

/// A process of the user who runs this program, on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostDialer {
    /// Where its socket and its program are.
    pub directory: String,
    /// The name of its program there, which is another one for another version.
    pub program: String,
    /// The arguments of that.
    pub args: Vec<String>,
}

impl HostDialer {
    /// The one that has this command line.
    #[must_use]
    pub fn of(directory: &str, command: &[String]) -> Option<Self> {
        let (program, args) = command.split_first()?;
        let program = program.strip_prefix(directory)?.strip_prefix('/')?.to_owned();
        Some(Self { directory: directory.to_owned(), program, args: args.to_vec() })
    }

    /// Its whole command line.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let program = format!("{}/{}", self.directory, self.program);
        std::iter::once(program).chain(self.args.iter().cloned()).collect()
    }
}

/// The dialer, when a forward needs one that is a process.
#[must_use]
pub fn host_dialer(desired: &Desired) -> Option<HostDialer> {
    let directory = desired.dialer_directory.clone()?;
    let ports: BTreeSet<_> = desired.loopback_ports().collect();
    let version = match &desired.proxy_image {
        ProxyImage::BuiltIn { image, .. } => image.0.rsplit(':').next().unwrap_or_default(),
        ProxyImage::Custom(_) => env!("CARGO_PKG_VERSION"),
    };
    (!ports.is_empty()).then(|| HostDialer {
        program: format!("{NAME}-{version}"),
        args: argv::dial(&socket(&directory), &ports.into_iter().collect()),
        directory,
    })
}

/// Where the dialer of that directory listens.
#[must_use]
pub fn socket(directory: &str) -> String {
    DIALER_SOCKET.replace(DIALER_DIRECTORY, directory)
}

/// That directory where a sidecar finds it.
pub(super) fn mount(directory: &str) -> Mount {
    Mount::Bind { source: directory.to_owned(), target: DIALER_DIRECTORY.to_owned(), read_only: true }
}
