//! Errors whose variants own their words, their cause and what to do about them, so that a table of all
//! errors can be printed from the types.
//!
//! ```
//! use explained::Explained;
//!
//! #[derive(Debug, thiserror::Error, Explained)]
//! enum CopyError {
//!     /// A full disk, for instance.
//!     #[error("cannot write \"{path}\"")]
//!     #[advice = "make room"]
//!     Write { path: String },
//! }
//!
//! let [write] = CopyError::EXPLANATIONS else { panic!() };
//! assert_eq!((write.code, write.words), ("copy-write", "cannot write \"{path}\""));
//! assert_eq!((write.cause, write.advice, write.status), ("A full disk, for instance", "make room", "1"));
//! ```
//!
//! The words are those of `#[error("…")]`; the cause is the first paragraph of the variant's documentation;
//! `#[advice = "…"]` says what a person can do; `#[status = "…"]`, on a variant or for all of them on
//! the type, says how the program ends, which is "1" where nothing else is said. Advice that is also told
//! where the error is met is a format string over the variant's fields, `#[advice("…")]`. A type with
//! `#[hints]` has no advice beside its words, which are advice themselves. A variant without a
//! cause or an advice does not compile, unless it is transparent, or another one has its words and explains
//! them:
//!
//! ```compile_fail
//! #[derive(Debug, thiserror::Error, explained::Explained)]
//! enum CopyError {
//!     /// A full disk, for instance.
//!     #[error("cannot write")]
//!     Write,
//! }
//! ```

pub use explained_derive::Explained;

/// An error that is explained.
pub trait Explained {
    /// One for each variant, in their order.
    const EXPLANATIONS: &'static [Explanation];

    /// That of this error; `None` where it is in the words of another type.
    fn explanation(&self) -> Option<&'static Explanation>;

    /// What a person can do about this very error, where its variant has `#[advice("…")]`.
    fn advice(&self) -> Option<String>;
}

/// What there is to say about an error before it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// A short name, made of those of the type and the variant: `copy-write`.
    pub code: &'static str,
    /// The message; names in braces stand for what was met.
    pub words: &'static str,
    /// What brings it about.
    pub cause: &'static str,
    /// What a person can do; empty where the words say it.
    pub advice: &'static str,
    /// How the program ends.
    pub status: &'static str,
}
