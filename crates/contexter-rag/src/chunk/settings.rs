//! How large chunks become.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How large chunks become.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `max_tokens` | 200 | how many tokens a chunk may have, its title path included |
/// | `overlap` | 0 | how many tokens at most a chunk repeats of the one before it |
///
/// The default fits the 256 tokens that small sentence models read, with room for the model's own
/// markers and for a query of mixed scripts. There is no overlap by default: chunks begin at
/// sections and paragraphs and carry their title path, so that a repetition adds cost, not
/// context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Chunking {
    max_tokens: usize,
    overlap: usize,
}

impl Default for Chunking {
    fn default() -> Self {
        Self {
            max_tokens: 200,
            overlap: 0,
        }
    }
}

impl Chunking {
    /// The smallest `max_tokens`: below it, title path and fences would leave no room for text.
    pub const MIN_TOKENS: usize = 16;

    /// Creates settings.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidChunking`] if `max_tokens` is below [`MIN_TOKENS`](Self::MIN_TOKENS) or
    /// `overlap` is more than a quarter of it.
    pub fn new(max_tokens: usize, overlap: usize) -> Result<Self, InvalidChunking> {
        if max_tokens < Self::MIN_TOKENS {
            return Err(InvalidChunking::MaxTokens { max_tokens });
        }
        if overlap > max_tokens / 4 {
            return Err(InvalidChunking::Overlap {
                overlap,
                most: max_tokens / 4,
            });
        }
        Ok(Self {
            max_tokens,
            overlap,
        })
    }

    /// Returns how many tokens a chunk may have, its title path included.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Returns how many tokens at most a chunk repeats of the one before it.
    #[must_use]
    pub fn overlap(&self) -> usize {
        self.overlap
    }
}

/// Names the settings together with the version of the algorithm, for the record: another text
/// means other chunks.
impl fmt::Display for Chunking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            max_tokens,
            overlap,
        } = self;
        write!(f, "chunk/1:max_tokens={max_tokens},overlap={overlap}")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Unchecked {
    max_tokens: usize,
    overlap: usize,
}

impl Default for Unchecked {
    fn default() -> Self {
        let Chunking {
            max_tokens,
            overlap,
        } = Chunking::default();
        Self {
            max_tokens,
            overlap,
        }
    }
}

impl TryFrom<Unchecked> for Chunking {
    type Error = InvalidChunking;

    fn try_from(unchecked: Unchecked) -> Result<Self, InvalidChunking> {
        Self::new(unchecked.max_tokens, unchecked.overlap)
    }
}

/// The error returned for settings that are no [`Chunking`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidChunking {
    /// `max_tokens` is too small.
    #[error(
        "chunk max_tokens is {max_tokens}, expected at least {}",
        Chunking::MIN_TOKENS
    )]
    MaxTokens {
        /// The value.
        max_tokens: usize,
    },
    /// `overlap` is too large.
    #[error("chunk overlap is {overlap}, expected at most {most}, a quarter of max_tokens")]
    Overlap {
        /// The value.
        overlap: usize,
        /// The largest value for this `max_tokens`.
        most: usize,
    },
}
