//! Templates for lists: one text for each row, or a table.

use serde_json::Value as Json;

use super::{Template, TemplateError};
use crate::output::table::aligned;

/// A format for a list, `table TEMPLATE` or `TEMPLATE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTemplate {
    template: Template,
    is_table: bool,
}

impl ListTemplate {
    /// Checks a format. The two letters `\t` in it mean a tab and `\n` a line end, since a shell
    /// does not turn them into one.
    ///
    /// # Errors
    /// Those of [`Template::new`].
    pub fn new(format: &str) -> Result<Self, TemplateError> {
        let (source, is_table) = format.strip_prefix("table").map_or((format, false), |rest| (rest, true));
        let source = source.trim_matches(' ').replace("\\t", "\t").replace("\\n", "\n");
        Ok(Self { template: Template::new(&source)?, is_table })
    }

    /// Whether rows are for a table, where docker marks ids and sizes with stars.
    #[must_use]
    pub const fn is_table(&self) -> bool {
        self.is_table
    }

    /// The text for all rows: of each, the object for people and the one for programs. A table
    /// has a header, made of the captions of its `columns`.
    ///
    /// # Errors
    /// Those of [`Template::render`].
    pub fn render(&self, columns: &[(&str, &str)], rows: &[(Json, Json)]) -> Result<String, TemplateError> {
        let mut text = String::new();
        if self.is_table {
            text.push_str(&self.template.header(columns));
            text.push('\n');
        }
        for (shown, whole) in rows {
            text.push_str(&self.template.row(shown, whole)?);
            text.push('\n');
        }
        Ok(if self.is_table { aligned(&text) } else { text })
    }
}
