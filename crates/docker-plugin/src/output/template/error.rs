//! What is wrong with a template, in Go's words and with Go's positions.

use explained::Explained;
use gotmpl::parse::{CommandNode, Expr, ListNode, Node, PipeNode, Pos};

/// A template cannot be understood, or does not suit what it is for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error("template: {words}")]
#[advice = "correct it at the line and column that Go's words tell"]
#[status = "part"]
pub struct TemplateError {
    words: String,
}

/// Why a `--format` is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
pub enum FormatError {
    /// A template for one object cannot be understood.
    #[error("template parsing error: {error}", error = .0)]
    #[advice = "what `{error}` says"]
    #[status = "64"]
    Object(TemplateError),
    /// A template for a list, or one that begins with `table`, cannot be understood.
    #[error("failed to parse template: {error}", error = .0)]
    #[advice = "what `{error}` says"]
    List(TemplateError),
    /// A field that the rows have not, or a function that does not suit it; see the cause behind it.
    #[error("failed to execute template")]
    #[advice = "`--help` lists the fields"]
    Rows(#[source] TemplateError),
}

impl TemplateError {
    fn new(words: String) -> Self {
        Self { words }
    }

    pub(super) fn plain(words: &str) -> Self {
        Self::new(words.to_owned())
    }

    pub(super) fn at_line(line: usize, words: &str) -> Self {
        Self::new(format!(":{line}: {words}"))
    }

    /// What the parser found. Go tells no column for it.
    pub(super) fn parsing(error: gotmpl::TemplateError) -> Self {
        match error {
            gotmpl::TemplateError::Parse { line, message, .. }
            | gotmpl::TemplateError::Lex { line, message, .. } => Self::new(format!(":{line}: {message}")),
            error => Self::plain(&error.to_string()),
        }
    }

    /// What happened to a template at work. The engine tells which field is missing and not
    /// where, so the first place that asks for it is named.
    pub(super) fn executing(template: &gotmpl::Template, source: &str, error: gotmpl::TemplateError) -> Self {
        let gotmpl::TemplateError::MissingKey { key } = error else {
            let words = error.to_string();
            let words = words.trim_start_matches("execution error: ");
            return Self::new(format!("executing \"\": {words}"));
        };
        let what = format!("can't evaluate field {key}");
        let mut place = None;
        if let Some(tree) = template.lookup(super::NAME) {
            each_expression(tree, &mut |expression| {
                place = place.take().or_else(|| place_of(expression, &key));
            });
        }
        match place {
            Some((offset, words)) => {
                let before = source.get(..offset).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                let column = before.rfind('\n').map_or(offset, |newline| offset - newline - 1);
                Self::new(format!(":{line}:{column}: executing \"\" at <{words}>: {what}"))
            }
            None => Self::new(format!("executing \"\": {what}")),
        }
    }
}

/// Refuses functions that nobody has made: Go finds out before it begins.
pub(super) fn check_functions(template: &gotmpl::Template, known: &[String]) -> Result<(), TemplateError> {
    let mut unknown = None;
    let names = template.templates();
    let trees = names.iter().copied().chain([super::NAME]).filter_map(|name| template.lookup(name));
    for tree in trees {
        each_expression(tree, &mut |expression| match expression {
            Expr::Identifier(Pos { line, .. }, name) if !known.iter().any(|known| known == name.as_str()) => {
                unknown.get_or_insert_with(|| format!(":{line}: function \"{name}\" not defined"));
            }
            _ => {}
        });
    }
    unknown.map_or(Ok(()), |words| Err(TemplateError::new(words)))
}

/// Where and in which words an expression asks for a field. Go's position of a chain is that of
/// its second part.
fn place_of(expression: &Expr, key: &str) -> Option<(usize, String)> {
    let asks = |fields: &[_]| fields.iter().any(|field: &gotmpl::parse::SmolStr| field == key);
    let spell = |fields: &[gotmpl::parse::SmolStr]| -> String {
        fields.iter().map(|field| format!(".{field}")).collect()
    };
    match expression {
        Expr::Field(at, fields) if asks(fields) => {
            let first = fields.first().filter(|_| fields.len() > 1).map_or(0, |first| first.len() + 1);
            Some((at.offset + first, spell(fields)))
        }
        Expr::Variable(at, name, fields) if asks(fields) => {
            Some((at.offset + name.len(), format!("{name}{}", spell(fields))))
        }
        _ => None,
    }
}

fn each_expression(list: &ListNode, visit: &mut dyn FnMut(&Expr)) {
    for node in &list.nodes {
        match node {
            Node::List(list) => each_expression(list, visit),
            Node::Action(action) => of_pipe(&action.pipe, visit),
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => {
                of_pipe(&branch.pipe, visit);
                each_expression(&branch.body, visit);
                if let Some(list) = &branch.else_body {
                    each_expression(list, visit);
                }
            }
            Node::Template(template) => {
                if let Some(pipe) = &template.pipe {
                    of_pipe(pipe, visit);
                }
            }
            Node::Define(define) => each_expression(&define.body, visit),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }
}

fn of_pipe(pipe: &PipeNode, visit: &mut dyn FnMut(&Expr)) {
    for expression in pipe.commands.iter().flat_map(|CommandNode { args, .. }| args) {
        of_expression(expression, visit);
    }
}

fn of_expression(expression: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expression);
    match expression {
        Expr::Pipe(_, pipe) => of_pipe(pipe, visit),
        Expr::Chain(_, inner, _) => of_expression(inner, visit),
        _ => {}
    }
}
