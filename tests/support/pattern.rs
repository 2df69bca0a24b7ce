//! Streams of bytes that can be recognised.

use std::sync::LazyLock;

/// A prime, so that no power of two in a relay's buffers is a multiple of the period: bytes that
/// are lost, repeated or swapped by the buffer show.
const PERIOD: usize = 1_048_573;

static BLOCK: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    // Marsaglia's xorshift64.
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(PERIOD).collect()
});

/// An endless stream that is a function of its seed: where in a noise it begins. At the same
/// place two streams differ almost everywhere, so a byte of a foreign stream shows too.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    start: u64,
    position: u64,
}

impl Pattern {
    pub(crate) fn new(seed: u64) -> Self {
        /// A prime, so that the streams of consecutive seeds lie far apart.
        const STEP: u64 = 611_953;
        Self { start: seed * STEP % PERIOD as u64, position: 0 }
    }

    /// How far the stream has been used.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes, at most `most`; a write may take fewer, hence [`Pattern::advance`].
    pub(crate) fn ahead(&self, most: usize) -> &'static [u8] {
        let at = usize::try_from((self.start + self.position) % PERIOD as u64).unwrap();
        &BLOCK[at..PERIOD.min(at.saturating_add(most))]
    }

    pub(crate) fn advance(&mut self, n: usize) {
        self.position += n as u64;
    }

    /// Goes on by `got`, which must be what comes next.
    #[track_caller]
    pub(crate) fn check(&mut self, mut got: &[u8]) {
        while !got.is_empty() {
            let want = self.ahead(got.len());
            let n = want.len();
            if want != &got[..n] {
                let off = want.iter().zip(got).position(|(want, got)| want != got).unwrap();
                panic!("byte {} is not what was sent", self.position + off as u64);
            }
            self.advance(n);
            got = &got[n..];
        }
    }
}
