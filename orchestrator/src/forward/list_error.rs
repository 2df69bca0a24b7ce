//! Lists of forwards that cannot be understood.

use assemble_contract::ports::PortsError;
use explained::Explained;

/// What is wrong with a word of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum ListError {
    /// `--allow-host-port` with something else in its list.
    #[error(
        "\"{word}\" is not a port (1 to 65535, or 0 alone for none), nor INSIDE:OUTSIDE or a range \
         FIRST-LAST of them"
    )]
    #[advice = "correct the list"]
    Ports {
        /// As it was written.
        word: String,
    },
    /// A range of ports whose last one comes before its first.
    #[error("{backwards}")]
    #[advice = "write that"]
    Backwards {
        /// Which, and how it is meant.
        backwards: PortsError,
    },
    /// `port add`, `port rm` and `doctor` with the word for no port.
    #[error("0 is no port here")]
    #[advice = "`start --allow-host-port 0` forwards nothing"]
    Zero,
    /// There is no such place.
    #[error("\"@{place}\" in \"{word}\" is not \"@loopback\"")]
    #[advice = "write `@loopback`, or use `--forward` for another host"]
    Destination {
        /// What stands behind the `@`.
        place: String,
        /// As it was written.
        word: String,
    },
    /// `8000-8010:9000-9005`, for example.
    #[error("the two ranges of \"{word}\" are not of one length")]
    #[advice = "make them equally long"]
    Lengths {
        /// As it was written.
        word: String,
    },
    /// `--forward` with something else in its list.
    #[error("\"{word}\" is not PORT=HOST:PORT, as 5432=db.internal:5432")]
    #[advice = "correct the list"]
    Hosts {
        /// As it was written.
        word: String,
    },
    /// `--forward` to `localhost` or a loopback address.
    #[error(
        "\"{host}\" would be the relay's own network; '--allow-host-port {mapped}@loopback' reaches the \
         host's loopback"
    )]
    #[advice = "use that option"]
    Own {
        /// As it was written.
        host: String,
        /// The ports, as that option has them.
        mapped: String,
    },
}
