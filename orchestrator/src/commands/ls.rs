//! `backend ls`.

use anyhow::Result;
use clap::Args;
use docker_plugin::cli::Refusal;
use docker_plugin::cli::values::Suggest;
use serde_json::{Value, json};

use super::info::state;
use super::listing::Listing;
use super::{Session, observe};
use crate::desired::BackendName;
use crate::engine::Engine;
use crate::forward::asked::Asked;
use crate::forward::lists;
use crate::observed::{Container, Observed};

/// List your backends, those that do not run too
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend ls --format '{{.Name}} {{.State}}'
  $ docker assemble backend ls --format json")]
pub(super) struct Options {
    /// Format output: "table", "table TEMPLATE", "json" (one object per line) or a Go template; fields:
    /// .Name .State .Ports .CacheVolume .Image .Container .ID
    #[arg(long, value_name = "string", value_parser = Suggest(&["table", "json"]))]
    format: Option<String>,

    /// Only display the names
    #[arg(long, short)]
    quiet: bool,
}

/// The usual table.
const TABLE: &str = "table {{.Name}}\t{{.State}}\t{{.Ports}}\t{{.CacheVolume}}\t{{.Image}}";

/// The fields, with their captions.
const COLUMNS: [(&str, &str); 7] = [
    ("Name", "NAME"),
    ("State", "STATE"),
    ("Ports", "PORTS"),
    ("CacheVolume", "CACHE"),
    ("Image", "IMAGE"),
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
];

impl Options {
    /// What they come to together.
    pub(super) fn check(self) -> Result<Listing, Refusal> {
        Listing::asked(self.format.as_deref(), self.quiet, TABLE)
    }
}

/// Runs the command.
///
/// # Errors
/// Those of the engine, and a template that does not suit.
pub async fn run<E: Engine>(session: Session<'_, E>, list: &Listing) -> Result<()> {
    let Session { engine, user, console, .. } = session;
    let backends = observe::backends(engine, user).await?;
    let rows = backends.iter().map(|(name, observed)| (name.to_string(), object(name, observed)));
    list.print(console, &COLUMNS, rows)
}

/// As in docker's own lists, what there is not is an empty text.
fn object(name: &BackendName, observed: &Observed) -> Value {
    let backend = observed.owned_backend();
    let text = |of: fn(&Container) -> Option<&str>| backend.and_then(of).unwrap_or_default();
    let forwards: Vec<_> = observed.forwards().iter().map(Asked::from).collect();
    let (ports, hosts) = lists(&forwards);
    let lists: Vec<_> = [ports, hosts].into_iter().filter(|list| !["", "0"].contains(&&**list)).collect();
    json!({
        "Name": name.to_string(),
        "State": match &observed.backend {
            Some(backend) => state(&backend.state),
            None if backend.is_some() => "set aside",
            None => "gone",
        },
        "Ports": lists.join(","),
        "CacheVolume": text(|backend| backend.settings.cache_volume.as_ref().map(|volume| volume.0.as_str())),
        "Image": text(|backend| Some(&backend.image.0)),
        "Container": text(|backend| Some(&backend.name.0)),
        "ID": text(|backend| Some(backend.id.short())),
    })
}
