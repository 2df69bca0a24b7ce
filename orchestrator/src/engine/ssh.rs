//! Engines behind ssh: the machine's own ssh client runs `docker system dial-stdio` over there,
//! which joins its standard input and output to the engine's socket.

use std::io;

use tokio::process::Command;

use super::dial::{self, Dialled};

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
    pub(super) fn parse(rest: &str) -> Result<Self, &'static str> {
        if rest.contains(['?', '#']) {
            return Err("an ssh endpoint takes no query and no fragment");
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
            return Err("an ssh endpoint takes no password");
        }
        let name_end = address.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match address[name_end..].split_once(':') {
            Some((name, port)) => (
                &address[..name_end + name.len()],
                Some(port.parse().map_err(|_| "its port is not a number from 1 to 65535")?),
            ),
            None => (address, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // A word that begins with a dash would be an option of ssh.
        if host.is_empty() || host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
            return Err("want \"ssh://user@host\"");
        }
        // The path becomes a word of the remote shell's command line.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte);
        if !path.bytes().all(plain) {
            return Err("the socket's path may hold letters, digits and \"/._-+@\" only");
        }
        Ok(Self {
            user: user.filter(|user| !user.is_empty()).map(str::to_owned),
            host: host.to_owned(),
            port,
            socket: (path.len() > 1).then(|| path.to_owned()),
        })
    }

    /// The arguments of ssh, the same that docker's own client gives it.
    fn arguments(&self) -> Vec<String> {
        let mut words = vec!["-o".to_owned(), format!("ConnectTimeout={CONNECT_SECONDS}"), "-T".to_owned()];
        if let Some(user) = &self.user {
            words.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        words.extend(["--".to_owned(), self.host.clone(), "docker".to_owned()]);
        words.extend(self.socket.as_ref().map(|path| format!("--host=unix://{path}")));
        words.extend(["system".to_owned(), "dial-stdio".to_owned()]);
        words
    }
}

/// Starts ssh. That it cannot connect is known only when the connection is read.
///
/// Ctrl-C on a terminal reaches every process there. What a command has made is taken back over
/// this connection then, so ssh must not hear of it; one that is born deaf to a signal stays so
/// (ssh's `clientloop.c`). A process group of its own would also keep it from asking for the
/// password of a key.
#[cfg(unix)]
pub(super) fn dial(target: &Target) -> io::Result<Dialled> {
    let script = ["-c", "trap '' INT; exec ssh \"$@\"", "ssh"].map(str::to_owned);
    dial::dial("ssh", Command::new("/bin/sh").args(script).args(target.arguments()))
}

/// The same where there is no shell for that.
#[cfg(not(unix))]
pub(super) fn dial(target: &Target) -> io::Result<Dialled> {
    dial::dial("ssh", Command::new("ssh").args(target.arguments()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(rest: &str) -> Result<String, &'static str> {
        Target::parse(rest).map(|target| target.arguments().join(" "))
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
    fn what_docker_refuses_is_refused() {
        for bad in
            ["", "me@", "me:pw@host", "host?x=1", "host#x", "host:x", "-oProxyCommand=x", "-x@host", "h/a;b"]
        {
            assert!(line(bad).is_err(), "{bad}");
        }
    }
}
