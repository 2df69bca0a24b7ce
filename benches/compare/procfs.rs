//! What the kernel tells about processes and cores, read from /proc (proc(5)).

use std::fmt;
use std::fs;
use std::iter::Sum;
use std::str::FromStr;
use std::time::Instant;

use rustix::process::Pid;

/// Clock ticks a second of the times in /proc, the same on every Linux (`USER_HZ`).
const TICKS: f64 = 100.0;

/// One line of `/proc/PID/stat`.
struct Stat {
    pid: i32,
    parent: i32,
    /// User and system time of all its threads and of its children that were waited for.
    ticks: u64,
}

fn stats() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; the third field follows it.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks = (14..=17).map(number).sum::<Option<u64>>()?;
        Some(Stat { pid, parent: fields.get(1)?.parse().ok()?, ticks })
    })
    .collect()
}

/// A process and all that descend from it.
fn tree(all: &[Stat], root: Pid) -> Vec<&Stat> {
    let mut found: Vec<&Stat> = all.iter().filter(|stat| stat.pid == root.as_raw_pid()).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|stat| stat.pid) {
        found.extend(all.iter().filter(|stat| stat.parent == parent));
        next += 1;
    }
    found
}

/// CPU times at one moment, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Clocks {
    /// The moment, since some other one.
    pub(crate) at: f64,
    /// What each of some processes has used with its descendants, ended ones included if waited
    /// for.
    pub(crate) used: Vec<f64>,
    /// How long each core has been busy.
    pub(crate) cores: Vec<f64>,
}

impl Clocks {
    pub(crate) fn now(since: Instant, of: &[Pid]) -> Self {
        let all = stats();
        #[expect(clippy::cast_precision_loss, reason = "not so many ticks")]
        let used = |root: &Pid| tree(&all, *root).iter().map(|stat| stat.ticks).sum::<u64>() as f64 / TICKS;
        Self { used: of.iter().map(used).collect(), cores: cores_busy(), at: since.elapsed().as_secs_f64() }
    }
}

/// `AT USED,… CORE,…`
impl fmt::Display for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        write!(f, "{} {} {}", self.at, list(&self.used), list(&self.cores))
    }
}

impl FromStr for Clocks {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [at, used, cores] = fields[..] else { anyhow::bail!("\"{text}\" are no clocks") };
        let list = |text: &str| text.split(',').map(str::parse).collect::<Result<_, _>>();
        Ok(Self { at: at.parse()?, used: list(used)?, cores: list(cores)? })
    }
}

/// What a process and its descendants hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holdings {
    /// User memory in bytes, shared pages split among their users.
    pub(crate) pss: f64,
    /// The part of it that is no file's.
    pub(crate) anonymous: f64,
    /// Descriptors.
    pub(crate) descriptors: f64,
}

impl Sum for Holdings {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            pss: sum.pss + one.pss,
            anonymous: sum.anonymous + one.anonymous,
            descriptors: sum.descriptors + one.descriptors,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "not so much memory")]
pub(crate) fn holdings(root: Pid) -> Holdings {
    let mut sum = Holdings::default();
    let all = stats();
    for Stat { pid, .. } in tree(&all, root) {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let kilobytes = |key: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) as f64
        };
        sum.pss += kilobytes("Pss:") * 1024.0;
        sum.anonymous += kilobytes("Pss_Anon:") * 1024.0;
        sum.descriptors += fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count) as f64;
    }
    sum
}

/// Whether something listens on a port, of whichever IPv4 address, in a process's network, which is
/// another one than ours: before it has entered that, others may listen on that port here.
pub(crate) fn listens(network_of: Pid, port: u16) -> bool {
    let network = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).ok();
    let pid = network_of.as_raw_pid().to_string();
    if network(&pid) == network("self") {
        return false;
    }
    let table = format!("/proc/{pid}/net/tcp");
    table_listens(&fs::read_to_string(table).unwrap_or_default(), port)
}

/// The same of the text of a `/proc/net/tcp`.
pub(crate) fn table_listens(table: &str, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        matches!(fields[..], [_, local, _, LISTEN, ..] if local.ends_with(&suffix))
    })
}

/// Seconds each core has been busy, and stolen from by the hypervisor, since the machine started.
fn cores_busy() -> Vec<f64> {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "))
        .map(|line| {
            let times: Vec<f64> = line.split(' ').skip(1).filter_map(|time| time.parse().ok()).collect();
            // user nice system idle iowait irq softirq steal; guest times are in user already.
            times.iter().take(8).enumerate().filter(|(i, _)| !matches!(i, 3 | 4)).map(|(_, t)| t).sum::<f64>()
                / TICKS
        })
        .collect()
}

/// Load averages, as text.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
