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
