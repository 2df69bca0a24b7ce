//! Commands on an engine in memory, from their words on: the same functions that the program calls.

use anyhow::Result;
use bytes::Bytes;
use docker_assemble::cancel::Cancel;
use docker_assemble::cli::{self, Command, Invocation};
use docker_assemble::commands::builder::{self, Registered};
use docker_assemble::commands::cache::{self, Manner};
use docker_assemble::commands::doctor::{self, Doctor};
use docker_assemble::commands::{self, Session, info, logs, start, stats, stop, version};
use docker_assemble::desired::{Desired, ImageRef};
use docker_assemble::output::Console;

use crate::fake_engine::FakeEngine;
use crate::screen::Screen;
use crate::transcript::{Transcript, words};
use crate::world::{IMAGE, PROXY, user, wish};

/// A person at an engine.
pub(crate) struct Shell {
    pub(crate) engine: FakeEngine,
    pub(crate) told: Transcript,
    /// The proxies in docker's configuration.
    pub(crate) proxies: Vec<String>,
    pub(crate) builder: Registered,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let mut engine = FakeEngine::with_images(&[IMAGE]);
        // What this machine's own tables say is nothing for a transcript.
        engine.remote = true;
        Self { engine, told: Transcript::default(), proxies: Vec::new(), builder: Registered::No }
    }

    /// Runs a command, without a line of it in the transcript.
    pub(crate) async fn quietly(&self, line: &str) {
        self.obey(line, &Screen::default().console()).await.unwrap();
    }

    pub(crate) async fn run(&mut self, line: &str) {
        let screen = Screen::default();
        let result = self.obey(line, &screen.console()).await;
        let (mut notes, mut status) = (screen.err(), 0);
        if let Err(error) = result {
            notes.push_str(&format!("{error:#}\n"));
            status = i32::from(commands::exit(&error).code());
        }
        self.told.add(&format!("docker assemble {line}"), &screen.out(), &notes, status);
    }

    pub(crate) async fn run_all(&mut self, lines: &[&str]) {
        for line in lines {
            self.run(line).await;
        }
    }

    async fn obey(&self, line: &str, console: &Console) -> Result<()> {
        let Ok(Invocation::Run(command, limit)) = cli::parse(&words(line)) else { panic!("{line}") };
        let (engine, user, cancel) = (&self.engine, user(), Cancel::never());
        let session = Session { engine, user: &user, console, cancel: &cancel, limit };
        match command {
            Command::Start(options) => {
                let desired = Desired {
                    image: options.image.unwrap_or_else(|| ImageRef(IMAGE.to_owned())),
                    pull: options.pull,
                    security: options.security,
                    cache: options.cache,
                    forwards: start::resolve(session, &options.forwards).await?,
                    files: options.daemon.files()?,
                    proxies: self.proxies.clone(),
                    recreate: options.recreate,
                    ..wish()
                };
                if options.dry_run {
                    return start::preview(session, &desired).await;
                }
                let image = || Bytes::from_static(PROXY.as_bytes());
                start::run(session, &desired, options.progress, &image).await?;
                start::warn_of_blocked(session).await;
                start::warn_of_proxies(session, &desired);
                Ok(())
            }
            Command::Stop => stop::run(session).await,
            Command::Env => Ok(console.line(builder::shell_line(&user))?),
            Command::Info(form) => info::run(session, form, self.builder).await,
            Command::Ids { whole } => info::ids(session, whole).await,
            Command::Doctor { port, form } => {
                let (user, proxies) = (Some(&user), self.proxies.clone());
                let patient =
                    Doctor { engine: Ok(engine), user, port, limit, builder: self.builder, proxies };
                doctor::run(patient, console, form).await
            }
            Command::Stats { watch, form, table } => {
                stats::run(session, stats::Manner { watch, form, table, screen: false }).await
            }
            Command::Logs(logs) => logs::run(session, &logs).await,
            Command::CacheUsage { filters, format } => cache::usage(session, &filters, &format).await,
            Command::CacheVolume => Ok(console.line(user.cache_volume())?),
            Command::CachePurge { purge, force, dry_run, verbose } => {
                cache::purge(session, &purge, Manner { ask: !force, dry_run, verbose }).await
            }
            Command::Version(form) => version::run(Some(engine), Some(&user), console, form).await,
            Command::Use | Command::Manifest(_) => panic!("{line} needs no engine"),
        }
    }
}
