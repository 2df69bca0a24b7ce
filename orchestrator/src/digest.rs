//! The SHA-256 of something, as digits: for names and labels that change with it. Pure.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The whole digest is this many bytes.
pub const WHOLE: usize = 32;

/// The first `bytes` of the digest, two hexadecimal digits for each.
#[must_use]
pub fn hex(content: impl AsRef<[u8]>, bytes: usize) -> String {
    let digest = Sha256::digest(content.as_ref());
    digest.iter().take(bytes).fold(String::with_capacity(2 * bytes), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_fips_180() {
        assert_eq!(hex("abc", 4), "ba7816bf");
        assert_eq!(hex("", WHOLE).len(), 2 * WHOLE);
    }
}
