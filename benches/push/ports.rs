//! The start and the stop of a backend with so many ports in a row.

use std::fs::read_to_string;
use std::time::Instant;

use crate::report::What;
use crate::support::{Backend, inspect};

/// The first of the ports inside.
const FIRST: u16 = 20_000;

/// How long a start and a stop take, and what the sidecars and their shims take of memory.
pub(crate) fn measure(many: u16) -> Vec<(What, f64)> {
    let backend = Backend::new();
    let last = FIRST + many - 1;
    let ports = if many == 1 { FIRST.to_string() } else { format!("{FIRST}-{last}") };
    let began = Instant::now();
    backend.forward(&ports);
    let start = began.elapsed().as_secs_f64();
    let (mut sidecars, mut shims) = (0.0, 0.0);
    for container in backend.containers() {
        let container = inspect(&container);
        if container["Name"] == *format!("/{}", backend.name()) {
            continue;
        }
        let pid = container["State"]["Pid"].as_u64().expect("it runs");
        sidecars += resident(pid);
        shims += resident(parent(pid));
    }
    let began = Instant::now();
    backend.run(&["stop"]).ok();
    let stop = began.elapsed().as_secs_f64();
    vec![(What::Start, start), (What::Stop, stop), (What::Sidecars, sidecars), (What::Shims, shims)]
}

/// A field of /proc/PID/status (proc_pid_status(5)).
fn field(pid: u64, name: &str) -> u64 {
    let status = read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
    value
        .trim_matches([':', ' ', '\t'])
        .split(' ')
        .next()
        .and_then(|value| value.parse().ok())
        .expect("a number")
}

/// What it has in memory, in MiB.
fn resident(pid: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "kibibytes of one process")]
    let kib = field(pid, "VmRSS") as f64;
    kib / 1024.0
}

fn parent(pid: u64) -> u64 {
    field(pid, "PPid")
}
