//! Ages as docker prints them (docker/go-units, `duration.go`): by words and by rounding of its own, as
//! no crate has them.

use std::time::Duration;

/// How long ago something was: `36 minutes ago`, `2 days ago`.
#[must_use]
pub fn age(age: Duration) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    let seconds = age.as_secs();
    // Docker rounds hours to the nearest and everything else down.
    let hours = (seconds + HOUR / 2) / HOUR;
    let words = match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..HOUR => format!("{} minutes", seconds / 60),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / (365 * DAY)),
    };
    format!("{words} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_look_like_dockers() {
        const DAY: u64 = 86_400;
        let cases = [
            (0, "Less than a second ago"),
            (59, "59 seconds ago"),
            (61, "About a minute ago"),
            (36 * 60, "36 minutes ago"),
            (3600, "About an hour ago"),
            (2 * DAY, "2 days ago"),
            (15 * DAY, "2 weeks ago"),
            (90 * DAY, "3 months ago"),
            (800 * DAY, "2 years ago"),
        ];
        for (seconds, text) in cases {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
