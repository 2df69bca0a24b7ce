//! `backend port ls`.

use anyhow::Result;
use assemble_contract::Ports;
use clap::Args;
use docker_plugin::cli::Refusal;
use docker_plugin::cli::values::Suggest;
use serde_json::{Value, json};

use crate::commands::info::{ports, state};
use crate::commands::listing::Listing;
use crate::commands::{Session, observe};
use crate::desired::UserName;
use crate::engine::Engine;
use crate::forward::asked::Asked;
use crate::forward::{Forward, word};
use crate::observed::{Container, Observed, Sidecar};

/// List the ports that are forwarded
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend port ls --format '{{.Port}} {{.Forward}}'
  $ docker assemble backend port ls --format json")]
pub(in crate::commands) struct Options {
    /// Format output: "table", "table TEMPLATE", "json" (one object per line) or a Go template; fields:
    /// .Port .Target .State .Name .ID .Forward (as "port add" takes it)
    #[arg(long, value_name = "string", value_parser = Suggest(&["table", "json"]))]
    format: Option<String>,

    /// Only display the ports
    #[arg(long, short)]
    quiet: bool,
}

/// The usual table.
const TABLE: &str = "table {{.Port}}\t{{.Target}}\t{{.State}}\t{{.Name}}";

/// The fields, with their captions.
const COLUMNS: [(&str, &str); 6] = [
    ("Port", "PORT"),
    ("Target", "TARGET"),
    ("State", "STATE"),
    ("Name", "NAME"),
    ("ID", "CONTAINER ID"),
    ("Forward", "FORWARD"),
];

impl Options {
    /// What they come to together.
    pub(in crate::commands) fn check(self) -> Result<Listing, Refusal> {
        Listing::asked(self.format.as_deref(), self.quiet, TABLE)
    }
}

/// Runs the command.
///
/// # Errors
/// A missing backend, those of the engine, and a template that does not suit.
pub async fn run<E: Engine>(session: Session<'_, E>, list: &Listing) -> Result<()> {
    let Session { engine, user, console, .. } = session;
    session.backend().await?;
    let observed = observe::closely(engine, user).await?;
    let rows = rows(&observed, user);
    list.print(console, &COLUMNS, rows.iter().map(|row| (row.ports.to_string(), row.object())))
}

/// One forward that is there, or should be.
struct Row<'a> {
    ports: Ports,
    /// None for a target that this version does not know.
    forward: Option<Forward>,
    state: &'a str,
    name: String,
    /// None where it is missing.
    container: Option<&'a Container>,
}

/// In the order of the ports.
fn rows<'a>(observed: &'a Observed, user: &UserName) -> Vec<Row<'a>> {
    let is_stale =
        |sidecar: &Sidecar| observed.backend.as_ref().is_some_and(|backend| sidecar.is_stale(backend));
    let there = observed.sidecars.iter().map(|sidecar| Row {
        ports: sidecar.ports,
        forward: sidecar.forward(),
        state: if is_stale(sidecar) { "stale" } else { state(&sidecar.container.state) },
        name: sidecar.container.name.0.clone(),
        container: Some(&sidecar.container),
    });
    let missing = observed.missing().into_iter().map(|forward| Row {
        ports: forward.ports,
        state: "missing",
        name: user.sidecar(&forward).0,
        container: None,
        forward: Some(forward),
    });
    let mut rows: Vec<_> = there.chain(missing).collect();
    rows.sort_by_key(|row| row.ports);
    rows
}

impl Row<'_> {
    fn object(&self) -> Value {
        json!({
            "Port": ports(self.ports),
            "Target": self.forward.as_ref().map(Forward::leads_to),
            "State": self.state,
            "Name": self.name,
            "ID": self.container.map(|container| container.id.short()),
            "Forward": self.forward.as_ref().map(|forward| word(&Asked::from(forward))),
        })
    }
}
