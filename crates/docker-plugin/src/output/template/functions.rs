//! The functions that docker adds to the language (docker/cli, `templates/templates.go`).

use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value, ValueFunc};
use serde_json::Value as Json;

type Outcome = Result<Value, TemplateError>;

/// For the rows. `root` is the object itself with its JSON, where that is not to be put together
/// from the fields.
pub(super) fn of_rows(root: Option<(Value, String)>) -> FuncMap {
    let to_json = move |args: &[Value]| {
        let [value] = arguments("json", args)?;
        match &root {
            Some((object, text)) if is_same(object, value) => Ok(string(text)),
            _ => Ok(string(&json(value).to_string())),
        }
    };
    let functions: [(&str, ValueFunc); 8] = [
        ("json", Arc::new(to_json)),
        ("join", Arc::new(join)),
        ("lower", Arc::new(|args: &[Value]| Ok(string(&one_text("lower", args)?.to_lowercase())))),
        ("pad", Arc::new(pad)),
        ("split", Arc::new(split)),
        ("title", Arc::new(|args: &[Value]| Ok(string(&title(one_text("title", args)?))))),
        ("truncate", Arc::new(truncate)),
        ("upper", Arc::new(|args: &[Value]| Ok(string(&one_text("upper", args)?.to_uppercase())))),
    ];
    functions.into_iter().map(|(name, function)| (name.to_owned(), function)).collect()
}

/// For the header of a table: captions stay as they are, but for those that move columns.
pub(super) fn of_headers() -> FuncMap {
    let mut functions = of_rows(None);
    for name in ["json", "join", "lower", "title", "truncate", "upper"] {
        let caption: ValueFunc = Arc::new(|args: &[Value]| Ok(args.first().cloned().unwrap_or(Value::Nil)));
        functions.insert(name.to_owned(), caption);
    }
    functions
}

/// Whether both are the very same object and not just alike.
fn is_same(one: &Value, other: &Value) -> bool {
    matches!((one, other), (Value::Map(one), Value::Map(other)) if Arc::ptr_eq(one, other))
}

fn string(text: &str) -> Value {
    Value::String(Arc::from(text))
}

fn arguments<'a, const N: usize>(name: &str, args: &'a [Value]) -> Result<[&'a Value; N], TemplateError> {
    let wrong =
        |_| TemplateError::Exec(format!("wrong number of args for {name}: want {N} got {}", args.len()));
    args.iter().collect::<Vec<_>>().try_into().map_err(wrong)
}

fn text(value: &Value) -> Result<&str, TemplateError> {
    value.as_str().ok_or_else(|| wrong_type("string", value))
}

fn one_text<'a>(name: &str, args: &'a [Value]) -> Result<&'a str, TemplateError> {
    let [value] = arguments(name, args)?;
    text(value)
}

/// A number of characters. Less than none is an error in Go as well.
fn count(value: &Value) -> Result<usize, TemplateError> {
    /// Beyond any line, and short of what would not fit the memory.
    const MOST: usize = 1 << 20;
    let number = value.as_int().ok_or_else(|| wrong_type("int", value))?;
    let number = usize::try_from(number).ok().filter(|number| *number <= MOST);
    number.ok_or_else(|| TemplateError::Exec(format!("\"{value}\" is not a number of characters")))
}

fn wrong_type(wanted: &str, value: &Value) -> TemplateError {
    TemplateError::Exec(format!("wrong type for value; expected {wanted}; got {}", value.type_name()))
}

fn join(args: &[Value]) -> Outcome {
    let [list, separator] = arguments("join", args)?;
    let separator = text(separator)?;
    match list {
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(ToString::to_string).collect();
            Ok(string(&items.join(separator)))
        }
        Value::Nil => Ok(string("")),
        other => Err(wrong_type("list", other)),
    }
}

fn split(args: &[Value]) -> Outcome {
    let [source, separator] = arguments("split", args)?;
    let (source, separator) = (text(source)?, text(separator)?);
    let parts: Vec<Value> = if separator.is_empty() {
        source.chars().map(|letter| string(&letter.to_string())).collect()
    } else {
        source.split(separator).map(string).collect()
    };
    Ok(Value::List(parts.into()))
}

/// Spaces in front and behind, but none for an empty text.
fn pad(args: &[Value]) -> Outcome {
    let [source, before, behind] = arguments("pad", args)?;
    let (source, before, behind) = (text(source)?, count(before)?, count(behind)?);
    if source.is_empty() {
        return Ok(string(""));
    }
    Ok(string(&format!("{}{source}{}", " ".repeat(before), " ".repeat(behind))))
}

/// At most so many bytes. Docker cuts letters of several bytes in the middle; they are left out
/// here.
fn truncate(args: &[Value]) -> Outcome {
    let [source, length] = arguments("truncate", args)?;
    let (source, length) = (text(source)?, count(length)?);
    let end = (0..=length.min(source.len())).rev().find(|end| source.is_char_boundary(*end));
    Ok(string(&source[..end.unwrap_or_default()]))
}

/// Every word with a capital (Go's `strings.Title`): letters, digits and `_` make words.
fn title(source: &str) -> String {
    let mut title = String::with_capacity(source.len());
    let mut in_word = false;
    for letter in source.chars() {
        if in_word {
            title.push(letter);
        } else {
            title.extend(letter.to_uppercase());
        }
        in_word = letter.is_alphanumeric() || letter == '_' || !(letter.is_ascii() || letter.is_whitespace());
    }
    title
}

fn json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(value) => value.as_ref().into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(fields) => fields.iter().map(|(name, value)| (name.to_string(), json(value))).collect(),
        Value::Nil | Value::Function(_) => Json::Null,
    }
}
