//! Facts for the checks. Each has a deadline, and one that cannot be had is a fact too.

use std::time::Duration;

use assemble_contract::argv::Question;
use docker_plugin::output::causes;
use tokio::time::timeout;

use crate::buildkit::{Client, Worker};
use crate::commands::builder::Registered;
use crate::commands::health::{self, Examined};
use crate::commands::remains::{Remains, left_behind};
use crate::commands::start::{START, Start, again, proxies_in_vain};
use crate::commands::{damage, namespaces, observe};
use crate::desired::{ContainerName, HostPort, REGISTRY_PORT, UserName};
use crate::engine::{Engine, EngineError, EngineFacts};
use crate::forward::Forward;
use crate::health::{Place, plain};
use crate::observed::{Container, Observed, Sidecar, State};
use crate::spec::STATE_DIRECTORY;

/// How long each step may take, unless the user says otherwise. There are three, one after another.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom to look at.
pub struct Doctor<'a, E> {
    /// The engine, or why it cannot even be asked.
    pub engine: Result<&'a E, String>,
    /// Whose backend.
    pub user: Option<&'a UserName>,
    /// What buildx has of the backend.
    pub builder: Registered,
    /// Variables with the proxies of docker's configuration.
    pub proxies: Vec<String>,
}

/// Something that could not be found out, and what may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) help: Option<String>,
}

/// Everything that was found out.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) endpoint: String,
    pub(super) engine: Result<EngineFacts, Failure>,
    /// The user's containers; absent when the engine does not answer.
    pub(super) backend: Option<Result<Option<Container>, Failure>>,
    /// Whether the backend has lost the configuration that it was made with.
    pub(super) lost_files: bool,
    /// What is wrong with the backend's cache and the way out, where its log tells of damage.
    pub(super) damage: Option<Failure>,
    /// What BuildKit says; absent without a backend that runs.
    pub(super) daemon: Option<Result<Daemon, Failure>>,
    pub(super) forwards: Vec<Examined>,
    /// What was asked for and has no sidecar.
    pub(super) missing: Vec<Forward>,
    /// The container that connects to the host's loopback.
    pub(super) dialer: Option<Container>,
    /// Proxies that no build reaches, and the start that leads to them.
    pub(super) proxies_in_vain: Option<(String, String)>,
    /// Names of containers whose backend is gone.
    pub(super) left_behind: Option<Remains>,
    /// The builder of buildx that leads to the backend, where there is one, and whether builds go there.
    pub(super) builder: Option<(ContainerName, Registered)>,
    /// The start that keeps all forwards.
    pub(super) start: String,
    /// The port that was asked for.
    pub(super) port: Option<HostPort>,
    /// The start that forwards that one too, where no other does.
    pub(super) more: Option<String>,
    /// What the backend's first process is confined by; absent where that cannot be read.
    pub(super) confinement: Option<Confinement>,
    pub(super) disk: Option<Disk>,
    /// Whether the backend has no network.
    pub(super) isolated: bool,
    /// Connections that the host's firewall follows, and the most it can; absent where the host is
    /// not this one or tells nothing.
    pub(super) conntrack: Option<(u64, u64)>,
}

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Daemon {
    pub(super) version: Option<String>,
    pub(super) workers: Vec<Worker>,
}

/// The disk that holds the cache, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) size: u64,
    pub(super) free: u64,
}

impl<E: Engine> Doctor<'_, E> {
    pub(super) async fn gather(self, port: Option<HostPort>, limit: Option<Duration>) -> Facts {
        let limit = limit.unwrap_or(PATIENCE);
        let mut facts = Facts {
            endpoint: String::new(),
            engine: Err(Failure { why: String::new(), help: None }),
            backend: None,
            lost_files: false,
            damage: None,
            daemon: None,
            forwards: Vec::new(),
            missing: Vec::new(),
            dialer: None,
            left_behind: None,
            proxies_in_vain: None,
            builder: None,
            start: START.to_owned(),
            more: None,
            port,
            confinement: None,
            disk: None,
            isolated: false,
            conntrack: None,
        };
        let engine = match self.engine {
            Ok(engine) => engine,
            Err(why) => {
                facts.engine = Err(Failure { why, help: None });
                return facts;
            }
        };
        engine.endpoint().clone_into(&mut facts.endpoint);
        facts.engine = within(limit, engine.facts(), explain).await;
        let (Ok(known), Some(user)) = (&facts.engine, self.user) else { return facts };
        if health::place(known, facts.endpoint.starts_with("unix:")) == Place::Here {
            facts.conntrack = conntrack();
        }
        let mut observed = match within(limit, observe::with_note(engine, user), explain).await {
            Ok(observed) => observed,
            Err(failure) => {
                facts.backend = Some(Err(failure));
                return facts;
            }
        };
        timeout(limit, namespaces::find(engine, &mut observed)).await.ok();
        let again = again(&observed, user);
        facts.start = again.command();
        facts.left_behind = left_behind(&observed);
        facts.builder = (self.builder != Registered::No).then(|| (user.backend(), self.builder));
        if observed.backend.is_some() {
            facts.missing = observed.missing();
            facts.proxies_in_vain = proxies_in_vain(&self.proxies, &observed.wanted(), &again);
            facts.dialer.clone_from(&observed.dialer);
        }
        facts.more = port.and_then(|port| more(port, &observed, &again));
        facts.lost_files = observed.has_lost_files();
        if let Some(backend) = &observed.backend {
            let question = |sidecar: &Sidecar| {
                let asked = port.unwrap_or(REGISTRY_PORT);
                if sidecar.port == asked { Question::Protocol } else { Question::Target }
            };
            let examining =
                health::examine(engine, Some(known), backend, (&observed, &again), question, limit);
            if backend.state == State::Running {
                let asking = within(limit, ask(engine, backend), |error| Failure {
                    why: plain(&causes(&error)),
                    help: None,
                });
                let measuring = timeout(limit, measure(engine, backend));
                let looking = timeout(limit, confined(engine, backend));
                let finding = health::is_isolated(engine, backend, limit);
                let (forwards, daemon, disk, confinement, isolated) =
                    tokio::join!(examining, asking, measuring, looking, finding);
                facts.isolated = isolated;
                facts.forwards = forwards;
                facts.daemon = Some(daemon);
                facts.disk = disk.ok().flatten();
                facts.confinement = confinement.ok().flatten();
            } else {
                facts.forwards = examining.await;
            }
            // One that ends at every start may run at this moment.
            let ends = backend.state != State::Paused && !matches!(facts.daemon, Some(Ok(_)));
            let damage = if ends { damage::find(engine, backend).await } else { None };
            facts.damage = damage.map(|damage| Failure {
                why: damage.to_string(),
                help: Some(format!("then '{}'", facts.start)),
            });
        }
        facts.backend = Some(Ok(observed.backend));
        facts
    }
}

/// The start that forwards one more port.
fn more(port: HostPort, observed: &Observed, again: &Start) -> Option<String> {
    let mut forwards = observed.wanted();
    let is_known = forwards.iter().any(|forward| forward.port == port)
        || observed.sidecars.iter().any(|sidecar| sidecar.port == port);
    forwards.push(Forward::plain(port));
    forwards.sort();
    (!is_known).then(|| again.forwarding(&forwards).command())
}

async fn within<T, F>(
    limit: Duration,
    work: impl Future<Output = Result<T, F>>,
    explain: impl FnOnce(F) -> Failure,
) -> Result<T, Failure> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(explain),
        Err(_) => Err(Failure { why: format!("no answer within {} s", limit.as_secs_f32()), help: None }),
    }
}

fn explain(error: EngineError) -> Failure {
    let help = error.hint();
    Failure { why: plain(&causes(&error)), help }
}

async fn ask<E: Engine>(engine: &E, backend: &Container) -> crate::buildkit::Result<Daemon> {
    let client = Client::connect(engine, &backend.id).await?;
    let workers = client.workers().await?;
    let version = client.version().await?.map(|version| version.version).filter(|text| !text.is_empty());
    Ok(Daemon { version, workers })
}

async fn measure<E: Engine>(engine: &E, backend: &Container) -> Option<Disk> {
    let answer = engine.exec(&backend.id, &["df", "-Pk", STATE_DIRECTORY]).await.ok()?;
    disk(&String::from_utf8_lossy(&answer.output))
}

/// The last line of `df -P -k` (POSIX): the device, 1024-byte blocks in all, used, available, …
fn disk(text: &str) -> Option<Disk> {
    let mut numbers = text.lines().last()?.split_whitespace().skip(1).map(str::parse::<u64>);
    let (size, _used, free) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Disk { size: size.checked_mul(1024)?, free: free.checked_mul(1024)? })
}

async fn confined<E: Engine>(engine: &E, backend: &Container) -> Option<Confinement> {
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

fn conntrack() -> Option<(u64, u64)> {
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
    fn the_start_that_forwards_one_more_port_keeps_the_others() {
        let port = |number| HostPort::new(number).unwrap();
        let noted = Some([5000, 7000].map(|number| Forward::plain(port(number))).to_vec());
        let observed = Observed { noted, ..Observed::default() };
        assert_eq!(more(port(7000), &observed, &Start::default()), None);
        let start = more(port(6000), &observed, &Start::default()).unwrap();
        assert_eq!(start, "docker assemble backend start --allow-host-port 5000,6000,7000");
    }

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
