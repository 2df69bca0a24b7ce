//! The plugin's process: understand the command line, find the engine and the user, run the
//! command, and say by the exit status how it went.

mod remind;

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use docker_assemble::cancel::{self, Cancel};
use docker_assemble::cli::{self, Command, Completion, Invocation, Source, Start, UsageError};
use docker_assemble::commands::builder::{self, Buildx, Registered};
use docker_assemble::commands::cache::Manner;
use docker_assemble::commands::doctor::{self, Doctor};
use docker_assemble::commands::{
    self, Session, cache, complete, info, logs, manifest, start, stats, stop, version,
};
use docker_assemble::desired::{Desired, ImageRef, ProxyImage};
use docker_assemble::endpoint::{self, Resolved};
use docker_assemble::engine::{DockerEngine, Engine, EngineError};
use docker_assemble::exit::Exit;
use docker_assemble::output::{Console, Diagnostics, OutputError, causes};
use docker_assemble::plugin::{self, Globals, Parent};
use docker_assemble::vars::Vars;
use docker_assemble::{lock, proxy_image};

/// The image of the backend, unless the user names another: the one that buildx runs.
const BACKEND_IMAGE: &str = "moby/buildkit:buildx-stable-1";

/// The variable that names another, for those who keep a copy of it.
const BACKEND_IMAGE_VARIABLE: &str = "DOCKER_ASSEMBLE_BACKEND_IMAGE";

/// How long a start waits for another one, which may pull images meanwhile.
const LOCK_LIMIT: Duration = Duration::from_secs(600);

/// The process's environment.
struct Environment;

impl Vars for Environment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

fn main() -> ExitCode {
    // A terminal that cannot move its cursor is told lines only.
    let live = io::stderr().is_terminal() && Environment.get("TERM").as_deref() != Some("dumb");
    let console = Console::new(Box::new(io::stdout()), Box::new(io::stderr()), live);
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let (globals, invocation) = match understand(&words) {
        Ok(understood) => understood,
        Err(UsageError { text, exit }) => {
            console.raw_error(text.as_bytes()).ok();
            return exit.into();
        }
    };
    let result = match invocation {
        Invocation::Metadata => console.line(plugin::metadata()).map_err(Into::into),
        Invocation::Hook(told) => console.line(plugin::hooks::answer(&told)).map_err(Into::into),
        Invocation::Help(text) => console.raw(text.as_bytes()).map_err(Into::into),
        Invocation::ShortHelp(text) => {
            console.note("Flag shorthand -h has been deprecated, use --help");
            console.raw(text.as_bytes()).map_err(Into::into)
        }
        Invocation::Complete(wanted) => {
            console.raw(wanted.text(candidates(&wanted)).as_bytes()).map_err(Into::into)
        }
        Invocation::Bare(text) => console.raw_error(text.as_bytes()).map_err(Into::into),
        Invocation::Manual(directory) => cli::manual(&directory).map_err(Into::into),
        Invocation::Run(command, limit) => run(&globals, &words, command, limit, &console),
    };
    finish(&console, &result)
}

fn understand(words: &[String]) -> Result<(Globals, Invocation), UsageError> {
    let (globals, rest) = Globals::take(words).map_err(|error| UsageError::global(&error.to_string()))?;
    Ok((globals, cli::parse(rest)?))
}

/// Says what went wrong in one line, with what may help, and gives the exit status.
fn finish(console: &Console, result: &Result<()>) -> ExitCode {
    if let Err(error) = result {
        if error.downcast_ref::<OutputError>().is_some_and(OutputError::is_reader_gone) {
            return Exit::Success.into();
        }
        if !matches!(commands::exit(error), Exit::Cancelled(_)) {
            console.note(explain(error));
        }
    }
    commands::status(result)
}

/// The chain of causes in one line, with what may help.
fn explain(error: &anyhow::Error) -> String {
    let mut line = causes(error.as_ref());
    if let Some(hint) = error.chain().find_map(|cause| cause.downcast_ref::<EngineError>()?.hint()) {
        line.push_str("; ");
        line.push_str(&hint);
    }
    line
}

fn run(
    globals: &Globals,
    words: &[String],
    command: Command,
    limit: Option<Duration>,
    console: &Console,
) -> Result<()> {
    trace(globals);
    // Signals are heard by the one worker, whatever the command itself waits for.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(dispatch(globals, words, command, limit, console));
    // A thread that still waits for a terminal must not keep the process.
    runtime.shutdown_background();
    result
}

/// Diagnostics for those who ask for them by `--debug` or `--log-level`.
fn trace(globals: &Globals) {
    let asked = globals.log_level.as_deref().unwrap_or("warn");
    let level = match asked {
        _ if globals.debug => "debug",
        "fatal" => "error",
        level => level,
    };
    tracing_subscriber::fmt()
        .with_env_filter(format!("off,docker_assemble={level},docker_plugin={level}"))
        .with_writer(io::stderr)
        .with_ansi(false)
        .event_format(Diagnostics)
        .init();
}

async fn dispatch(
    globals: &Globals,
    words: &[String],
    command: Command,
    limit: Option<Duration>,
    console: &Console,
) -> Result<()> {
    if let Command::Manifest(wish) = &command {
        return manifest::run(console, wish);
    }
    let (vars, (canceller, cancel)) = (&Environment, cancel::pair());
    let parent = Parent::of(vars);
    tokio::spawn(plugin::watch(canceller, parent)?);
    let hears = match &command {
        Command::Start(options) => !options.dry_run,
        Command::Stop => true,
        _ => false,
    };
    let work = obey(globals, words, command, limit, console, &cancel);
    if hears {
        // What it has done by then is taken back, or told.
        return work.await;
    }
    tokio::select! {
        result = work => result,
        // Whatever it waits for.
        cause = cancel.cancelled() => Err(commands::Cancelled(cause).into()),
    }
}

async fn obey(
    globals: &Globals,
    words: &[String],
    command: Command,
    limit: Option<Duration>,
    console: &Console,
    cancel: &Cancel,
) -> Result<()> {
    let vars = &Environment;
    let user = cli::user(vars);
    let mut resolved = endpoint::resolve(globals, vars, cli::home(vars).as_deref());
    if let Ok(resolved) = &mut resolved {
        resolved.endpoint.through = through_docker(words, vars);
    }
    if let Command::Version(form) = command {
        // Worth an answer without an engine, and whatever the configuration says.
        let engine = resolved.ok().and_then(|found| connect(found, console).ok());
        return version::run(engine.as_ref(), user.as_ref(), console, form).await;
    }
    let configuration = resolved.as_ref().ok().and_then(|found| found.credentials.config_dir.clone());
    let buildx = Buildx {
        docker: docker(vars),
        globals: Globals::words(words).to_vec(),
        store: vars
            .get("BUILDX_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(configuration.as_ref()?.join("buildx"))),
        chosen: vars.get("BUILDX_BUILDER"),
        installed: resolved.as_ref().is_ok_and(|found| found.builder_alias.as_deref() == Some("buildx")),
    };
    let builder = match (&user, &resolved) {
        (Some(user), Ok(found)) => buildx.registered(&user.backend(), &found.endpoint.host),
        _ => Registered::No,
    };
    if let Command::Doctor { port, form } = command {
        let proxies = resolved.as_ref().map(|found| found.proxies.clone()).unwrap_or_default();
        // What is wrong with the endpoint is the first thing it tells.
        let engine = resolved.map_err(anyhow::Error::from).and_then(|found| connect(found, console));
        let engine = engine.as_ref().map_err(explain);
        let patient = Doctor { engine, user: user.as_ref(), port, limit, builder, proxies };
        return doctor::run(patient, console, form).await;
    }
    let mut resolved = resolved?;
    let prune_filters = std::mem::take(&mut resolved.prune_filters);
    let proxies = std::mem::take(&mut resolved.proxies);
    let engine = connect(resolved, console)?;
    let user = user.ok_or_else(|| anyhow!("cannot tell who you are; set USER to your login name"))?;
    let session = Session { engine: &engine, user: &user, console, cancel, limit };
    match command {
        Command::Start(mut options) if options.dry_run => {
            remind::of_the_last(session, &mut options, configuration.as_deref()).await?;
            let desired = desire(*options, proxy_image::shipped()?, proxies, session, vars).await?;
            start::preview(session, &desired).await
        }
        Command::Start(options) => {
            let (select, served) = (options.select, Cell::new(false));
            let work = async {
                start_alone(session, *options, proxies, vars, configuration.as_deref(), &served).await?;
                if select { session.unless_cancelled(builder::run(session, &buildx)).await } else { Ok(()) }
            };
            let done = work.await;
            if select && served.get() && done.as_ref().is_err_and(|error| error.is::<commands::Cancelled>()) {
                console.note("'docker assemble backend use' makes it the builder of docker buildx");
            }
            done
        }
        Command::Stop => {
            let forgetting = async {
                builder::forget(session, &buildx).await;
                Ok(())
            };
            session.unless_cancelled(forgetting).await?;
            stop::run(session).await?;
            // What was stopped is forgotten, whatever comes now.
            tokio::select! {
                () = remind::forget(session, configuration.as_deref()) => {}
                () = cancel.insisted() => {}
            }
            Ok(())
        }
        Command::Use => builder::run(session, &buildx).await,
        Command::Info(form) => info::run(session, form, builder).await,
        Command::Ids { whole } => info::ids(session, whole).await,
        Command::Logs(logs) => logs::run(session, &logs).await,
        Command::CacheUsage { filters, format } => cache::usage(session, &filters, &format).await,
        Command::CachePurge { purge, force, dry_run, verbose } => {
            let purge = cli::with_configured(purge, &prune_filters);
            cache::purge(session, &purge, Manner { ask: !force, dry_run, verbose }).await
        }
        Command::CacheVolume => Ok(console.line(session.user.cache_volume())?),
        Command::Env => Ok(console.line(builder::shell_line(session.user))?),
        Command::Stats { watch, form, table } => {
            let screen = io::stdout().is_terminal() && vars.get("TERM").as_deref() != Some("dumb");
            stats::run(session, stats::Manner { watch, form, table, screen }).await
        }
        // Done before an engine was looked for.
        Command::Manifest(_) | Command::Version(_) | Command::Doctor { .. } => Ok(()),
    }
}

/// The docker command that runs this plugin, as the way to the engine: that is what
/// `DOCKER_CLI_PLUGIN_USE_DIAL_STDIO` asks for (`cli-plugins/plugin` of docker's command).
fn through_docker(words: &[String], vars: &impl Vars) -> Option<Vec<String>> {
    vars.get("DOCKER_CLI_PLUGIN_USE_DIAL_STDIO")?;
    let globals = Globals::words(words).iter().cloned();
    let dial = ["system", "dial-stdio"].map(str::to_owned);
    Some(std::iter::once(docker(vars)).chain(globals).chain(dial).collect())
}

/// The docker command.
fn docker(vars: &impl Vars) -> String {
    vars.get("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND").unwrap_or_else(|| "docker".to_owned())
}

/// Candidates that are not in the tree of commands. An engine that ssh leads to is not asked:
/// nobody wants a login for a press of the Tab key.
fn candidates(wanted: &Completion) -> Vec<String> {
    let (vars, globals) = (&Environment, &wanted.globals);
    let home = cli::home(vars);
    let Some(source) = wanted.source else { return Vec::new() };
    if source == Source::Contexts {
        return endpoint::contexts(globals, vars, home.as_deref());
    }
    let Ok(resolved) = endpoint::resolve(globals, vars, home.as_deref()) else { return Vec::new() };
    let host = &resolved.endpoint.host;
    if source == Source::HostPorts {
        return if host.starts_with("unix:") { complete::host_ports() } else { Vec::new() };
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (false, Ok(runtime)) = (host.starts_with("ssh:"), runtime) else { return Vec::new() };
    let Ok(engine) = DockerEngine::new(&resolved.endpoint, resolved.credentials) else { return Vec::new() };
    let found = runtime.block_on(complete::of_engine(&engine, cli::user(vars).as_ref(), source));
    // The name of an engine's host may still be looked up.
    runtime.shutdown_background();
    found
}

fn connect(resolved: Resolved, console: &Console) -> Result<DockerEngine> {
    if let Some(warning) = resolved.warning {
        console.warning(warning);
    }
    Ok(DockerEngine::new(&resolved.endpoint, resolved.credentials)?)
}

/// A start, when no other one for the same backend is at work.
async fn start_alone<E: Engine>(
    session: Session<'_, E>,
    options: Start,
    proxies: Vec<String>,
    vars: &impl Vars,
    configuration: Option<&Path>,
    served: &Cell<bool>,
) -> Result<()> {
    let directory = vars.get("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let path = lock::path(&directory, session.user, session.engine.endpoint());
    let waiting = || session.console.note("Waiting for another start to finish...");
    let limit = session.limit.unwrap_or(LOCK_LIMIT);
    let locking = async {
        match tokio::time::timeout(limit, lock::acquire(&path, waiting)).await {
            Ok(lock) => {
                Ok(lock.inspect_err(|error| tracing::debug!(%error, path = %path.display(), "no lock")).ok())
            }
            Err(_) => Err(anyhow!(
                "another start of \"{}\" is still at work after {} s; try again when it is done",
                session.user.backend(),
                limit.as_secs()
            )),
        }
    };
    let sidecar = proxy_image::shipped()?;
    let progress = options.progress;
    let wishing = async {
        let (lock, mut options) = (locking.await?, options);
        remind::of_the_last(session, &mut options, configuration).await?;
        Ok((lock, desire(options, sidecar, proxies, session, vars).await?))
    };
    let (_lock, desired) = session.unless_cancelled(wishing).await?;
    let archive = || sidecar.bytes.clone();
    let remember = async || {
        served.set(true);
        remind::keep(session, &desired, &usual_image(vars), configuration).await;
    };
    start::run_and(session, &desired, progress, &archive, remember).await?;
    let warning = async {
        start::warn_of_blocked(session).await;
        start::warn_of_proxies(session, &desired);
        Ok(())
    };
    session.unless_cancelled(warning).await
}

/// The image of the backend where none is named.
fn usual_image(vars: &impl Vars) -> ImageRef {
    ImageRef(vars.get(BACKEND_IMAGE_VARIABLE).unwrap_or_else(|| BACKEND_IMAGE.to_owned()))
}

/// The wish: what was asked for, and the defaults for what was not.
async fn desire<E: Engine>(
    options: Start,
    sidecar: &proxy_image::Archive,
    proxies: Vec<String>,
    session: Session<'_, E>,
    vars: &impl Vars,
) -> Result<Desired> {
    let files = options.daemon.files()?;
    let proxy_image = options.proxy_image.map_or_else(
        || ProxyImage::BuiltIn { image: sidecar.image.clone(), arch: sidecar.arch.to_owned() },
        ProxyImage::Custom,
    );
    Ok(Desired {
        user: session.user.clone(),
        image: options.image.unwrap_or_else(|| usual_image(vars)),
        pull: options.pull,
        security: options.security,
        cache: options.cache,
        forwards: start::resolve(session, &options.forwards).await?,
        proxy_image,
        files,
        proxies,
        recreate: options.recreate,
    })
}
