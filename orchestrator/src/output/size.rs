//! Sizes as docker prints them.

/// A size in bytes with base 1000, at most four significant digits and no space: `0B`,
/// `8.224kB`, `3.65GB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    // 52 bits of precision are plenty for four digits.
    #[expect(clippy::cast_precision_loss)]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        v if v < 10.0 => 3,
        v if v < 100.0 => 2,
        _ => 1,
    };
    let digits = format!("{value:.decimals$}");
    format!("{}{}", digits.trim_end_matches('0').trim_end_matches('.'), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

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
