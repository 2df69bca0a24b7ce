//! `assemble-proxy`: the life of the process.

mod cli;

use std::process::ExitCode;

use anyhow::Context;
use assemble_proxy::config::Config;
use assemble_proxy::exporter::{Exporter, MetricsAddr};
use assemble_proxy::health::{self, Responder};
use assemble_proxy::server::{Drained, Server};
use assemble_proxy::shutdown::Signals;
use assemble_proxy::sys::raise_descriptor_limit;
use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, LogFormat, Verb};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match (&cli.verb, cli.config(raise_descriptor_limit())) {
        (Some(Verb::Health(of)), _) => {
            health::probe(of.port).with_context(|| format!("no relay of port {} serves here", of.port))
        }
        (None, Some(config)) => {
            log(cli.log_format);
            run(&config, cli.metrics())
        }
        (None, None) => unreachable!("the parser wants a port or a verb"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("assemble-proxy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log(format: LogFormat) {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
}

fn run(config: &Config, metrics: Option<&MetricsAddr>) -> anyhow::Result<()> {
    // One thread serves one port: the kernel does the work, and a second thread would only add
    // wake-ups between cores.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::catch()?;
        let server = Server::bind(config)?;
        match Responder::bind(config.port) {
            Ok(responder) => drop(tokio::spawn(responder.run())),
            Err(error) => tracing::warn!(%error, "health probes will not be answered"),
        }
        if let Some(addr) = metrics {
            let exporter = Exporter::bind(addr, server.shared()).await;
            let exporter = exporter.with_context(|| format!("cannot serve metrics at {addr}"))?;
            tokio::spawn(exporter.run());
        }
        for addr in server.local_addrs() {
            tracing::info!(to = %config.target, server.addrs = ?server.shared().upstream.addrs(), "listening on {addr}");
        }
        let (stop, stopped) = tokio::sync::oneshot::channel();
        // A task, since the runtime is woken through a system call for what block_on waits for.
        let mut serving = tokio::spawn(server.run(async { stopped.await.unwrap_or(()) }));
        let signal = tokio::select! {
            ended = &mut serving => return ended?.map(drop).map_err(Into::into),
            signal = signals.next() => signal,
        };
        tracing::info!("{signal}: no new connections, {} s for those open", config.grace.as_secs_f64());
        let _ = stop.send(());
        tokio::select! {
            drained = serving => match drained?? {
                Drained { cut: 0 } => tracing::info!("all connections have finished"),
                Drained { cut } => tracing::warn!("{cut} connections were still open and were reset"),
            },
            signal = signals.next() => tracing::warn!("{signal} again: connections are reset"),
        }
        Ok(())
    })
}
