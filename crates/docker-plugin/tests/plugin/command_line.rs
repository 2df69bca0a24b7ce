//! The command line of a small plugin, in docker's way.

use clap::{Parser, Subcommand};
use docker_plugin::cli::{self, Invocation, Program, Refusal, UsageError, Wanted, values};
use docker_plugin::exit::Exit;
use docker_plugin::output::{Form, ObjectForm};

/// Greet people
#[derive(Debug, Parser)]
#[command(name = "hello")]
struct Hello {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
enum Verb {
    /// Say hello
    Say {
        /// Who is greeted
        #[arg(long, short, value_name = "string")]
        name: Option<String>,
        /// Say it louder than is polite, which needs a description of more than one line
        #[arg(long)]
        loud: bool,
        /// Format of the greeting
        #[arg(long, value_name = "string", value_parser = values::FORMS)]
        format: Option<String>,
    },
}

impl Program for Hello {
    type Command = Verb;
    type Source = ();

    fn check(self) -> Result<Verb, Refusal> {
        let Verb::Say { name, format, .. } = &self.verb;
        if name.as_deref() == Some("nobody") {
            let why = "nobody is there".to_owned();
            return Err(Refusal::Value { option: "name", value: "nobody".to_owned(), why });
        }
        values::form(format.as_deref())?;
        Ok(self.verb)
    }
}

fn read(line: &str) -> Result<Wanted<Hello>, UsageError> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    cli::understand::<Hello>(&words).map(|(_, wanted)| wanted)
}

#[test]
fn a_command_is_read_with_and_without_the_plugins_name() {
    for line in ["hello say -n ann --loud", "say --name=ann --loud=true", "-H tcp://h hello say --loud -nann"]
    {
        let said = Verb::Say { name: Some("ann".to_owned()), loud: true, format: None };
        assert_eq!(read(line), Ok(Invocation::Run(said)), "{line}");
    }
    assert_eq!(values::form(Some("json")).unwrap(), Form::Object(ObjectForm::Json));
}

#[test]
fn help_looks_like_dockers() {
    let wanted = "Usage:  docker hello say [OPTIONS]

Say hello

Options:
      --format string   Format of the greeting
      --loud            Say it louder than is polite, which needs a description
                        of more than one line
  -n, --name string     Who is greeted
";
    for line in ["hello say --help", "hello help say", "say --loud --help"] {
        assert_eq!(read(line), Ok(Invocation::Help(wanted.to_owned())), "{line}");
    }
    let Ok(Invocation::Bare(text)) = read("hello") else { panic!("no command is no failure") };
    assert!(text.contains("\nGreet people\n\nCommands:\n  say         Say hello\n"), "{text}");
    assert!(
        text.ends_with("\nRun 'docker hello COMMAND --help' for more information on a command.\n"),
        "{text}"
    );
}

#[test]
fn wrong_usage_is_told_in_dockers_words() {
    for (line, words, exit) in [
        ("hello say --quiet", "unknown flag: --quiet", Exit::Usage),
        ("hello say -xn", "unknown shorthand flag: 'x' in -xn", Exit::Usage),
        ("hello say --name", "flag needs an argument: --name", Exit::Usage),
        ("--foo hello say", "unknown flag: --foo", Exit::Usage),
        ("hello say bye", "docker: 'docker hello say' accepts no arguments", Exit::Failure),
        ("hello sing", "docker: unknown command: docker hello sing", Exit::Failure),
        (
            "hello say --name nobody",
            "invalid argument \"nobody\" for \"-n, --name\" flag: nobody is there",
            Exit::Usage,
        ),
        ("hello say --format {{", "template parsing error: template: :1: ", Exit::Template),
    ] {
        let error = read(line).unwrap_err();
        assert!(error.text.starts_with(words) && error.exit == exit, "{line}: {error:?}");
    }
}

#[test]
fn docker_is_answered_when_it_asks() {
    assert_eq!(read("docker-cli-plugin-metadata"), Ok(Invocation::Metadata));
    assert_eq!(read("hello docker-cli-plugin-hooks {}"), Ok(Invocation::Hook("{}".to_owned())));
    let completed = |line: &str| match read(line) {
        Ok(Invocation::Complete(wanted)) => wanted.text(vec![]),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(completed("__complete hello s"), "say\tSay hello\n:4\n");
    assert_eq!(completed("__completeNoDesc hello say --l"), "--loud\n:4\n");
    assert_eq!(completed("__complete hello say --format="), "pretty\njson\n:4\n");
}

#[test]
fn shells_get_a_script_for_the_program_alone() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let Ok(Invocation::Help(script)) = read(&format!("completion {shell}")) else { panic!("{shell}") };
        assert!(script.contains("docker-hello") && script.contains("loud"), "{shell}");
    }
    assert!(read("completion tcsh").unwrap_err().text.starts_with("completion wants one shell"));
}
