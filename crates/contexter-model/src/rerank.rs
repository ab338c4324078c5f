//! Ordering documents by how well they answer a query.

use contexter_service::Capability;

use crate::{Error, Usage};

/// Orders documents by how well they answer a query, the best first.
///
/// # Behavior
///
/// The reply names each document at most once, by its place in [`documents`](Self::documents), with
/// a finite score, and is sorted by score, the highest first. Without a limit it names all of them.
/// Scores of different models, and of different queries, cannot be compared.
///
/// # Examples
///
/// ```
/// use contexter_model::Rerank;
///
/// let request = Rerank::new("how do I spawn a task?", ["tokio::spawn", "std::fs"]).with_limit(1);
/// assert_eq!(request.documents.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rerank {
    /// What is asked.
    pub query: String,
    /// The documents to be ordered.
    pub documents: Vec<String>,
    /// How many of the best are wanted; all if `None`.
    pub limit: Option<usize>,
}

impl Rerank {
    /// Asks for the order of all `documents`.
    pub fn new<D: Into<String>>(
        query: impl Into<String>,
        documents: impl IntoIterator<Item = D>,
    ) -> Self {
        Self {
            query: query.into(),
            documents: documents.into_iter().map(Into::into).collect(),
            limit: None,
        }
    }

    /// Asks for the best ones only.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }
}

impl Capability for Rerank {
    const NAME: &'static str = "rerank";
    type Response = Reranked;
    type Error = Error;
}

/// The reply to [`Rerank`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reranked {
    /// The documents, the best first.
    pub ranking: Vec<Ranked>,
    /// What the call used.
    pub usage: Usage,
}

/// One document in its place of the order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Its place in the request.
    pub index: usize,
    /// How well it answers; higher is better.
    pub score: f32,
}
