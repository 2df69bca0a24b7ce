//! Times as people write them for docker.

use std::time::Duration;

use crate::commands::logs::Since;

const DAY: i64 = 86_400;

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
        .or_else(|| rfc3339(text).map(Since::At))
        .ok_or_else(|| "must be how long ago (10m), or a time such as 2024-05-01T10:00:00Z".to_owned())
}

/// Seconds since 1970 of `2024-05-01T10:00:00Z`; fractions of a second are dropped, the zone may
/// be `Z` or `+02:00`.
fn rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers::<3>(date, '-')?;
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let [hour, minute, second] = numbers::<3>(clock.split('.').next()?, ':')?;
    let east = match zone.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let [hours, minutes] = numbers::<2>(offset, ':')?;
            (hours * 3600 + minutes * 60) * if sign == "-" { -1 } else { 1 }
        }
    };
    let good =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    good.then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - east)
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<i64> = text
        .split(separator)
        .map(|part| part.parse().ok().filter(|_| digits(part)))
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Days since 1970 of a date of the Gregorian calendar (H. Hinnant, "chrono-compatible low-level
/// date algorithms", `days_from_civil`; the years there begin on the first of March).
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
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
