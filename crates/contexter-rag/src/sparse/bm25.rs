//! BM25 weights as sparse vectors.

use std::fmt;

use contexter_model::SparseVector;
use serde::{Deserialize, Serialize};

use super::tokenizer::tokenize;

/// Turns text into the sparse vectors of BM25.
///
/// A document's weight for a term is `tf · (k1 + 1) / (tf + k1 · (1 − b + b · len / avg_len))`; a
/// query's is 1 for each of its terms. The store multiplies by the inverse document frequency
/// `ln(1 + (N − n + 0.5) / (n + 0.5))`, so the product of both vectors is the BM25 score.
///
/// # Defaults
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `k1` | 1.2 | how soon repeating a term stops helping |
/// | `b` | 0.75 | how much long documents are held back: 0 not at all, 1 fully |
/// | `avg_len` | 256 | the length, in tokens, of a document that is neither helped nor held back |
///
/// `avg_len` is fixed, not the collection's average. A document's vector then depends on nothing
/// but the document: it can be computed before the others are known and stays right while the
/// collection grows. It costs no quality. nDCG@10 on the two open collections the crate is
/// measured on (`cargo run -p contexter-rag --example sparse_quality`):
///
/// | collection | average length | `avg_len` 256 | `avg_len` = average |
/// |---|---|---|---|
/// | anthropic-docs (whole pages) | 411 | 0.752 | 0.730 |
/// | codebase-chunks | 93 | 0.736 | 0.736 |
///
/// # Examples
///
/// ```
/// use contexter_rag::Bm25;
///
/// let bm25 = Bm25::default();
/// let document = bm25.document("`maxRetries` bounds the attempts of a RetryPolicy");
/// let query = bm25.query("what are max retries?");
/// // "max" and "retries" both meet the parts of the identifier.
/// assert!(query.indices().iter().all(|term| document.indices().contains(term)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Bm25 {
    k1: f32,
    b: f32,
    avg_len: f32,
}

impl Default for Bm25 {
    fn default() -> Self {
        Self {
            k1: 1.2,
            b: 0.75,
            avg_len: 256.0,
        }
    }
}

impl Bm25 {
    /// Creates BM25 with parameters of one's own.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidBm25`] unless `k1` is finite and at least 0, `b` lies in 0 to 1 and
    /// `avg_len` is finite and above 0.
    pub fn new(k1: f32, b: f32, avg_len: f32) -> Result<Self, InvalidBm25> {
        if !k1.is_finite() || k1 < 0.0 {
            return Err(InvalidBm25::K1 { k1 });
        }
        if !(0.0..=1.0).contains(&b) {
            return Err(InvalidBm25::B { b });
        }
        if !avg_len.is_finite() || avg_len <= 0.0 {
            return Err(InvalidBm25::AvgLen { avg_len });
        }
        Ok(Self { k1, b, avg_len })
    }

    /// Returns the vector of a text to be found; empty if the text has no words.
    #[must_use]
    pub fn document(&self, text: &str) -> SparseVector {
        let terms = count_terms(text);
        let len: f64 = terms.iter().map(|&(_, count)| f64::from(count)).sum();
        let (k1, b) = (f64::from(self.k1), f64::from(self.b));
        let norm = k1 * (1.0 - b + b * len / f64::from(self.avg_len));
        vector(terms, |count| {
            let tf = f64::from(count);
            tf * (k1 + 1.0) / (tf + norm)
        })
    }

    /// Returns the vector of a text to search with; empty if it has only stop words.
    #[must_use]
    pub fn query(&self, text: &str) -> SparseVector {
        vector(count_terms(text), |_| 1.0)
    }
}

/// Names tokenizer and parameters together, to be recorded with a collection: vectors that were made
/// otherwise must not be compared with these, and a store cannot notice.
impl fmt::Display for Bm25 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { k1, b, avg_len } = self;
        write!(f, "bm25-id/1:k1={k1},b={b},avg_len={avg_len}")
    }
}

/// Returns the dimension of a token: the absolute value of its murmur3 hash (32 bit, seed 0).
///
/// Qdrant's own BM25 numbers its tokens the same way.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "it cannot panic")]
pub fn token_id(token: &str) -> u32 {
    let mut bytes = token.as_bytes();
    let hash = murmur3::murmur3_32(&mut bytes, 0).expect("reading from memory cannot fail");
    hash.cast_signed().unsigned_abs()
}

/// The terms of a text with their counts, by id; tokens whose ids collide count as one term.
fn count_terms(text: &str) -> Vec<(u32, u32)> {
    let mut terms: Vec<(u32, u32)> = Vec::new();
    tokenize(text, |token, count| terms.push((token_id(token), count)));
    terms.sort_unstable_by_key(|&(id, _)| id);
    terms.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = kept.1.saturating_add(next.1);
        }
        same
    });
    terms
}

fn vector(terms: Vec<(u32, u32)>, weight: impl Fn(u32) -> f64) -> SparseVector {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "weights lie between 0 and k1 + 1; single precision is what stores keep"
    )]
    let (ids, weights) = terms
        .into_iter()
        .map(|(id, count)| (id, weight(count) as f32))
        .unzip();
    SparseVector::new(ids, weights).expect("ids are unique and weights finite")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Unchecked {
    k1: f32,
    b: f32,
    avg_len: f32,
}

impl Default for Unchecked {
    fn default() -> Self {
        let Bm25 { k1, b, avg_len } = Bm25::default();
        Self { k1, b, avg_len }
    }
}

impl TryFrom<Unchecked> for Bm25 {
    type Error = InvalidBm25;

    fn try_from(unchecked: Unchecked) -> Result<Self, InvalidBm25> {
        Self::new(unchecked.k1, unchecked.b, unchecked.avg_len)
    }
}

/// The error returned for parameters that are no [`Bm25`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBm25 {
    /// `k1` is negative or not finite.
    #[error("bm25 k1 is {k1}, expected a finite number of at least 0")]
    K1 {
        /// The value.
        k1: f32,
    },
    /// `b` is out of range.
    #[error("bm25 b is {b}, expected a number from 0 to 1")]
    B {
        /// The value.
        b: f32,
    },
    /// `avg_len` is not positive or not finite.
    #[error("bm25 avg_len is {avg_len}, expected a finite number above 0")]
    AvgLen {
        /// The value.
        avg_len: f32,
    },
}
