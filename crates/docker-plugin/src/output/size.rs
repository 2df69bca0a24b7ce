//! Sizes as docker prints them (docker/go-units, `size.go`): with C's `%.4g`, where the crates for it
//! have a fixed number of decimals.

/// A size in bytes with base 1000, at most four significant digits and no space: `0B`,
/// `8.224kB`, `3.65GB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    digits(bytes, 1000.0, &UNITS)
}

/// A size in bytes with base 1024, as docker prints limits and what memory is used: `488.3MiB`,
/// `24.21GiB`.
#[must_use]
pub fn limit(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    digits(bytes, 1024.0, &UNITS)
}

/// Four significant digits at most, in the largest unit that leaves one before the point.
fn digits(bytes: u64, base: f64, units: &[&str]) -> String {
    // 52 bits of precision are plenty for four digits.
    #[expect(clippy::cast_precision_loss)]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let decimals = match value {
        v if v < 10.0 => 3,
        v if v < 100.0 => 2,
        v if v < 1000.0 => 1,
        _ => 0,
    };
    let mut digits = format!("{value:.decimals$}");
    if digits.contains('.') {
        digits.truncate(digits.trim_end_matches('0').trim_end_matches('.').len());
    }
    format!("{digits}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::{limit, size};

    #[test]
    fn limits_look_like_dockers() {
        let cases = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (512_000_000, "488.3MiB"),
            (26 << 30, "26GiB"),
            (25_995_288_576, "24.21GiB"),
            (1023 << 30, "1023GiB"),
            (1000 << 20, "1000MiB"),
            (u64::MAX, "16EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(limit(bytes), text);
        }
    }

    #[test]
    fn sizes_look_like_dockers() {
        let cases = [
            (0, "0B"),
            (7, "7B"),
            (10, "10B"),
            (100, "100B"),
            (999, "999B"),
            (1000, "1kB"),
            (8_224, "8.224kB"),
            (3_650_000_000, "3.65GB"),
            (120_400_000, "120.4MB"),
            (999_950, "1000kB"),
            (1_000_000, "1MB"),
            (u64::MAX, "18.45EB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
