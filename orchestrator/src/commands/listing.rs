//! What docker's own `ls` commands print: one of each on a line, in the form that was asked for.

use anyhow::Result;
use docker_plugin::cli::Refusal;
use docker_plugin::output::{Console, FormatError, ListTemplate};
use serde_json::Value;

/// How to print them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// A JSON object on a line for each.
    Json,
    /// The name of each and nothing else.
    Names,
    /// What a template makes of each.
    Template(ListTemplate),
}

impl Listing {
    /// What `--format` and `--quiet` come to; `table` is the usual one.
    pub(super) fn asked(format: Option<&str>, quiet: bool, table: &str) -> Result<Self, Refusal> {
        let template = |text| Ok(Self::Template(ListTemplate::new(text).map_err(FormatError::List)?));
        match format.filter(|format| !format.is_empty()) {
            _ if quiet => Ok(Self::Names),
            None | Some("table") => template(table),
            Some("json") => Ok(Self::Json),
            Some(text) => template(text),
        }
    }

    /// Prints each, by its name and its object; `columns` are the fields, with their captions.
    pub(super) fn print(
        &self,
        console: &Console,
        columns: &[(&str, &str)],
        rows: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<()> {
        let mut rows = rows.into_iter();
        match self {
            Self::Json => rows.try_for_each(|(_, row)| console.line(row))?,
            Self::Names => rows.try_for_each(|(name, _)| console.line(name))?,
            Self::Template(template) => {
                let rows: Vec<_> = rows.map(|(_, row)| (row.clone(), row)).collect();
                let text = template.render(columns, &rows).map_err(FormatError::Rows)?;
                console.raw(text.as_bytes())?;
            }
        }
        Ok(())
    }
}
