//! Points in time as text.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// A time in UTC to the second, `2024-05-01T10:00:00Z` (RFC 3339). Times before 1970 count as
/// its beginning, and those after the year 9999 as well.
#[must_use]
pub fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Seconds since 1970 of `2024-05-01T10:00:00Z`; fractions of a second are dropped, the zone may
/// be `Z` or `+02:00`. `None` for what is no such time.
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    text.parse().ok().map(Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_right() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_714_557_600, "2024-05-01T10:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
            assert_eq!(self::seconds(text), i64::try_from(seconds).ok());
        }
    }

    #[test]
    fn times_have_a_zone_and_days_that_there_are() {
        assert_eq!(seconds("2024-05-01T12:00:00.5+02:00"), Some(1_714_557_600));
        assert_eq!(seconds("0001-01-01T00:00:00Z"), Some(-62_135_596_800));
        for bad in ["", "yesterday", "2024-05-01", "2024-05-01T10:00:00", "2024-02-30T10:00:00Z"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
