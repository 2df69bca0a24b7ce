//! The command line, and nothing behind it.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use assemble_contract::mapping::MappingError;
use assemble_contract::{AllowList, PortsSpec, TargetSpec, argv};
use assemble_proxy::config::{Config, CongestionControl, Engine, seconds};
use assemble_proxy::dialer::DialServerConfig;
use assemble_proxy::exporter::MetricsAddr;
use clap::error::Result as Parsed;
use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Forwards localhost:PORT of this network namespace to another address, or several ports in a row.
///
/// Listens on 127.0.0.1 and [::1] and relays each connection with splice(2). The log goes to
/// standard error; RUST_LOG chooses its detail (info by default, debug for every connection).
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) task: Task,
    /// How log lines look
    #[arg(long, value_enum, default_value_t, global = true, env = "ASSEMBLE_PROXY_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// What to do: a verb, else to relay.
#[derive(Debug)]
pub(crate) enum Task {
    Verb(Verb),
    Relay(Relay),
}

// Derived, it would be two options, and both might be missing.
impl FromArgMatches for Task {
    fn from_arg_matches(matches: &ArgMatches) -> Parsed<Self> {
        if matches.subcommand().is_some() {
            Verb::from_arg_matches(matches).map(Self::Verb)
        } else {
            Relay::from_arg_matches(matches).map(Self::Relay)
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Parsed<()> {
        Self::from_arg_matches(matches).map(|task| *self = task)
    }
}

impl Args for Task {
    fn augment_args(command: Command) -> Command {
        Verb::augment_subcommands(Relay::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Exit 0 if the relay of the port or range, or the dialer of the socket, serves, 1 if not; the target is not asked
    #[command(name = argv::HEALTH)]
    Health(Probed),
    /// Tell what the relay of the port or range has done since it started, and with --probe whether its target accepts now
    #[command(name = argv::STATUS)]
    Status(Asked),
    /// Hand sockets of this namespace over to relays elsewhere, for ports of its loopback
    ///
    /// Run it where the services are, as on the host. Relays started with --to loopback --dialer
    /// PATH ask it over a unix socket; it listens on no port, and gives sockets for no port but those allowed.
    #[command(name = argv::DIAL)]
    Dial(Dial),
}

/// What is asked for its health: the dialer where a socket is given, else the relay.
#[derive(Debug)]
pub(crate) enum Probed {
    Dialer(PathBuf),
    Relay(PortsSpec),
}

#[derive(Args)]
#[group(skip)]
struct ProbedRelay {
    /// The port the relay listens on, or its range of ports
    #[arg(long = argv::PORT.name(), env = argv::env::PORT, required = false, required_unless_present = "socket")]
    port: PortsSpec,
}

#[derive(Args)]
#[group(skip)]
struct ProbedDialer {
    /// The socket the dialer listens on; asked instead of a relay
    #[arg(long = argv::SOCKET.name(), value_name = "PATH", env = argv::env::SOCKET)]
    socket: Option<PathBuf>,
}

impl FromArgMatches for Probed {
    fn from_arg_matches(matches: &ArgMatches) -> Parsed<Self> {
        match ProbedDialer::from_arg_matches(matches)?.socket {
            Some(path) => Ok(Self::Dialer(path)),
            None => ProbedRelay::from_arg_matches(matches).map(|probed| Self::Relay(probed.port)),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Parsed<()> {
        Self::from_arg_matches(matches).map(|probed| *self = probed)
    }
}

impl Args for Probed {
    fn augment_args(command: Command) -> Command {
        ProbedDialer::augment_args(ProbedRelay::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Asked {
    /// The port the relay listens on, or its range of ports
    #[arg(long = argv::PORT.name(), env = argv::env::PORT)]
    pub(crate) port: PortsSpec,
    /// Try to connect to the target
    #[arg(long = argv::PROBE.name())]
    pub(crate) probe: bool,
    /// Ask a target that accepts for a registry's front page, in plain HTTP; of a range those of all ports, or of these
    #[arg(long = argv::SPEAK.name(), requires = "probe", value_name = "PORTS", require_equals = true)]
    pub(crate) speak: Option<Option<AllowList>>,
    /// Give up connecting, and waiting for an answer, after so many seconds each
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// How to print it
    #[arg(long = argv::FORMAT.name(), value_enum, default_value_t)]
    pub(crate) format: StatusFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFormat {
    /// A line for each fact
    #[default]
    Text,
    /// One JSON object
    #[value(name = argv::JSON)]
    Json,
}

#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Dial {
    /// Where to listen; a socket left behind is replaced
    #[arg(long = argv::SOCKET.name(), value_name = "PATH")]
    socket: PathBuf,
    /// The ports that sockets are for, as 5000,6000,8000-8010
    #[arg(long = argv::ALLOW.name(), value_name = "PORTS")]
    allow: AllowList,
    /// The user, beside root and that of this process, who may ask; the socket is made that user's
    #[arg(long, value_name = "N")]
    peer_uid: Option<u32>,
    /// Give up connecting to an address after so many seconds, for relays of an earlier version, which have the dialer connect
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    connect_timeout: Duration,
    /// What sets the pace of sending to those ports
    #[arg(long, value_enum, default_value_t)]
    congestion_control: CongestionControlName,
    /// Keep the right to open files, bind ports and connect elsewhere
    #[arg(long)]
    pub(crate) no_sandbox: bool,
}

impl Dial {
    pub(crate) fn config(&self) -> DialServerConfig {
        DialServerConfig {
            socket: self.socket.clone(),
            allow: self.allow.clone(),
            peer_uid: self.peer_uid,
            connect_timeout: self.connect_timeout,
            congestion_control: self.congestion_control.into(),
        }
    }
}

#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Relay {
    /// The port to listen on, or a range as 8000-8099, each with that of the target behind a colon where it is another: 5000:6000, 8000-8099:9000-9099
    #[arg(long = argv::PORT.name(), env = argv::env::PORT)]
    port: PortsSpec,
    /// Where to forward: gateway, loopback, NAME, ADDR or [V6], beside a single port with :PORT or without; PORT is that of --port when left out. A name is looked up by the files of this namespace, /etc/hosts and /etc/resolv.conf, and followed as it moves
    #[arg(long = argv::TO.name(), value_name = "TARGET", env = "ASSEMBLE_PROXY_TO", default_value = "gateway")]
    to: TargetSpec,
    /// The address to use while nobody here knows the name in --to
    #[arg(long = argv::FALLBACK.name(), value_name = "ADDR", env = "ASSEMBLE_PROXY_FALLBACK")]
    fallback: Option<IpAddr>,
    /// The socket of the dialer that gives sockets of its own namespace, for --to loopback
    #[arg(long = argv::DIALER.name(), value_name = "PATH", env = "ASSEMBLE_PROXY_DIALER")]
    dialer: Option<PathBuf>,
    /// End when nobody in this namespace listens on a unix socket of this name any more, where somebody did; looked at when health is asked for, or each minute where nobody asks, and three times in a row nobody must be there
    #[arg(long = argv::OWNER_SOCKET.name(), value_name = "NAME")]
    owner_socket: Option<String>,
    /// Give up connecting to the target after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    connect_timeout: Duration,
    /// Start although there is no gateway yet; clients are reset until there is one
    #[arg(long)]
    wait_for_gateway: bool,
    /// Let connections finish for so many seconds after SIGTERM or SIGINT
    #[arg(long, value_name = "SECONDS", default_value = "8", value_parser = seconds)]
    grace: Duration,
    /// Serve at most so many connections at once; more wait in the kernel's queue [default: as many as the limit on open descriptors allows; more are reset]
    #[arg(long, value_name = "N")]
    max_connections: Option<NonZeroUsize>,
    /// Reset connections of which no byte is read, written or acknowledged for so many seconds, after twice as many at most [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_timeout: Option<Duration>,
    /// Serve with so many threads; one is right for one port
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Between messages that follow each other within so many microseconds, spin in place of sleeping: quicker answers for a busy processor [default: never]
    #[arg(long, value_name = "MICROSECONDS")]
    busy_poll: Option<NonZeroU32>,
    /// Serve Prometheus metrics over HTTP at this address
    #[arg(long, value_name = "ADDR:PORT|unix:PATH", env = "ASSEMBLE_PROXY_METRICS")]
    metrics: Option<MetricsAddr>,
    /// Keep the right to open files, bind ports and connect elsewhere
    #[arg(long)]
    no_sandbox: bool,
    /// How bytes move
    #[arg(long, value_enum, default_value_t)]
    engine: EngineName,
    /// What sets the pace of sending to clients, and to a gateway or this host
    #[arg(long, value_enum, default_value_t)]
    congestion_control: CongestionControlName,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line a person reads
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum EngineName {
    /// Copy messages, splice streams
    #[default]
    Auto,
    /// Copy always
    Copy,
    /// Splice wherever the kernel allows
    Splice,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum CongestionControlName {
    /// The relay: Reno where the system has BBR, which is slow over links without a bottleneck
    #[default]
    Auto,
    /// The system, by net.ipv4.tcp_congestion_control
    System,
}

impl From<CongestionControlName> for CongestionControl {
    fn from(name: CongestionControlName) -> Self {
        match name {
            CongestionControlName::Auto => Self::Auto,
            CongestionControlName::System => Self::System,
        }
    }
}

impl Relay {
    /// Whether to give up all rights that a relay does not need.
    pub(crate) const fn sandbox(&self) -> bool {
        !self.no_sandbox
    }

    /// Where to serve metrics, if anywhere.
    pub(crate) const fn metrics(&self) -> Option<&MetricsAddr> {
        self.metrics.as_ref()
    }

    /// What to run.
    ///
    /// `descriptors` is how many the process may have open, the bound on connections.
    ///
    /// # Errors
    /// `--port` and `--to` do not go together.
    pub(crate) fn config(&self, descriptors: usize) -> Result<Config, MappingError> {
        Ok(Config {
            fallback: self.fallback,
            dialer: self.dialer.clone(),
            owner_socket: self.owner_socket.clone(),
            connect_timeout: self.connect_timeout,
            grace: self.grace,
            max_connections: self.max_connections.map_or(usize::MAX, NonZeroUsize::get),
            descriptors,
            idle_timeout: self.idle_timeout,
            wait_for_gateway: self.wait_for_gateway,
            threads: self.threads,
            busy_poll: self.busy_poll,
            engine: match self.engine {
                EngineName::Auto => Engine::Auto,
                EngineName::Copy => Engine::Copy,
                EngineName::Splice => Engine::Splice,
            },
            congestion_control: self.congestion_control.into(),
            ..Config::new(self.port.to(self.to.clone())?)
        })
    }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
