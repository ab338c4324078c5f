//! How many tokens a text has.

use std::fmt;
use std::sync::Arc;

use contexter_model::CountTokens;
use parking_lot::Mutex;

use crate::limits::{ESTIMATE_MARGIN, EXACT_MARGIN, MARKERS};

/// Tokens for a thousand bytes before anything was learnt: English text has about 250, code and
/// tables up to twice that.
const FIRST_GUESS: u64 = 400;

/// No text has more tokens for a thousand bytes: a token of these models is at least a byte.
const MOST: u64 = 1_000;

/// The first guess counts as much as this many bytes of evidence.
const GUESS_BYTES: u64 = 4_000;

/// From so many tokens on the bound of a text follows what was learnt.
const ENOUGH_TOKENS: u64 = 20_000;

/// What was learnt loses half its weight when it amounts to so many bytes: texts change.
const FORGET_AT: u64 = 4_000_000;

/// Counts the tokens of texts: exactly by a tokenizer, or by an estimate that learns from what the
/// vendor counts.
///
/// An estimate has two sides. A bound, which packing goes by: at first a token for each byte, later
/// half as many tokens again as texts had so far. And what is likely, which the quota goes by.
#[derive(Default)]
pub struct TokenEstimate {
    exact: Option<Arc<dyn CountTokens>>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    bytes: u64,
    tokens: u64,
}

impl TokenEstimate {
    /// An estimate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts exactly by `counter`.
    #[must_use]
    pub fn exact(counter: Arc<dyn CountTokens>) -> Self {
        Self {
            exact: Some(counter),
            seen: Mutex::default(),
        }
    }

    /// Returns whether tokens are counted and not estimated.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact.is_some()
    }

    /// Returns how many tokens a text has at most, how many it likely has, and its length in bytes;
    /// the vendor's prompt and markers included.
    pub(crate) fn of(&self, text: &str) -> (u64, u64, u64) {
        let bytes = text.len() as u64;
        let (most, likely) = if let Some(counter) = &self.exact {
            let tokens = counter.count(text) as u64;
            (tokens, tokens)
        } else {
            let seen = *self.seen.lock();
            (
                per_mille(bytes, seen.bound()),
                per_mille(bytes, seen.rate()),
            )
        };
        (
            most.saturating_add(MARKERS),
            likely.saturating_add(MARKERS / 2),
            bytes,
        )
    }

    /// Takes up that texts of so many bytes had so many tokens.
    pub(crate) fn learn(&self, bytes: u64, tokens: u64) {
        if bytes == 0 || tokens == 0 {
            return;
        }
        let mut seen = self.seen.lock();
        seen.bytes = seen.bytes.saturating_add(bytes);
        seen.tokens = seen.tokens.saturating_add(tokens);
        if seen.bytes > FORGET_AT {
            seen.bytes /= 2;
            seen.tokens /= 2;
        }
    }

    /// Returns how much of the vendor's cap may be filled.
    pub(crate) fn within(&self, cap: u64) -> u64 {
        let margin = if self.is_exact() {
            EXACT_MARGIN
        } else {
            ESTIMATE_MARGIN
        };
        cap.saturating_mul(margin) / 100
    }
}

fn per_mille(bytes: u64, rate: u64) -> u64 {
    bytes.saturating_mul(rate).div_ceil(1_000)
}

impl Seen {
    fn rate(self) -> u64 {
        let tokens = self.tokens.saturating_mul(1_000) + FIRST_GUESS * GUESS_BYTES;
        (tokens / (self.bytes + GUESS_BYTES)).clamp(1, MOST)
    }

    fn bound(self) -> u64 {
        if self.tokens < ENOUGH_TOKENS {
            MOST
        } else {
            (self.rate() * 3 / 2).clamp(1, MOST)
        }
    }
}

impl fmt::Debug for TokenEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEstimate")
            .field("exact", &self.is_exact())
            .finish_non_exhaustive()
    }
}

/// Counts as the estimate bounds: never too few.
impl CountTokens for TokenEstimate {
    fn count(&self, text: &str) -> usize {
        match &self.exact {
            Some(counter) => counter.count(text),
            None => usize::try_from(self.of(text).0.saturating_sub(MARKERS)).unwrap_or(usize::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_begins_with_a_token_for_each_byte_and_learns() {
        let tokens = TokenEstimate::new();
        assert_eq!(tokens.of("twelve bytes").0, 12 + MARKERS);
        assert_eq!(tokens.of("twelve bytes").1, 5 + MARKERS / 2);
        tokens.learn(400_000, 100_000);
        assert_eq!(tokens.of(&"x".repeat(1_000)).0, 376 + MARKERS);
        assert_eq!(tokens.of(&"x".repeat(1_000)).1, 251 + MARKERS / 2);
    }

    #[test]
    fn what_was_learnt_long_ago_is_forgotten() {
        let tokens = TokenEstimate::new();
        for _ in 0..100 {
            tokens.learn(1_000_000, 250_000);
        }
        for _ in 0..20 {
            tokens.learn(1_000_000, 500_000);
        }
        assert!(tokens.of(&"x".repeat(1_000)).1 > 480);
    }

    #[test]
    fn a_tokenizer_is_believed() {
        let words = |text: &str| text.split(' ').count();
        let tokens = TokenEstimate::exact(Arc::new(words));
        assert_eq!(tokens.of("one two three").0, 3 + MARKERS);
        assert_eq!(tokens.count("one two three"), 3);
        tokens.learn(10, 1_000);
        assert_eq!(tokens.of("one two three").0, 3 + MARKERS);
    }
}
