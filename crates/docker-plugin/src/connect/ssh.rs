//! Engines behind ssh: the machine's own ssh client runs `docker system dial-stdio` over there,
//! which joins its standard input and output to the engine's socket (docker/cli, `cli/connhelper`).
//!
//! The user's own ssh, and no library: it alone reads all of ssh_config(5), asks for passwords, and finds
//! agents and hardware keys.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::dial::{self, ProgramStream};
use super::error::AddressError;
use crate::authority::{Authority, AuthorityError};
use crate::bounded;

/// How long ssh may take to connect, as docker's own client has it.
const CONNECT_SECONDS: &str = "30";

/// Who and where, of `ssh://[user@]host[:port][/path/to/docker.sock]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// The engine's socket over there; docker's own idea of it when absent.
    socket: Option<String>,
}

impl Target {
    /// Takes apart what follows `ssh://`, and refuses what docker refuses.
    pub(super) fn parse(rest: &str) -> Result<Self, AddressError> {
        if rest.contains(['?', '#']) {
            return Err(AddressError::SshQuery);
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(AddressError::SshPassword);
        }
        let Authority { host, port } = address.parse().map_err(|error| match error {
            AuthorityError::Host => AddressError::Ssh,
            AuthorityError::Port => AddressError::SshPort(error),
        })?;
        // A word that begins with a dash would be an option of ssh.
        if host.is_empty() || host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
            return Err(AddressError::Ssh);
        }
        // The path becomes a word of the remote shell's command line.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte);
        if !path.bytes().all(plain) {
            return Err(AddressError::SshPath);
        }
        Ok(Self {
            user: user.filter(|user| !user.is_empty()).map(str::to_owned),
            host,
            port,
            socket: (path.len() > 1).then(|| path.to_owned()),
        })
    }

    /// The host, with the options that say who and where.
    fn address(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(user) = &self.user {
            words.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        words.extend(["--".to_owned(), self.host.clone()]);
        words
    }

    /// The arguments of ssh, the same that docker's own client gives it, and `sharing`.
    fn arguments(&self, sharing: &[String]) -> Vec<String> {
        let mut words = vec!["-o".to_owned(), format!("ConnectTimeout={CONNECT_SECONDS}"), "-T".to_owned()];
        words.extend_from_slice(sharing);
        words.extend(self.address());
        words.push("docker".to_owned());
        words.extend(self.socket.as_ref().map(|path| format!("--host=unix://{path}")));
        words.extend(["system".to_owned(), "dial-stdio".to_owned()]);
        words
    }
}

/// How long the login outlasts its last connection, in seconds: more than the pause between two
/// requests of a command, and little for a process that nobody waits for.
const PERSIST_SECONDS: u32 = 2;

/// The longest path of a control socket, in bytes: that of a socket file (unix(7)) less the
/// letters that ssh puts behind it while it makes one.
const SOCKET_BYTES: usize = 108 - 1 - 17;

/// The login that all connections of this process go through, where ssh can share one
/// (`ControlMaster` of ssh_config(5)). A server that takes no more sessions of one login is
/// logged in to once more; ssh does that by itself.
#[derive(Default)]
pub(super) struct Login(OnceCell<Option<(Socket, OwnedSemaphorePermit)>>);

impl Login {
    /// Starts ssh. That it cannot connect is known only when the connection is read.
    ///
    /// A login that is shared has one of the `turns` for itself: where it takes no session more, each
    /// further connection is a login beside it.
    pub(super) async fn dial(&self, target: &Target, turns: &Arc<Semaphore>) -> io::Result<ProgramStream> {
        let share = async || {
            let socket = Socket::new(target).await?;
            Some((socket, Arc::clone(turns).try_acquire_owned().ok()?))
        };
        let shared = self.0.get_or_init(share).await;
        let sharing = shared.as_ref().map(|(socket, _)| socket.options()).unwrap_or_default();
        dial(&target.arguments(&sharing))
    }
}

/// Where the first connection leaves a way for the others: a socket in a directory of its own, since
/// ssh believes whoever listens there.
struct Socket(PathBuf);

impl Socket {
    /// `None` where ssh cannot share, or does as its configuration says.
    async fn new(target: &Target) -> Option<Self> {
        let mut asking = Command::new("ssh");
        asking.arg("-G").args(target.address()).stdin(Stdio::null());
        let told = bounded::output(&mut asking).await.ok().filter(|told| told.status.success())?;
        shares_nothing(&String::from_utf8_lossy(&told.stdout)).then(Self::make)?
    }

    #[cfg(not(unix))]
    fn make() -> Option<Self> {
        None
    }

    #[cfg(unix)]
    fn make() -> Option<Self> {
        let directory = nix::unistd::mkdtemp(&std::env::temp_dir().join("docker-ssh-XXXXXX")).ok()?;
        let socket = Self(directory);
        fits(&socket.path()).then_some(socket)
    }

    fn path(&self) -> PathBuf {
        self.0.join("ssh")
    }

    fn options(&self) -> Vec<String> {
        let path = format!("ControlPath={}", self.path().display());
        let persist = format!("ControlPersist={PERSIST_SECONDS}");
        ["ControlMaster=auto".to_owned(), path, persist]
            .into_iter()
            .flat_map(|option| ["-o".to_owned(), option])
            .collect()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Whether `ssh -G` names no control socket of the user's own, which may have a login already.
fn shares_nothing(configuration: &str) -> bool {
    // Without such a line it is no OpenSSH, or one too old to know.
    configuration.lines().any(|line| line.starts_with("hostname "))
        && !configuration.lines().any(|line| line.starts_with("controlpath "))
}

/// Whether ssh takes a path as it is: no letter of it means something in its configuration.
fn fits(path: &Path) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte);
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.len() <= SOCKET_BYTES && bytes.iter().all(plain)
}

/// Starts ssh with these arguments.
fn dial(arguments: &[String]) -> io::Result<ProgramStream> {
    dial::dial_at_terminal("ssh", Command::new("ssh").args(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(rest: &str) -> Result<String, AddressError> {
        Target::parse(rest).map(|target| target.arguments(&[]).join(" "))
    }

    #[test]
    fn the_command_line_is_dockers() {
        let head = "-o ConnectTimeout=30 -T";
        let cases = [
            ("host", "-- host docker system dial-stdio"),
            ("me@host:2222", "-l me -p 2222 -- host docker system dial-stdio"),
            ("me@[::1]:22/", "-l me -p 22 -- ::1 docker system dial-stdio"),
            (
                "host/run/user/1000/docker.sock",
                "-- host docker --host=unix:///run/user/1000/docker.sock system dial-stdio",
            ),
        ];
        for (rest, words) in cases {
            assert_eq!(line(rest), Ok(format!("{head} {words}")), "{rest}");
        }
    }

    #[test]
    fn a_login_is_shared_unless_the_user_shares_one() {
        assert!(shares_nothing("user me\nhostname far\ncontrolmaster false\n"));
        assert!(!shares_nothing("hostname far\ncontrolmaster auto\ncontrolpath /run/me/%C\n"));
        assert!(!shares_nothing("usage: plink\n"));
    }

    #[test]
    fn a_control_socket_has_a_short_and_plain_path() {
        assert!(fits(Path::new("/tmp/docker-ssh-aB3dE6/ssh")));
        assert!(!fits(Path::new("/tmp/%h/ssh")) && !fits(Path::new("/tmp/a b/ssh")));
        assert!(!fits(&Path::new("/tmp").join("x".repeat(SOCKET_BYTES))));
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for bad in
            ["", "me@", "me:pw@host", "host?x=1", "host#x", "host:x", "-oProxyCommand=x", "-x@host", "h/a;b"]
        {
            assert!(line(bad).is_err(), "{bad}");
        }
    }
}
