//! `backend ls`.

use anyhow::Result;
use clap::Args;
use docker_plugin::cli::Refusal;
use docker_plugin::cli::values::Suggest;
use docker_plugin::output::{FormatError, ListTemplate};
use serde_json::{Value, json};

use super::info::state;
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

/// How to print them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// A JSON object on a line for each.
    Json,
    /// The name of each and nothing else.
    Names,
    /// What a template makes of each.
    Template(ListTemplate),
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
    pub(super) fn check(self) -> Result<List, Refusal> {
        let template = |text| Ok(List::Template(ListTemplate::new(text).map_err(FormatError::List)?));
        match self.format.as_deref().filter(|format| !format.is_empty()) {
            _ if self.quiet => Ok(List::Names),
            None | Some("table") => template(TABLE),
            Some("json") => Ok(List::Json),
            Some(text) => template(text),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Those of the engine, and a template that does not suit.
pub async fn run<E: Engine>(session: Session<'_, E>, list: &List) -> Result<()> {
    let Session { engine, user, console, .. } = session;
    let backends = observe::backends(engine, user).await?;
    let mut rows = backends.iter().map(|(name, observed)| object(name, observed));
    match list {
        List::Json => rows.try_for_each(|row| console.line(row))?,
        List::Names => backends.keys().try_for_each(|name| console.line(name))?,
        List::Template(template) => {
            let rows: Vec<_> = rows.map(|row| (row.clone(), row)).collect();
            let text = template.render(&COLUMNS, &rows).map_err(FormatError::Rows)?;
            console.raw(text.as_bytes())?;
        }
    }
    Ok(())
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
