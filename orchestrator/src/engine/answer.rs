//! Answers of the engine that are no good.

use explained::Explained;

/// What is wrong with an answer, as the cause of another error.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "part"]
pub enum AnswerError {
    /// A proxy in front of the engine, or no engine.
    #[error("\"{endpoint}\" answered with http status {status} ({reason}) and no reason")]
    #[advice = "see what listens there"]
    NoReason {
        /// Who answered.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// What that means.
        reason: String,
    },
    /// A proxy in front of the engine; its words are the title of a page in HTML.
    #[error("\"{endpoint}\" answered with http status {status} ({reason}) and the page \"{page}\"")]
    #[advice = "see what listens there"]
    Page {
        /// Who answered.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// What that means.
        reason: String,
        /// The title of the page, or what it says first.
        page: String,
    },
    /// The engine takes TLS only.
    #[error("it wants tls")]
    #[advice = "`--tlsverify` or `--tls`"]
    WantsTls,
    /// It is no engine, or a proxy in front of it takes them out.
    #[error("the engine's answer lacks an id or a name")]
    #[advice = "see what listens there"]
    Nameless,
    /// The answer to a pull was empty.
    #[error("the engine said nothing")]
    #[advice = "see whether a proxy is in between"]
    Empty,
    /// It said that an image was loaded or pulled, and does not have it.
    #[error("the engine has no such image after it")]
    #[advice = "see whether a proxy is in between; the engine's log"]
    NoImage,
    /// The engine took a change of settings and did not make it.
    #[error("it has left {names} as before")]
    #[advice = "see the warnings of `docker info`: its kernel may lack that limit"]
    Ignored {
        /// The settings.
        names: String,
    },
    /// It is no engine, or the connection broke.
    #[error("the engine's answer makes no sense: {message}")]
    #[advice = "see what listens there"]
    Nonsense {
        /// Why it cannot be read.
        message: String,
    },
    /// The engine gave something else for the note about the forwards.
    #[error("there is no file in the archive")]
    #[advice = "nothing: it counts as unknown"]
    #[status = "log"]
    NoFile,
    /// The engine does not take commands over this connection.
    #[error("the engine detached the command")]
    #[advice = "see whether a proxy is in between"]
    Detached,
    /// A proxy in front of the engine takes the request for it away.
    #[error("the connection was not upgraded to the streams of the command")]
    #[advice = "see what is in between"]
    NoUpgrade,
    /// A program in the container failed and said nothing.
    #[error("the command ended with status {status}")]
    #[advice = "`backend logs`"]
    Failed {
        /// Its exit status.
        status: i64,
    },
    /// A program in the container failed, and its words.
    #[error("{words} (status {status})")]
    #[advice = "what they say"]
    FailedSaying {
        /// What it said.
        words: String,
        /// Its exit status.
        status: i64,
    },
}
