//! `backend doctor`: the whole way from the engine to the services that builds want to reach.
//!
//! `gather` finds the facts out, `checks` judges them and is pure, and here they are printed.

mod checks;
mod facts;
mod gather;
mod measure;

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use docker_plugin::cli::values::{FORMS, form, limit};
use docker_plugin::cli::{Completes, Refusal};
use docker_plugin::output::{Console, Form};
use explained::Explained;
use serde_json::json;

use super::forwards::{self, Words, merged};
use crate::engine::Engine;
use crate::forward::asked::{self, Asked};

pub use checks::{
    BackendTrouble, DaemonTrouble, EngineTrouble, ForwardTrouble, HelperTrouble, KernelTrouble,
    NetworkTrouble,
};
pub use facts::Unanswered;
pub use gather::Doctor;

/// Check the whole way from builds to the host's ports
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend doctor
  $ docker assemble backend doctor 8080 9000-9009")]
pub(super) struct Options {
    /// Format output: "pretty", "json" (one object) or a Go template; fields: .Verdict .Checks (.Name
    /// .Verdict .Why .Help)
    #[arg(long, short, value_name = "string", value_parser = FORMS)]
    format: Option<String>,

    /// Ports whose services are asked whether they are registries (default 5000), as "port add" takes them
    #[arg(value_name = "PORT", value_parser = asked::some, add = Completes(forwards::complete_added))]
    ports: Vec<Words>,

    /// Time each step has (default 20s)
    #[arg(long, value_name = "duration", value_parser = limit)]
    timeout: Option<Duration>,
}

/// How closely to look, and how to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examination {
    /// The forwards whose services are asked what they speak; the usual one where none is named.
    pub asked: Vec<Asked>,
    /// In place of the usual deadline of each step.
    pub limit: Option<Duration>,
    /// How to print it.
    pub form: Form,
}

impl Options {
    /// What they come to together.
    pub(super) fn check(self) -> Result<Examination, Refusal> {
        let asked = merged(Some(&self.ports.concat()), &[], false)?;
        Ok(Examination { asked, limit: self.timeout, form: form(self.format.as_deref())? })
    }
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing to do.
    Ok,
    /// Builds work, but something is to be known.
    Warn,
    /// Builds do not work, or not all.
    Fail,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: `engine`, `target 5000`.
    pub name: String,
    /// How it came out.
    pub verdict: Verdict,
    /// Why, in one line.
    pub why: String,
    /// What to do, in one line; `None` when there is nothing to do.
    pub help: Option<String>,
}

/// `backend doctor` found what keeps builds from the host's ports.
#[derive(Debug, thiserror::Error, Explained)]
#[error("{failed} of {checks} checks failed")]
#[advice = "what stands behind `->` at each `fail`"]
pub struct ChecksFailed {
    failed: usize,
    checks: usize,
}

/// Runs the command, which needs neither a backend nor an engine.
///
/// # Errors
/// A check that failed, and an output that is closed.
pub async fn run<E: Engine>(
    doctor: Doctor<'_, E>,
    console: &Console,
    examination: Examination,
) -> Result<()> {
    let Examination { asked, limit, form } = examination;
    let checks = checks::all(&doctor.gather(asked, limit).await);
    match form {
        Form::Text => lines(&checks).iter().try_for_each(|line| console.line(line))?,
        Form::Object(form) => super::print(console, &object(&checks), &form)?,
    }
    match checks.iter().filter(|check| check.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        failed => Err(ChecksFailed { failed, checks: checks.len() }.into()),
    }
}

fn lines(checks: &[Check]) -> Vec<String> {
    /// As wide as the longest usual name; ranges have longer ones.
    const NAME: usize = 15;
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(NAME).max(NAME);
    let of_check = |check: &Check| {
        let first = format!("{:4}  {:width$} {}", check.verdict.word(), check.name, check.why);
        let help = check.help.as_ref().map(|help| format!("{:6}{:width$} -> {help}", "", ""));
        std::iter::once(first).chain(help).collect::<Vec<_>>()
    };
    checks.iter().flat_map(of_check).collect()
}

fn object(checks: &[Check]) -> serde_json::Value {
    let worst = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({
                "Name": check.name,
                "Verdict": check.verdict.word(),
                "Why": check.why,
                "Help": check.help,
            })
        })
        .collect();
    json!({ "Verdict": worst.word(), "Checks": checks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_one_line_and_what_to_do_another() {
        let good =
            Check { name: "engine".to_owned(), verdict: Verdict::Ok, why: "it is".to_owned(), help: None };
        let bad = Check {
            name: "target 5000".to_owned(),
            verdict: Verdict::Fail,
            why: "refused".to_owned(),
            help: Some("start it".to_owned()),
        };
        assert_eq!(
            lines(&[good.clone(), bad.clone()]),
            [
                "ok    engine          it is",
                "fail  target 5000     refused",
                "                      -> start it"
            ]
        );
        let range = Check { name: "target 8000-8099".to_owned(), ..bad.clone() };
        assert_eq!(lines(&[good.clone(), range])[0], "ok    engine           it is");
        let both = object(&[good, bad]);
        assert_eq!((&both["Verdict"], &both["Checks"][1]["Help"]), (&json!("fail"), &json!("start it")));
        assert_eq!(object(&[])["Verdict"], "ok");
    }
}
