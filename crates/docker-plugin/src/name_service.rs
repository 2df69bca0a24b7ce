//! What the system's name service knows: addresses of hosts, accounts of users.
//!
//! It is made of libraries that nsswitch.conf(5) names. A program that is linked statically cannot load
//! them: glibc tries all the same, and such a program of Debian 12 crashes on Debian 11 to 13 for a user in
//! no file (`systemd`), and on 11 and 13 for a host in no file (`mdns4_minimal`). It asks getent(1), which
//! comes with every C library that has them.

#![expect(clippy::disallowed_methods, reason = "here they are behind a condition")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::process::Command;

use crate::bounded;

/// Whether this program has to ask getent(1).
const IS_STATIC: bool = cfg!(all(target_os = "linux", target_feature = "crt-static"));

/// How long it has to tell of an account, which may be kept by another machine.
const ACCOUNT_LIMIT: Duration = Duration::from_secs(10);

/// With what getent(1) ends where it does not know such a question: it is another one than glibc's.
const USAGE: [Option<i32>; 2] = [Some(1), Some(3)];

/// The addresses of a host, which may be one itself, best first.
///
/// # Errors
/// Nobody knows the host.
pub async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if IS_STATIC && host.parse::<IpAddr>().is_err() {
        let mut getent = Command::new("getent");
        let asked = bounded::output(getent.args(["ahosts", host])).await;
        // Where there is none, or one that knows no hosts, there are no modules either, and files and DNS are in
        // every C library.
        if let Some(output) = asked.ok().filter(|output| !USAGE.contains(&output.status.code())) {
            let found = addresses(&String::from_utf8_lossy(&output.stdout));
            // By its status a name that nobody knows is the same as a name service that does not answer.
            if found.is_empty() {
                return Err(io::Error::other(format!("no name service tells where \"{host}\" is")));
            }
            return Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
        }
    }
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// The addresses at the beginnings of lines, as getent(1) prints them, each once, without their scopes.
#[must_use]
pub fn addresses(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let address = |line: &str| line.split_whitespace().next()?.split('%').next()?.parse().ok();
    for ip in text.lines().filter_map(address) {
        if !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
}

/// The name and the home directory of the user that this process runs as. The system is asked once, since a name
/// service may be slow.
#[must_use]
pub fn account() -> Option<(String, PathBuf)> {
    static ACCOUNT: OnceLock<Option<(String, PathBuf)>> = OnceLock::new();
    ACCOUNT.get_or_init(ask_for_account).clone()
}

#[cfg(unix)]
fn ask_for_account() -> Option<(String, PathBuf)> {
    use nix::unistd::{Uid, User};
    let uid = Uid::effective();
    if !IS_STATIC {
        return User::from_uid(uid).ok().flatten().map(|user| (user.name, user.dir));
    }
    let uid = uid.to_string();
    let mut getent = Command::new("getent");
    getent.args(["passwd", &uid]);
    let asked = bounded::output_within(ACCOUNT_LIMIT, getent);
    let text = asked.map(|output| output.stdout).or_else(|_| bounded::read("/etc/passwd")).ok()?;
    account_in(&String::from_utf8_lossy(&text), &uid)
}

/// Nobody is known by a number.
#[cfg(not(unix))]
fn ask_for_account() -> Option<(String, PathBuf)> {
    None
}

/// The account of a user in lines of passwd(5).
#[cfg(unix)]
fn account_in(text: &str, uid: &str) -> Option<(String, PathBuf)> {
    text.lines().find_map(|line| match line.split(':').collect::<Vec<_>>()[..] {
        [name, _, id, _, _, home, _] if id == uid => Some((name.to_owned(), home.into())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_that_is_printed_counts_once() {
        let text = "2001:db8::1     STREAM engine.lan\n2001:db8::1     DGRAM\n192.0.2.9       STREAM\n";
        assert_eq!(addresses(text), ["2001:db8::1", "192.0.2.9"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(
            addresses("fe80::1%eth0    STREAM printer.local\n"),
            ["fe80::1".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(addresses("usage: getent database [key ...]\n\n"), [] as [IpAddr; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn an_account_is_found_by_its_number() {
        let text = "root:x:0:0:root:/root:/bin/bash\nbuilder:x:1000:100:,,,:/home/builder:/bin/sh\nodd\n";
        assert_eq!(account_in(text, "1000"), Some(("builder".to_owned(), "/home/builder".into())));
        assert_eq!(account_in(text, "100"), None);
    }
}
