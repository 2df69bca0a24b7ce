//! Times as people write them for docker.

use std::time::Duration;

use crate::commands::logs::Since;

/// A duration in Go's spelling: `24h`, `1h30m`, `90s`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.is_empty()).then_some(total).and_then(|total| Duration::try_from_secs_f64(total).ok())
}

/// A point in time as `docker logs --since` takes it: how long ago (`10m`), seconds since 1970,
/// or a date with its zone (RFC 3339). Without a zone docker means the user's own, which is not
/// known here.
pub(super) fn since(text: &str) -> Result<Since, String> {
    let seconds = || text.split('.').next().and_then(|whole| whole.parse().ok()).map(Since::At);
    duration(text)
        .map(Since::Ago)
        .or_else(seconds)
        .or_else(|| crate::output::seconds(text).map(Since::At))
        .ok_or_else(|| "must be how long ago (10m), or a time such as 2024-05-01T10:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
