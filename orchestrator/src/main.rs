//! The plugin's process: it understands the command line, hears signals, and says by the exit status
//! how the command went.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Result;
use docker_assemble::commands::{self, Command, Here, Which, complete, variables};
use docker_assemble::plugin::{self, Globals, Parent};
use docker_plugin::cancel::{self, Cancel};
use docker_plugin::cli::{Invocation, UsageError};
use docker_plugin::exit::Exit;
use docker_plugin::output::{Console, Diagnostics, OutputError};
use docker_plugin::vars::{Environment, Vars};

fn main() -> ExitCode {
    // A terminal that cannot move its cursor is told lines only.
    let live = io::stderr().is_terminal() && Environment.get("TERM").as_deref() != Some("dumb");
    let mut console = Console::new(Box::new(io::stdout()), Box::new(io::stderr()), live);
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let given = variables::given(&words, &Environment);
    let (globals, invocation) = match commands::understand(&words, &given) {
        Ok(understood) => understood,
        Err(UsageError { text, exit }) => {
            console.raw_error(text.as_bytes()).ok();
            return exit.into();
        }
    };
    let result = match invocation {
        Invocation::Metadata => console.line(plugin::metadata()).map_err(Into::into),
        Invocation::Hook(told) => {
            if let Ok(which) = Which::of(None, &Environment) {
                console = which.console(console);
            }
            console.line(plugin::hooks::answer(&told)).map_err(Into::into)
        }
        Invocation::Help(text) => console.raw(text.as_bytes()).map_err(Into::into),
        Invocation::ShortHelp(text) => {
            console.note("Flag shorthand -h has been deprecated, use --help");
            console.raw(text.as_bytes()).map_err(Into::into)
        }
        Invocation::Complete(wanted) => {
            let found = complete::candidates(&wanted, &Environment);
            console.raw(wanted.text(found).as_bytes()).map_err(Into::into)
        }
        Invocation::Bare(text) => console.raw_error(text.as_bytes()).map_err(Into::into),
        Invocation::Manual(directory) => commands::manual(&directory).map_err(Into::into),
        Invocation::Run(request) => {
            let which = request.which(&Environment);
            if let Ok(Some(which)) = &which {
                console = which.console(console);
            }
            which.map_err(Into::into).and_then(|which| {
                let (words, which) = (&words, which.as_ref());
                let here = Here { vars: &Environment, words, globals: &globals, given: &given, which };
                run(&here, request.command, &console)
            })
        }
    };
    finish(&console, &result)
}

/// Says what went wrong in one line, with what may help, and gives the exit status.
fn finish(console: &Console, result: &Result<()>) -> ExitCode {
    if let Err(error) = result {
        if error.downcast_ref::<OutputError>().is_some_and(OutputError::is_reader_gone) {
            return Exit::Success.into();
        }
        if !matches!(commands::exit(error), Exit::Cancelled(_)) {
            console.note(commands::explain(error));
        }
    }
    commands::status(result)
}

fn run(here: &Here<'_, Environment>, command: Command, console: &Console) -> Result<()> {
    trace(here.globals);
    match command {
        Command::Offline(command) => here.print(&command, console),
        Command::Tolerant(command) => hearing_signals(here, async |cancel| {
            commands::unless_cancelled(&cancel, here.tolerate(command, console)).await
        }),
        Command::OnEngine(command, limit) => {
            hearing_signals(here, async |cancel| here.obey(command, limit, console, &cancel).await)
        }
    }
}

/// Does the work while signals are heard by the one worker, whatever the work itself waits for.
fn hearing_signals(here: &Here<'_, Environment>, work: impl AsyncFnOnce(Cancel) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (canceller, cancel) = cancel::pair();
    let result = runtime.block_on(async {
        tokio::spawn(plugin::watch(canceller, Parent::of(here.vars))?);
        work(cancel).await
    });
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
