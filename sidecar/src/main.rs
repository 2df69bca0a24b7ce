//! `assemble-proxy`: the life of the process.

mod cli;
mod kernel;
mod logging;

use std::process::ExitCode;

use anyhow::Context;
use assemble_contract::answer::{self, AnswerError};
use assemble_contract::{Port, Ports, TargetHost};
use assemble_proxy::config::Config;
use assemble_proxy::dialer::{self, DialServer};
use assemble_proxy::exporter::{Exporter, ExporterError};
use assemble_proxy::health::{self, HealthError, Responder};
use assemble_proxy::probe;
use assemble_proxy::resolve::conf;
use assemble_proxy::server::{Drained, Server};
use assemble_proxy::shutdown::Signals;
use assemble_proxy::sys::{Rights, confine, passed, raise_descriptor_limit, refuse_huge_pages};
use assemble_proxy::warning::Warning;
use clap::Parser;
use clap::error::ErrorKind;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use cli::{Asked, Cli, Dial, LogFormat, Probed, Relay, StatusFormat, Task, Verb};

/// glibc's allocator pads what the runtime aligns to 128 bytes, a third of what an idle connection
/// takes, and has one lock too many for several threads. It asks for huge pages unless built without.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    refuse_huge_pages();
    let Cli { task, log_format } = Cli::parse();
    let descriptors = raise_descriptor_limit();
    let done = match &task {
        Task::Verb(Verb::Health(of)) => healthy(of),
        Task::Verb(Verb::Status(of)) => tell(of),
        Task::Verb(Verb::Dial(of)) => run(log_format, dial(of)),
        Task::Relay(of) => match of.config(descriptors) {
            Ok(config) => run(log_format, relay(of, &config)),
            Err(error) => clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n")).exit(),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("assemble-proxy: {error:#}");
            error.downcast_ref().map_or(ExitCode::FAILURE, |health: &HealthError| health.status().into())
        }
    }
}

/// One thread serves one port: the kernel does the work, and a second thread would only add
/// wake-ups between cores.
fn run(format: LogFormat, life: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    logging::start(format);
    Builder::new_current_thread().enable_all().build()?.block_on(life)
}

fn healthy(of: &Probed) -> anyhow::Result<()> {
    match of {
        Probed::Dialer(path) => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(dialer::probe(path))?)
        }
        Probed::Relay(port) => health::probe(port.ports()).map_err(|error| {
            let why = HealthError::of(port.ports(), &error);
            anyhow::Error::new(error).context(why)
        }),
    }
}

fn tell(of: &Asked) -> anyhow::Result<()> {
    let ports = of.port.ports();
    let answer = health::ask(ports).context(HealthError::NoAnswer { port: ports })?;
    let mut status = answer::read(&answer)?.claimed_by(ports);
    if status.target().is_none() {
        return Err(AnswerError::Status.into());
    }
    if of.probe {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(probe::attempt(&mut status, ports, of.timeout, of.speak.clone()));
    }
    status.kernel = Some(kernel::facts());
    let all = status.target().and_then(|target| ports.moved_to(target.port)).filter(|all| !all.is_one());
    let mut object = status.object();
    let text = match of.format {
        StatusFormat::Json => format!("{object}\n"),
        StatusFormat::Text => {
            if let Some(all) = all {
                object["target"] = format!("{}-{}", status.target, all.last()).into();
            }
            let lines = object.as_object().into_iter().flatten();
            lines.map(|(name, value)| format!("{name}: {value}\n")).collect()
        }
    };
    Ok(std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?)
}

async fn dial(of: &Dial) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let config = of.config();
    let (path, allow) = (config.socket.clone(), config.allow.clone());
    let dialer = DialServer::bind(config)?;
    if !of.no_sandbox {
        let landlock = confine(dialer.rights())?;
        tracing::debug!(?landlock, "confined");
    }
    tracing::info!(%allow, "giving sockets to those who ask at \"{}\"", path.display());
    let told = async { tracing::info!("{}: no more requests", signals.next().await) };
    dialer.run(told).await;
    Ok(())
}

async fn relay(of: &Relay, config: &Config) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let server = Server::on(config, passed()?)?;
    let ports = config.mapping.ports();
    let mut telling = JoinSet::new();
    match Responder::bind(ports, server.shared()) {
        Ok(responder) => drop(telling.spawn(responder.run())),
        Err(error) => tracing::warn!(%error, "{}", Warning::Probes),
    }
    if let Some(addr) = of.metrics() {
        let exporter = Exporter::bind(addr, server.shared()).await;
        telling.spawn(exporter.context(ExporterError::Bind(addr.clone()))?.run());
    }
    // Last of all preparations: from here on nothing can be opened or bound.
    if of.sandbox() {
        let landlock = confine(rights(config))?;
        tracing::debug!(?landlock, "confined");
    }

    server.shared().upstream.look_up();
    let more = |ports: Ports| if ports.is_one() { String::new() } else { format!("-{}", ports.last()) };
    let to = format!("{}{}", config.mapping.target(), more(config.mapping.outside()));
    let more = more(ports);
    for addr in server.local_addrs() {
        tracing::info!(%to, server.addrs = ?server.shared().upstream.addrs(), "listening on {addr}{more}");
    }

    let (stop, stopped) = tokio::sync::oneshot::channel();
    // A task, since the runtime is woken through a system call for what block_on waits for.
    let mut serving = tokio::spawn(server.run(async { stopped.await.unwrap_or(()) }));
    let signal = tokio::select! {
        ended = &mut serving => return ended?.map(drop).map_err(Into::into),
        signal = signals.next() => signal,
    };
    tracing::info!("{signal}: no new connections, {} s for those open", config.grace.as_secs_f64());
    // Before the ports are free: whoever takes them takes these names too.
    telling.shutdown().await;
    let _ = stop.send(());
    tokio::select! {
        drained = serving => match drained?? {
            Drained { cut: 0 } => tracing::info!("all connections have finished"),
            Drained { cut } => tracing::warn!("{}", Warning::Cut(cut)),
        },
        signal = signals.next() => tracing::warn!("{}", Warning::Again(signal)),
    }
    Ok(())
}

/// All a relay needs once it serves: to connect to its target, and to ask for sockets that can.
fn rights(config: &Config) -> Rights {
    let outside = config.mapping.outside().iter().map(Port::get);
    match (config.mapping.host(), &config.dialer) {
        (_, Some(_)) => Rights { connect: outside.collect(), packets: true, ..Rights::default() },
        (TargetHost::Name(_), None) => {
            Rights { connect: outside.chain([conf::PORT]).collect(), datagrams: true, ..Rights::default() }
        }
        (_, None) => Rights { connect: outside.collect(), ..Rights::default() },
    }
}
