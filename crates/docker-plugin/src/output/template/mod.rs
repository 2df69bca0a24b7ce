//! Go templates, as docker's `--format` takes them: the language is that of Go's `text/template`,
//! the functions are docker's own. The engine is gotmpl; made up here for what Go refuses and it does
//! not (blocks without an end, functions that nobody has made), and for Go's words about it.

mod blocks;
mod error;
mod functions;
mod list;

pub use error::{FormatError, TemplateError};
pub use list::ListTemplate;

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{MissingKey, ToSerdeValue, Value};
use serde_json::Value as Json;

/// What the engine calls the outermost template, which docker leaves without a name: only what
/// has one can be looked up.
const NAME: &str = "--format";

/// A template that is known to be well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
}

impl Template {
    /// Checks a template.
    ///
    /// # Errors
    /// What is wrong with it, in the words of Go.
    pub fn new(source: &str) -> Result<Self, TemplateError> {
        blocks::check(source).map_err(|(line, why)| TemplateError::at_line(line, why))?;
        let functions = functions::of_rows(None);
        let known: Vec<_> = functions.keys().cloned().chain(gotmpl_builtins()).collect();
        error::check_functions(&parse(source, functions)?, &known)?;
        Ok(Self { source: source.to_owned() })
    }

    /// The text for one object, without a line end of its own.
    ///
    /// # Errors
    /// A field that the object has not, and a function that does not suit its arguments.
    pub fn render(&self, object: &Json) -> Result<String, TemplateError> {
        self.row(object, object)
    }

    /// The text for an object whose fields are prepared for people; `{{json .}}` gives `whole`,
    /// which is the same for programs.
    fn row(&self, shown: &Json, whole: &Json) -> Result<String, TemplateError> {
        let dot = value(shown)?;
        let template = parse(&self.source, functions::of_rows(Some((dot.clone(), whole.to_string()))))?;
        let template = template.missing_key(MissingKey::Error);
        template
            .execute_to_string(&dot)
            .map_err(|error| TemplateError::executing(&template, &self.source, error))
    }

    /// The header of a table, `columns` being the captions of the fields. As for docker, a field
    /// without a caption has `<no value>`, and what goes wrong ends the header early.
    fn header(&self, columns: &[(&str, &str)]) -> String {
        let captions: BTreeMap<Arc<str>, Value> = columns
            .iter()
            .map(|(field, caption)| (Arc::from(*field), Value::String(Arc::from(*caption))))
            .collect();
        let mut header = String::new();
        if let Ok(template) = parse(&self.source, functions::of_headers()) {
            template.execute_fmt(&mut header, &Value::Map(Arc::new(captions))).ok();
        }
        header
    }
}

fn parse(source: &str, functions: gotmpl::FuncMap) -> Result<gotmpl::Template, TemplateError> {
    gotmpl::Template::new(NAME).funcs(functions).parse(source).map_err(TemplateError::parsing)
}

fn value(object: &Json) -> Result<Value, TemplateError> {
    object.to_serde_value().map_err(|error| TemplateError::plain(&error.to_string()))
}

/// The functions that are part of the language (Go's `text/template`).
fn gotmpl_builtins() -> impl Iterator<Item = String> {
    [
        "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
        "print", "printf", "println", "slice", "urlquery",
    ]
    .into_iter()
    .map(str::to_owned)
}

#[cfg(test)]
mod tests;
