//! What the kernel says of a backend: its disk, its confinement, the firewall of its host.

use crate::engine::Engine;
use crate::health::plain;
use crate::observed::Container;
use crate::spec::STATE_DIRECTORY;

/// What the kernel holds a process to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Confinement {
    /// Its capabilities, a bit for each (`CapEff` of proc_pid_status(5)).
    pub(super) capabilities: u64,
    /// Whether a filter judges its system calls (`Seccomp`).
    pub(super) filtered: bool,
    /// Whether no program it runs may gain privileges (`NoNewPrivs`).
    pub(super) no_new_privileges: bool,
    /// The AppArmor profile that is enforced upon it.
    pub(super) apparmor: Option<String>,
}

/// The disk that holds the cache, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) size: u64,
    pub(super) free: u64,
}

pub(super) async fn measure<E: Engine>(engine: &E, backend: &Container) -> Option<Disk> {
    let answer = engine.exec(&backend.id, &["df", "-Pk", STATE_DIRECTORY]).await.ok()?;
    disk(&String::from_utf8_lossy(&answer.output))
}

/// The last line of `df -P -k` (POSIX): the device, 1024-byte blocks in all, used, available, …
fn disk(text: &str) -> Option<Disk> {
    let mut numbers = text.lines().last()?.split_whitespace().skip(1).map(str::parse::<u64>);
    let (size, _used, free) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Disk { size: size.checked_mul(1024)?, free: free.checked_mul(1024)? })
}

pub(super) async fn confined<E: Engine>(engine: &E, backend: &Container) -> Option<Confinement> {
    // The second file cannot be read where there is no such module, which is told after the first.
    let answer = engine.exec(&backend.id, &["cat", "/proc/1/status", "/proc/1/attr/current"]).await.ok()?;
    confinement(&String::from_utf8_lossy(&answer.output))
}

/// Reads proc_pid_status(5), and behind it a line such as `docker-default (enforce)`.
fn confinement(text: &str) -> Option<Confinement> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // SECCOMP_MODE_FILTER of linux/seccomp.h.
    let filtered = field("Seccomp:") == Some("2");
    let no_new_privileges = field("NoNewPrivs:") == Some("1");
    let apparmor = text.lines().find_map(|line| line.trim_end_matches('\0').strip_suffix(" (enforce)"));
    Some(Confinement {
        capabilities: u64::from_str_radix(field("CapEff:")?, 16).ok()?,
        filtered,
        no_new_privileges,
        apparmor: apparmor.map(plain),
    })
}

pub(super) fn conntrack() -> Option<(u64, u64)> {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}")).ok()?;
        text.trim().parse().ok()
    };
    Some((read("count")?, read("max")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_confines_a_process_is_read() {
        let status =
            "Name:\tbuildkitd\nCapEff:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n";
        let free = Confinement {
            capabilities: 0x1ff_ffff_ffff,
            filtered: false,
            no_new_privileges: false,
            apparmor: None,
        };
        for text in ["", "unconfined\n", "cat: read error: Invalid argument\n"] {
            assert_eq!(confinement(&format!("{status}{text}")), Some(free.clone()));
        }
        let text = status.replace("Seccomp:\t0", "Seccomp:\t2") + "docker-default (enforce)\n";
        let apparmor = Some("docker-default".to_owned());
        assert_eq!(confinement(&text), Some(Confinement { filtered: true, apparmor, ..free.clone() }));
        let text = status.replace("NoNewPrivs:\t0", "NoNewPrivs:\t1");
        assert_eq!(confinement(&text), Some(Confinement { no_new_privileges: true, ..free }));
        assert_eq!(confinement("cat: not found"), None);
    }

    #[test]
    fn the_table_of_df_is_read() {
        let text = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n\
                    /dev/vda         264212084 29098880  66187008      31% /var/lib/buildkit\n";
        assert_eq!(disk(text), Some(Disk { size: 264_212_084 * 1024, free: 66_187_008 * 1024 }));
        for bad in
            ["", "df: not found", "x 1 2", "x 1 2 99999999999999999999 1% /", "x 1 2 18446744073709551615 /"]
        {
            assert_eq!(disk(bad), None, "{bad}");
        }
    }
}
