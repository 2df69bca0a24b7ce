//! A point in time, as `docker logs --since` takes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use docker_plugin::cli::duration;

use super::LogsOptionError;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Ago(Duration),
    /// In seconds since 1970.
    At(i64),
}

impl Since {
    pub(super) fn seconds(self, now: SystemTime) -> i64 {
        match self {
            Self::At(seconds) => seconds,
            Self::Ago(ago) => {
                let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since_1970.saturating_sub(ago).as_secs()).unwrap_or(i64::MAX)
            }
        }
    }
}

/// A point in time as `docker logs --since` takes it: how long ago (`10m`), seconds since 1970,
/// or a date with its zone (RFC 3339). Without a zone docker means the user's own, which is not
/// known here.
pub(super) fn since(text: &str) -> Result<Since, LogsOptionError> {
    let seconds = || text.split('.').next().and_then(|whole| whole.parse().ok()).map(Since::At);
    duration(text)
        .map(Since::Ago)
        .or_else(seconds)
        .or_else(|| docker_plugin::output::seconds(text).map(Since::At))
        .ok_or(LogsOptionError::Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1970() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(Since::Ago(Duration::from_secs(400)).seconds(now), 600);
        assert_eq!(Since::Ago(Duration::from_secs(4_000)).seconds(now), 0);
        assert_eq!(Since::At(7).seconds(now), 7);
    }

    #[test]
    fn a_point_in_time_has_many_spellings() {
        let cases = [
            ("10m", Since::Ago(Duration::from_secs(600))),
            ("1h30m", Since::Ago(Duration::from_secs(5_400))),
            ("1714557600", Since::At(1_714_557_600)),
            ("1714557600.25", Since::At(1_714_557_600)),
            ("2024-05-01T10:00:00Z", Since::At(1_714_557_600)),
            ("2024-05-01T12:00:00.5+02:00", Since::At(1_714_557_600)),
            ("2024-05-01T08:30:00-01:30", Since::At(1_714_557_600)),
            ("2000-02-29T00:00:00Z", Since::At(951_782_400)),
            ("1969-12-31T23:59:59Z", Since::At(-1)),
        ];
        for (text, time) in cases {
            assert_eq!(since(text), Ok(time), "{text}");
        }
        for bad in ["", "yesterday", "2024-05-01", "2024-05-01T10:00:00", "2024-13-01T10:00:00Z", "5x"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
