//! What is wrong with a command line, in docker's words.

use explained::Explained;

/// What is wrong with an option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum OptionError {
    /// There is no such option.
    #[error("unknown flag: {option}")]
    #[advice = "see `--help`"]
    Unknown {
        /// As it was written.
        option: String,
    },
    /// There is no such short option.
    #[error("unknown shorthand flag: '{letter}' in {option}")]
    #[advice = "see `--help`"]
    UnknownShort {
        /// The option's letter.
        letter: char,
        /// The word that it stands in.
        option: String,
    },
    /// The value is missing.
    #[error("flag needs an argument: {option}")]
    #[advice = "write it behind the option"]
    NoValue {
        /// As it was written; a letter with its word.
        option: String,
    },
    /// The option takes no such value.
    #[error("invalid argument \"{value}\" for \"{option}\" flag: {why}")]
    #[advice = "what `{why}` says, below"]
    Value {
        /// The value.
        value: String,
        /// All names of the option.
        option: String,
        /// What would fit.
        why: String,
    },
    /// A word without an option is no value of the kind that is wanted there.
    #[error("invalid argument \"{value}\": {why}")]
    #[advice = "what `{why}` says, below"]
    Argument {
        /// The word.
        value: String,
        /// What would fit.
        why: String,
    },
    /// Another word, or none.
    #[error("completion wants one shell: \"bash\", \"zsh\", \"fish\" or \"powershell\"")]
    #[advice = "name one"]
    Shell,
}

/// A word that a command does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
pub enum WordError {
    /// There is no such command.
    #[error("docker: unknown command: {command} {word}")]
    #[advice = "see `--help`"]
    Unknown {
        /// The full name of the command above it.
        command: String,
        /// The word.
        word: String,
    },
    /// A word too many.
    #[error("docker: '{command}' accepts no arguments")]
    #[advice = "leave it out"]
    NoneTaken {
        /// The command's full name.
        command: String,
    },
    /// The words that it is about are missing.
    #[error("docker: '{command}' requires at least 1 argument")]
    #[advice = "name one"]
    OneNeeded {
        /// The command's full name.
        command: String,
    },
    /// A word too many.
    #[error("docker: '{command}' requires at most 1 argument")]
    #[advice = "leave it out"]
    OneTaken {
        /// The command's full name.
        command: String,
    },
}

/// Why a value does not fit: the end of [`OptionError::Value`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum ValueError {
    /// `--host` twice.
    #[error("specify only one -H")]
    #[advice = "give it once"]
    HostTwice,
    /// `--log-level` with another word.
    #[error("must be one of debug, info, warn, error, fatal")]
    #[advice = "take one of those"]
    LogLevel,
    /// `--switch=VALUE` with another value.
    #[error("must be \"true\" or \"false\"")]
    #[advice = "write it so, or the switch alone"]
    Truth,
    /// A word that is none of the few that the option takes.
    #[error("must be {words} or {last}")]
    #[advice = "take one of those"]
    Word {
        /// All but the last, in quotes, with commas between them.
        words: String,
        /// The last one in quotes.
        last: String,
    },
    /// A size cannot be read.
    #[error("must be a size such as 512mb or 10gb")]
    #[advice = "write it so"]
    Size,
    /// A limit of time cannot be read.
    #[error("must be a time of 1s or more, such as 20s or 2m; a number alone is seconds")]
    #[advice = "write it so"]
    Limit,
}
