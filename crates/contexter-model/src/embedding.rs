//! Turning text into vectors.

use std::fmt;

use contexter_service::Capability;
use serde::{Deserialize, Serialize};

use crate::Error;

/// What the texts of an [`Embed`] are for; some models treat the two differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Texts to be found.
    Document,
    /// Texts to search with.
    Query,
}

/// Embeds texts.
///
/// # Behavior
///
/// The reply holds one vector for each text, in the order of the texts, each of the length that
/// [`EmbeddingSpace::dimensions`] says and with finite values only. A text beyond the model's limit
/// is cut at the limit, never refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embed {
    /// The texts.
    pub texts: Vec<String>,
    /// What they are for.
    pub purpose: Purpose,
}

impl Capability for Embed {
    const NAME: &'static str = "embedding_generation";
    type Response = Embeddings;
    type Error = Error;
}

/// The reply to [`Embed`].
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One vector for each text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// What the call used.
    pub usage: Usage,
}

/// What a metered call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens that the service counted; 0 if it counts none.
    pub tokens: u64,
}

/// Asks an embedder which space its vectors live in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DescribeSpace;

impl Capability for DescribeSpace {
    const NAME: &'static str = "embedding_generation";
    type Response = EmbeddingSpace;
    type Error = Error;
}

/// A space of embeddings: vectors of different spaces must never be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmbeddingSpace {
    /// Names model and weights, such as `all-minilm-l6-v2-int8`; recorded in every collection.
    pub id: String,
    /// The length of every vector.
    pub dimensions: usize,
    /// How many tokens of a text the model reads.
    pub max_tokens: usize,
    /// Whether the vectors carry meaning or only wording.
    pub kind: SpaceKind,
}

/// Whether vectors carry meaning or only wording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceKind {
    /// A trained model: near vectors mean near meanings.
    Semantic,
    /// Hashed character sequences: near vectors share wording, nothing more.
    Lexical,
}

impl fmt::Display for SpaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Semantic => "semantic",
            Self::Lexical => "lexical",
        })
    }
}

/// Counts tokens as a model does, so that chunks can be cut to its limit.
pub trait CountTokens: Send + Sync {
    /// Returns how many tokens `text` has, without the model's own markers.
    fn count(&self, text: &str) -> usize;
}

impl<F: Fn(&str) -> usize + Send + Sync> CountTokens for F {
    fn count(&self, text: &str) -> usize {
        self(text)
    }
}
