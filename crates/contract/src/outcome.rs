//! What comes of connecting, in one word.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What comes of connecting to a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The target accepts.
    Accepted,
    /// Its host, or the firewall there, answers that nothing listens.
    Refused,
    /// Another answer of the network, or of the own host's tables.
    Unreachable,
    /// No answer.
    TimedOut,
    /// The relay's network namespace has no default route.
    NoGateway,
    /// The relay met itself.
    Loop,
    /// The name service knows that there is no such name.
    NoSuchName,
    /// The name service does not tell.
    NameService,
    /// The relay, or its host, has no descriptor left for it.
    Descriptors,
    /// The dialer is of no help.
    Dialer,
    /// The client broke its connection meanwhile: nothing is wrong with the target.
    ClientGone,
    /// Nobody tried: there was no time left.
    NotTried,
    /// A word that this version does not know.
    #[default]
    Unknown,
}

impl Outcome {
    const ALL: [Self; 13] = [
        Self::Accepted,
        Self::Refused,
        Self::Unreachable,
        Self::TimedOut,
        Self::NoGateway,
        Self::Loop,
        Self::NoSuchName,
        Self::NameService,
        Self::Descriptors,
        Self::Dialer,
        Self::ClientGone,
        Self::NotTried,
        Self::Unknown,
    ];

    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::NoGateway => "no_gateway",
            Self::Loop => "loop",
            Self::NoSuchName => "no_such_name",
            Self::NameService => "name_service",
            Self::Descriptors => "descriptors",
            Self::Dialer => "dialer",
            Self::ClientGone => "client_gone",
            Self::NotTried => "not_tried",
            Self::Unknown => "unknown",
        }
    }

    /// What the word means; [`Self::Unknown`] for any other one.
    #[must_use]
    pub fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word).unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| Self::of(&word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_means_what_it_is_the_word_of() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::of(outcome.word()), outcome);
            let json = serde_json::to_string(&outcome).unwrap();
            assert_eq!(json, format!("\"{outcome}\""));
            assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
        }
        assert_eq!(Outcome::of("melted"), Outcome::Unknown);
    }
}
