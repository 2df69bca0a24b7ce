//! What the derive makes of an error's attributes and documentation.

use explained::{Explained, Explanation};

/// Nobody is there.
#[derive(Debug, thiserror::Error, Explained)]
#[error("no answer from \"{who}\"")]
#[advice = "ask again"]
#[status = "part"]
struct SilentError {
    who: String,
}

#[derive(Debug, thiserror::Error, Explained)]
#[status = "2"]
enum ReadError<'a> {
    /// The first paragraph is the cause, over
    /// as many lines as it has.
    ///
    /// What follows is for programmers.
    #[error("cannot read \"{path:?}\" in {seconds} s", seconds = 5)]
    #[advice = "correct the path"]
    NoFile { path: &'a str },
    /// The end comes too early.
    #[error("it is cut off")]
    #[advice = "fetch it again"]
    #[status = "1"]
    Cut,
    #[error("it is cut off")]
    CutOnce,
    #[error(transparent)]
    Silent(#[from] SilentError),
}

#[test]
fn each_variant_tells_its_words_cause_advice_and_status() {
    let [no_file, cut] = ReadError::EXPLANATIONS else { panic!("{:?}", ReadError::EXPLANATIONS) };
    let expected = Explanation {
        code: "read-no-file",
        words: "cannot read \"{path}\" in {seconds} s",
        cause: "The first paragraph is the cause, over as many lines as it has",
        advice: "correct the path",
        status: "2",
    };
    assert_eq!(*no_file, expected);
    assert_eq!((cut.code, cut.status), ("read-cut", "1"));
}

#[test]
fn a_struct_is_one_error() {
    let [silent] = SilentError::EXPLANATIONS else { panic!("{:?}", SilentError::EXPLANATIONS) };
    assert_eq!((silent.code, silent.cause, silent.status), ("silent", "Nobody is there", "part"));
}

#[test]
fn the_words_are_those_of_the_error() {
    let error = ReadError::from(SilentError { who: "x".to_owned() });
    assert_eq!(error.to_string(), "no answer from \"x\"");
    assert_eq!(ReadError::Cut.to_string(), ReadError::CutOnce.to_string());
    assert_eq!(ReadError::NoFile { path: "/x" }.to_string(), "cannot read \"\"/x\"\" in 5 s");
}

#[derive(Debug, thiserror::Error, Explained)]
#[status = "fail"]
enum Found {
    /// Somebody stopped it.
    #[error("\"{name}\" does not run")]
    #[advice("'start {name} {grace:.1}' starts it")]
    Stopped { name: String, grace: f32 },
    /// It is old.
    #[error("it is old")]
    #[advice = "nothing"]
    Old,
}

#[test]
fn advice_can_be_told_of_what_was_met() {
    let stopped = Found::Stopped { name: "x".to_owned(), grace: 2.0 };
    assert_eq!(stopped.advice().as_deref(), Some("'start x 2.0' starts it"));
    assert_eq!(Found::EXPLANATIONS[0].advice, "'start {name} {grace}' starts it");
    assert_eq!(Found::Old.advice(), None);
}

#[test]
fn an_error_finds_its_explanation() {
    let code = |found: Option<&Explanation>| found.map(|found| found.code);
    let silent = || SilentError { who: "x".to_owned() };
    assert_eq!(code(Found::Old.explanation()), Some("found-old"));
    assert_eq!(code(ReadError::CutOnce.explanation()), Some("read-cut"));
    assert_eq!(code(silent().explanation()), Some("silent"));
    assert_eq!(code(ReadError::Silent(silent()).explanation()), None);
}

#[derive(Debug, thiserror::Error, Explained)]
#[hints]
enum Hint {
    /// Nobody answers.
    #[error("is \"{what}\" running?")]
    Running { what: String },
}

#[test]
fn a_hint_is_advice_itself() {
    let hint = Hint::Running { what: "x".to_owned() };
    assert_eq!(hint.to_string(), "is \"x\" running?");
    assert_eq!((Hint::EXPLANATIONS[0].words, Hint::EXPLANATIONS[0].advice), ("is \"{what}\" running?", ""));
}
