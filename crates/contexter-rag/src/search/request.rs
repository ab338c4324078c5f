//! What a search asks and what it answers.

use std::fmt;
use std::str::FromStr;

use contexter_model::{LibraryId, PointId};
use serde::{Deserialize, Serialize};

use super::SearchError;

/// The longest query, in bytes. Far beyond what any model reads, far below what would hurt.
const MAX_QUERY_BYTES: usize = 32 * 1024;
/// The most hits one search returns.
const MAX_LIMIT: usize = 1_000;

/// Which legs a search uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Both, fused.
    #[default]
    Hybrid,
    /// By the meaning of the query: the dense leg alone.
    Dense,
    /// By the words of the query: the sparse leg alone.
    Sparse,
}

impl Mode {
    /// Returns the mode as a lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Dense => "dense",
            Self::Sparse => "sparse",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        [Self::Hybrid, Self::Dense, Self::Sparse]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| UnknownMode(text.to_owned()))
    }
}

/// The error returned for a word that is no [`Mode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown mode {0:?}: expected hybrid, dense or sparse")]
pub struct UnknownMode(String);

/// A search.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchRequest {
    /// What is looked for, in words.
    pub query: String,
    /// Only in this library, if given.
    pub library: Option<LibraryId>,
    /// Which legs are used; hybrid by default.
    pub mode: Mode,
    /// How many hits are returned at most; 10 by default.
    pub limit: usize,
}

impl SearchRequest {
    /// Creates a hybrid search in all libraries for at most 10 hits.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            library: None,
            mode: Mode::Hybrid,
            limit: 10,
        }
    }

    /// Searches only in `library`.
    #[must_use]
    pub fn with_library(mut self, library: Option<LibraryId>) -> Self {
        self.library = library;
        self
    }

    /// Chooses the legs.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets how many hits are returned at most.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Checks what can be checked without a search.
    ///
    /// # Errors
    ///
    /// Returns [`SearchError::InvalidQuery`] for a query that is empty or longer than 32 KiB, and
    /// [`SearchError::InvalidLimit`] for a limit of 0 or above 1,000.
    pub fn validate(&self) -> Result<(), SearchError> {
        let bytes = self.query.len();
        if self.query.trim().is_empty() {
            return Err(SearchError::InvalidQuery("is empty".to_owned()));
        }
        if bytes > MAX_QUERY_BYTES {
            return Err(SearchError::InvalidQuery(format!(
                "has {bytes} bytes, at most {MAX_QUERY_BYTES} are allowed"
            )));
        }
        if self.limit == 0 || self.limit > MAX_LIMIT {
            return Err(SearchError::InvalidLimit {
                limit: self.limit,
                max: MAX_LIMIT,
            });
        }
        Ok(())
    }
}

/// The answer to a [`SearchRequest`]: the specification's `search_with_embeddings` result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchResponse {
    /// What was looked for.
    pub query: String,
    /// How long the parts took.
    pub took_ms: TookMs,
    /// What was found, best first.
    pub hits: Vec<SearchHit>,
}

/// How long the parts of a search took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TookMs {
    /// Embedding the query; the specification's `embedding_time_ms`.
    pub embed: f64,
    /// Everything else; the specification's `search_time_ms`.
    pub search: f64,
}

/// One chunk that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchHit {
    /// The chunk.
    pub id: PointId,
    /// Its fused score; comparable within one answer only.
    pub score: f32,
    /// The library it belongs to.
    pub library: String,
    /// Where its document stands within the library.
    pub path: String,
    /// The document's title and the headings above the chunk, joined by ` > `.
    pub title: String,
    /// The chunk itself.
    pub text: String,
}
