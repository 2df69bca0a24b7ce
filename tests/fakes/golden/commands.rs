//! Commands on an engine in memory, from their words on: the same functions that the program calls.

use std::collections::BTreeMap;

use anyhow::Result;
use bytes::Bytes;
use docker_assemble::commands::builder::{self, Buildx, Registered};
use docker_assemble::commands::doctor::{self, Doctor};
use docker_assemble::commands::{self, Command, Offline, OnEngine, Request, Session, Tolerant, Which, parse};
use docker_assemble::commands::{cache, info, logs, ls, port, start, stats, stop, version};
use docker_assemble::desired::{Desired, ImageRef, UserName};
use docker_plugin::cancel::Cancel;
use docker_plugin::cli::Invocation;
use docker_plugin::output::Console;

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
        Box::pin(self.obey(line, Screen::default().console())).await.unwrap();
    }

    pub(crate) async fn run(&mut self, line: &str) {
        let screen = Screen::default();
        // A test has one for each line that it runs, all on its stack where nothing is optimized.
        let status = match Box::pin(self.obey(line, screen.console())).await {
            Ok(()) => 0,
            Err(error) => i32::from(commands::exit(&error).code()),
        };
        self.told.add(&format!("docker assemble {line}"), &screen.out(), &screen.err(), status);
    }

    pub(crate) async fn run_all(&mut self, lines: &[&str]) {
        for line in lines {
            self.run(line).await;
        }
    }

    /// As the program does it: for the backend that is meant, and with the words of an error at the end.
    async fn obey(&self, line: &str, console: Console) -> Result<()> {
        let Ok(Invocation::Run(Request { command, name })) = parse(&words(line)) else { panic!("{line}") };
        let which = Which::of(name, &BTreeMap::new())?;
        let console = which.console(console);
        let done = self.run_for(&which.of_user(&user()), line, command, &console).await;
        done.inspect_err(|error| console.note(format_args!("{error:#}")))
    }

    async fn run_for(&self, user: &UserName, line: &str, command: Command, console: &Console) -> Result<()> {
        match command {
            Command::Offline(Offline::Env) => {
                Ok(console.line(builder::shell_line(&Buildx::default(), user)?)?)
            }
            Command::Offline(Offline::CacheVolume) => Ok(console.line(user.cache_volume())?),
            Command::Offline(Offline::Manifest(..)) => panic!("{line} is no command on an engine"),
            Command::Tolerant(Tolerant::Doctor(examination)) => {
                let (engine, proxies) = (Ok(&self.engine), self.proxies.clone());
                let patient =
                    Doctor { engine, user: Some(user), builder: self.builder, proxies, runtime: None };
                doctor::run(patient, console, examination).await
            }
            Command::Tolerant(Tolerant::Version(form)) => {
                version::run(Some(&self.engine), Some(user), console, form).await
            }
            Command::OnEngine(command, limit) => {
                let (engine, user, cancel) = (&self.engine, user, &Cancel::never());
                self.on_engine(command, Session { engine, user, console, cancel, limit }).await
            }
        }
    }

    async fn on_engine(&self, command: OnEngine, session: Session<'_, FakeEngine>) -> Result<()> {
        match command {
            OnEngine::Start(options) => {
                let desired = Desired {
                    user: session.user.clone(),
                    image: options.image.unwrap_or_else(|| ImageRef(IMAGE.to_owned())),
                    pull: options.pull,
                    settings: options.settings,
                    forwards: start::resolve(session, &options.forwards).await?,
                    files: options.daemon.files(BTreeMap::new())?,
                    proxies: self.proxies.clone(),
                    recreate: options.recreate,
                    ..wish()
                };
                let how = start::How {
                    dry_run: options.dry_run,
                    progress: options.progress,
                    in_use: options.in_use,
                };
                self.attain(session, &desired, how).await
            }
            OnEngine::PortChange(change, how) => {
                let usual = Desired { user: session.user.clone(), ..wish() };
                let desired = port::wish(session, &change, usual, None).await?;
                self.attain(session, &desired, how).await
            }
            OnEngine::PortList(list) => port::list(session, &list).await,
            OnEngine::Stop(start::How { dry_run: true, in_use, .. }) => {
                stop::preview(session, in_use, None).await
            }
            OnEngine::Stop(how) => {
                stop::spare(session, how.in_use).await?;
                stop::run(session, None).await
            }
            OnEngine::Info(what) => info::run(session, what, self.builder).await,
            OnEngine::Stats(stats) => stats::run(session, &stats, false).await,
            OnEngine::List(list) => ls::run(session, &list).await,
            OnEngine::Logs(logs) => logs::run(session, &logs).await,
            OnEngine::CacheUsage(usage) => cache::usage(session, &usage).await,
            OnEngine::CachePurge(purge, manner) => cache::purge(session, &purge, manner).await,
            OnEngine::Use(_) => panic!("buildx is a program"),
        }
    }
    async fn attain(
        &self,
        session: Session<'_, FakeEngine>,
        desired: &Desired,
        how: start::How,
    ) -> Result<()> {
        if how.dry_run {
            return start::preview(session, desired, how.in_use).await;
        }
        let image = || Bytes::from_static(PROXY.as_bytes());
        let trying = async || start::run_and(session, desired, how, &image, async || ()).await;
        let serves = how.in_use.obey(session, trying).await?;
        start::warn_of_blocked(session, &serves).await;
        start::warn_of_proxies(session, desired).await;
        Ok(())
    }
}
