//! `docker hello`: a plugin that says which engine docker speaks to.
//!
//! Docker finds it as `docker-hello` in `~/.docker/cli-plugins`.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use docker_plugin::connect::Connector;
use docker_plugin::exit::Exit;
use docker_plugin::globals::Globals;
use docker_plugin::metadata::{self, Metadata};
use docker_plugin::output::{Console, Template, causes};
use docker_plugin::parent::Parent;
use docker_plugin::vars::Environment;
use docker_plugin::{cancel, endpoint, stop};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let console = Console::new(Box::new(io::stdout()), Box::new(io::stderr()), false);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (canceller, cancel) = cancel::pair();
    let work = async {
        tokio::spawn(stop::watch(canceller, Parent::of(&Environment))?);
        hello(&arguments, &console).await
    };
    let exit = tokio::select! {
        result = work => match result {
            Ok(()) => Exit::Success,
            Err(error) => {
                console.note(causes(error.as_ref()));
                Exit::Failure
            }
        },
        // Ctrl-C, SIGTERM, or docker's own end: what waits is dropped wherever it is.
        cause = cancel.cancelled() => Exit::Cancelled(cause),
    };
    exit.into()
}

async fn hello(arguments: &[String], console: &Console) -> Result<(), Box<dyn Error>> {
    let (globals, rest) = Globals::take(arguments)?;
    let template = match rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [metadata::COMMAND] => {
            let short_description = "Say which engine docker speaks to";
            return Ok(console.line(Metadata { short_description, vendor: "Example", version: "v1" })?);
        }
        ["hello"] => Template::new("Hello from docker {{.Version}} on {{.Os}}")?,
        ["hello", "--format", template] => Template::new(template)?,
        _ => return Err("usage: docker hello [--format TEMPLATE]".into()),
    };
    let mut found = endpoint::resolve(&globals, &Environment, std::env::home_dir().as_deref())?;
    found.endpoint.through = Parent::of(&Environment).through(arguments);
    let connector = Connector::new(&found.endpoint)?;
    let version = format!("{}/version", connector.base_uri()).parse()?;
    let client: Client<_, String> = Client::builder(TokioExecutor::new()).build(connector);
    let answer = client.get(version).await?.into_body().collect().await?.to_bytes();
    Ok(console.line(template.render(&serde_json::from_slice(&answer)?)?)?)
}
