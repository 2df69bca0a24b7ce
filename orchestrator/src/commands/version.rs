//! `version`: this program's, and BuildKit's when a backend runs.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use docker_plugin::cli::Refusal;
use docker_plugin::cli::values::{FORMS, form};
use docker_plugin::output::{Console, Form};
use serde_json::json;

use crate::buildkit::Client;
use crate::desired::UserName;
use crate::engine::Engine;

use super::observe;

/// Show the version
#[derive(Args)]
pub(super) struct Options {
    /// Format output: "pretty", "json" (one object) or a Go template; fields: .Version .Commit .BuildKit
    /// .Os .Arch
    #[arg(long, short, value_name = "string", value_parser = FORMS)]
    format: Option<String>,
}

impl Options {
    /// How to print it.
    pub(super) fn check(self) -> Result<Form, Refusal> {
        form(self.format.as_deref())
    }
}

/// How long to wait for BuildKit's version, which is not worth more.
const BUILDKIT_LIMIT: Duration = Duration::from_secs(2);

/// What the third line says when nobody tells.
const UNKNOWN: &str = "n/a (no backend answers)";

/// Runs the command. No engine and no user are needed for it to succeed.
///
/// # Errors
/// Only an output that is closed.
pub async fn run<E: Engine>(
    engine: Option<&E>,
    user: Option<&UserName>,
    console: &Console,
    form: Form,
) -> Result<()> {
    let asked = match (engine, user) {
        (Some(engine), Some(user)) => {
            tokio::time::timeout(BUILDKIT_LIMIT, buildkit(engine, user)).await.ok().flatten()
        }
        _ => None,
    };
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("DOCKER_ASSEMBLE_COMMIT"));
    if let Form::Object(form) = &form {
        let object = json!({
            "Version": format!("v{version}"),
            "Commit": commit,
            "BuildKit": asked,
            "Os": os(),
            "Arch": arch(),
        });
        super::print(console, &object, form)?;
        return Ok(());
    }
    console.line(format_args!("docker assemble v{version}"))?;
    console.line(format_args!("commit: {commit}"))?;
    console.line(format_args!("buildkit: {}", asked.as_deref().unwrap_or(UNKNOWN)))?;
    console.line(format_args!("os/arch: {}/{}", os(), arch()))?;
    Ok(())
}

async fn buildkit<E: Engine>(engine: &E, user: &UserName) -> Option<String> {
    let backend = observe::ours(engine, user).await.ok()?.backend?;
    let client = Client::connect(engine, &backend.id).await.ok()?;
    let version = client.version().await.ok()??;
    Some(version.version).filter(|version| !version.is_empty())
}

/// The operating system in the words of Go and OCI.
const fn os() -> &'static str {
    if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS }
}

/// The architecture in the words of Go and OCI.
const fn arch() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else if cfg!(target_arch = "x86") {
        "386"
    } else {
        std::env::consts::ARCH
    }
}
