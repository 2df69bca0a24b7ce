//! A build cache that BuildKit cannot read any more: it ends at every start then, and so does its
//! successor with the same volume.

use explained::Explained;

use super::log_end;
use crate::desired::VolumeName;
use crate::engine::Engine;
use crate::observed::Container;

/// How many last lines of the log are searched. An older BuildKit puts the way through its source
/// behind the reason.
const LINES: u64 = 200;

/// What BuildKit's databases say of a file that is none of theirs, or not whole (the errors of
/// go.etcd.io/bbolt).
const SIGNS: [&str; 4] = ["invalid database", "file size too small", "checksum error", "version mismatch"];

/// What a backend's log says of its cache.
pub(super) async fn find<E: Engine>(engine: &E, backend: &Container) -> Option<Damage> {
    let volume = backend.settings.cache_volume.clone();
    let damage = || volume.map_or(Damage::Own, Damage::Volume);
    tells_of_damage(&log_end::end(engine, backend, LINES).await).then(damage)
}

/// What BuildKit says when it serves: whatever stands before it in a log is of no interest.
const SERVES: &str = "running server on ";

/// How many lines the log of a backend has at most that has never served, and has ended by itself each time
/// that the engine started it again.
const SHORT: u64 = 1000;

/// Whether it is known that BuildKit has not served in this container, ever: nothing is in its cache, then.
/// The beginning of a long log may be gone, and some logs cannot be read.
pub(super) async fn has_never_served<E: Engine>(engine: &E, backend: &Container) -> bool {
    let Some(log) = log_end::whole_end(engine, backend, SHORT).await else { return false };
    let lines = log.lines().count() as u64;
    (1..SHORT).contains(&lines) && !log.contains(SERVES)
}

fn tells_of_damage(log: &str) -> bool {
    let last_run = log.rfind(SERVES).map_or(log, |at| &log[at..]);
    let mut reasons = last_run.lines().filter_map(|line| line.strip_prefix("buildkitd: "));
    reasons.any(|why| SIGNS.iter().any(|sign| why.contains(sign)))
}

/// What is the matter, with the commands after which a start begins with an empty cache.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "part"]
pub enum Damage {
    /// A disk that was full or was switched off, for example.
    #[error(
        "the build cache in volume \"{volume}\" is damaged; 'docker assemble backend stop', \
         'docker volume rm {volume}' and 'docker volume create {volume}' put an empty one in its place",
        volume = .0
    )]
    #[advice = "run these commands; a named volume outlives every backend"]
    Volume(VolumeName),
    /// The same, without a volume of its own.
    #[error("its build cache is damaged; 'docker assemble backend stop' removes it")]
    #[advice = "run this command"]
    Own,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_from_other_ends() {
        for log in [
            "level=info\nbuildkitd: invalid database\nfailed to open database file /var/lib/buildkit/cache.db\nmain.main\n",
            "buildkitd: file size too small\n",
            "buildkitd: failed to open database file: checksum error\n",
        ] {
            assert!(tells_of_damage(log), "{log}");
        }
        let mended = "buildkitd: invalid database\nlevel=info msg=\"running server on /run/buildkit/buildkitd.sock\"\n";
        for log in [mended, "", "buildkitd: permission denied\n", "level=error msg=\"invalid database\"\n"] {
            assert!(!tells_of_damage(log), "{log}");
        }
    }
}
