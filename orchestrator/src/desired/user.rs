//! Whose backend it is, as names have it.

use std::collections::BTreeMap;
use std::fmt;

use super::{BackendName, ContainerName, VolumeName};
use crate::digest;
use crate::forward::Forward;
use crate::labels;

/// How much of a login is kept. The longest name that is made from it is a file's too, that of a
/// volume's directory, and Linux' file systems take 255 bytes.
const LONGEST: usize = 180;

/// What stands between a login that cannot be a name as it is and its hash.
const MARK: &str = "--";

/// How many bytes of the hash are added, each as two digits.
const HASH_BYTES: usize = 4;

/// The user a backend belongs to, fit to be part of a container name, and nobody else's.
///
/// A login that can be a part of a name is one as it is. Of all others a Windows `DOMAIN\` is
/// dropped, each run of characters that the engine refuses in names (outside `[a-zA-Z0-9_.-]`)
/// becomes one `-`, and `--` and a hash of the whole login are added, so that `CORP\jane`,
/// `LAB\jane` and `jane` are three users.
///
/// A user may have more than one backend: each of the others has a name, and to containers and volumes it
/// is as if another user had it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName {
    name: String,
    /// Whose backend it is, and its name among theirs; nothing for the one that needs no name.
    named: Option<(String, BackendName)>,
}

impl UserName {
    /// Maps a login name; `None` when there is no letter and no digit in it.
    #[must_use]
    pub fn from_login(login: &str) -> Option<Self> {
        if !login.chars().any(char::is_alphanumeric) {
            return None;
        }
        if is_plain(login) {
            return Some(Self { name: login.to_owned(), named: None });
        }
        let short = login.rsplit('\\').next().unwrap_or(login);
        let mut name = String::with_capacity(login.len());
        for c in short.chars() {
            if is_fit(c) {
                name.push(c);
            } else if !name.ends_with('-') {
                name.push('-');
            }
        }
        name.truncate(LONGEST);
        let hash = digest::hex(login, HASH_BYTES);
        Some(Self { name: format!("{}{MARK}{hash}", name.trim_matches('-')), named: None })
    }

    /// The same user with the backend of this name in mind.
    ///
    /// The hash is of both, with what is in no login between them, and no login with such an ending is
    /// used as it is: so neither another login nor another pair makes the same names.
    #[must_use]
    pub fn with_backend(&self, backend: &BackendName) -> Self {
        let owner = self.owner().to_owned();
        if backend.is_usual() {
            return Self { name: owner, named: None };
        }
        let hash = digest::hex(format!("{owner}\0{backend}"), HASH_BYTES);
        let ending = format!("-{backend}{MARK}{hash}");
        let mut name = owner.clone();
        name.truncate(LONGEST.saturating_sub(ending.len()));
        Self { name: format!("{name}{ending}"), named: Some((owner, backend.clone())) }
    }

    /// The user, whichever backend is in mind.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.named.as_ref().map_or(&self.name, |(owner, _)| owner)
    }

    /// The labels by which containers and volumes are known to be this backend's.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut all = vec![(labels::USER, &self.name)];
        let name = self.named.as_ref().map(|(owner, backend)| (owner, backend.to_string()));
        if let Some((owner, name)) = &name {
            all.extend([(labels::OWNER, *owner), (labels::NAME, name)]);
        }
        all.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }

    /// The name of this user's backend container.
    #[must_use]
    pub fn backend(&self) -> ContainerName {
        ContainerName(format!("{}{self}", ContainerName::PREFIX))
    }

    /// The name of the sidecar of a forward: it ends with the ports inside and, where those are
    /// others, the ports outside.
    #[must_use]
    pub fn sidecar(&self, forward: &Forward) -> ContainerName {
        let (inside, outside) = (forward.ports, forward.outside());
        let mapped = if inside == outside { String::new() } else { format!("-to-{outside}") };
        ContainerName(format!("docker-assemble-backend-{self}-proxy-port-{inside}{mapped}"))
    }

    /// The name of the container that leads to the host's loopback.
    #[must_use]
    pub fn dialer(&self) -> ContainerName {
        ContainerName(format!("docker-assemble-backend-{self}-dialer"))
    }

    /// The volume with that container's socket.
    #[must_use]
    pub fn dialer_volume(&self) -> VolumeName {
        VolumeName(format!("docker-assemble-backend-{self}-dialer"))
    }

    /// The volume that is used as the build cache when it exists.
    #[must_use]
    pub fn cache_volume(&self) -> VolumeName {
        VolumeName(format!("docker-assemble-backend-cache-{self}"))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Whether the engine takes this character in names.
const fn is_fit(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// Whether a login is used as it is. One that looks like what is made from others is not, or it
/// could be somebody else's: what ends in a hash, in what the names of the other containers and
/// volumes end in.
fn is_plain(login: &str) -> bool {
    let is_hash = |end: &str| end.len() == 2 * HASH_BYTES && end.bytes().all(|b| b.is_ascii_hexdigit());
    let made = login.rsplit_once(MARK).is_some_and(|(_, end)| is_hash(end))
        || login.ends_with("-dialer")
        || login.contains("-proxy-port-");
    login.len() <= LONGEST && login.chars().all(is_fit) && !made
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
