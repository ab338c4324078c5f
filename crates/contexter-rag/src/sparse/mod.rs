//! Sparse vectors: an identifier-aware tokenizer and BM25 weights.
//!
//! Sparse vectors are always computed here, never by a store, so that an embedded and a hosted
//! store rank the same. Parameters and token ids follow Qdrant's own `bm25` model (server 1.19,
//! `k1` 1.2, `b` 0.75, average length 256, murmur3 ids, inverse document frequency applied by the
//! store's IDF modifier); the tokens do not: they know identifiers.

mod bm25;
mod identifier;
mod stop_words;
mod tokenizer;
mod words;

pub use bm25::{Bm25, InvalidBm25, token_id};
pub use tokenizer::{MAX_WORD_LEN, tokenize};
