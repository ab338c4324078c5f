//! The models: what they take, what they give, what they cost.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What a model is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelKind {
    /// Embeddings of texts.
    Text,
    /// Embeddings of chunks that know their document.
    Contextualized,
    /// Embeddings of texts, images and videos together.
    Multimodal,
    /// The order of documents for a query.
    Rerank,
}

/// What one million tokens and one million pixels cost, in micro-dollars.
///
/// $0.12 for a million tokens is 120,000; $0.60 for a billion pixels is 600.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// For a million tokens.
    pub tokens: u64,
    /// For a million pixels.
    pub pixels: u64,
}

/// A model of the vendor, with its limits at tier 1.
///
/// Sources: <https://www.mongodb.com/docs/voyageai/models>,
/// <https://docs.voyageai.com/docs/rate-limits>, <https://docs.voyageai.com/docs/pricing>, as read in
/// November 2026.
///
/// # Examples
///
/// ```
/// use contexter_voyage::Model;
///
/// let model = Model::find("voyage-4-lite").expect("it is in the table");
/// assert_eq!(model.default_dimension(), Some(1024));
/// assert_eq!(model.request_tokens, 1_000_000);
/// // All texts models of the fourth series share one space.
/// assert!(model.shares_space_with(&Model::find("voyage-4-large").expect("it is in the table")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Model {
    /// Its name in requests.
    pub name: Cow<'static, str>,
    /// What it is asked for.
    pub kind: ModelKind,
    /// Whether the vendor recommends another one by now.
    pub legacy: bool,
    /// How many tokens of one text it reads; of a query and a document together, for a reranker.
    pub context: u64,
    /// How many tokens of a query a reranker reads.
    pub query_tokens: u64,
    /// The lengths of vector that it offers, its default first; empty where not known, or where it
    /// makes no vectors.
    pub dimensions: &'static [u32],
    /// How many tokens one request may have after truncation.
    pub request_tokens: u64,
    /// How many tokens a minute tier 1 allows.
    pub tokens_per_minute: u64,
    /// What it costs; zero where not known.
    pub price: Price,
    /// The name of the space of its vectors: models of one family are interchangeable.
    pub family: Cow<'static, str>,
}

/// Flexible lengths, the default first.
const FLEXIBLE: &[u32] = &[1024, 256, 512, 2048];
const K: u64 = 1_000;
const M: u64 = 1_000_000;

impl Model {
    /// Returns the model of this name, if it is known.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::all().find(|model| model.name == name)
    }

    /// Returns the model of this name. One that is not known has the smallest limits of its kind,
    /// no price, and any length of vector.
    #[must_use]
    pub fn named(name: &str, kind: ModelKind) -> Self {
        Self::find(name).unwrap_or_else(|| Self {
            name: Cow::Owned(name.to_owned()),
            kind,
            legacy: false,
            context: if kind == ModelKind::Rerank {
                8 * K
            } else {
                16 * K
            },
            query_tokens: 2 * K,
            dimensions: &[],
            request_tokens: if kind == ModelKind::Rerank {
                600 * K
            } else {
                120 * K
            },
            tokens_per_minute: if kind == ModelKind::Text {
                3 * M
            } else {
                2 * M
            },
            price: Price::default(),
            family: Cow::Owned(name.to_owned()),
        })
    }

    /// Returns the length of vector that it makes if none is asked for.
    #[must_use]
    pub fn default_dimension(&self) -> Option<u32> {
        self.dimensions.first().copied()
    }

    /// Returns whether it can make vectors of this length; of an unknown model, `true`.
    #[must_use]
    pub fn has_dimension(&self, dimension: u32) -> bool {
        self.dimensions.is_empty() || self.dimensions.contains(&dimension)
    }

    /// Returns whether the length of its vectors, and the type of their values, can be chosen; of an
    /// unknown model, `true`.
    #[must_use]
    pub fn is_flexible(&self) -> bool {
        self.dimensions.len() != 1
    }

    /// Returns whether vectors of both may be compared.
    #[must_use]
    pub fn shares_space_with(&self, other: &Self) -> bool {
        self.family == other.family
    }

    /// Returns whether the table knows it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        matches!(self.name, Cow::Borrowed(_))
    }

    /// Returns all known models.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(Row::model)
    }
}

/// One line of the table: name, kind, legacy, context, dimensions, tokens of a request, tokens a
/// minute, micro-dollars for a million tokens, family.
struct Row(
    &'static str,
    ModelKind,
    bool,
    u64,
    &'static [u32],
    u64,
    u64,
    u64,
    &'static str,
);

impl Row {
    fn model(&self) -> Model {
        let &Self(name, kind, legacy, context, dimensions, request, minute, price, family) = self;
        let pixels = if kind == ModelKind::Multimodal {
            600
        } else {
            0
        };
        let query_tokens = match (kind, name) {
            (ModelKind::Rerank, "rerank-2") => 4 * K,
            (ModelKind::Rerank, "rerank-2-lite") => 2 * K,
            (ModelKind::Rerank, _) => 8 * K,
            _ => 0,
        };
        Model {
            name: Cow::Borrowed(name),
            kind,
            legacy,
            context,
            query_tokens,
            dimensions,
            request_tokens: request,
            tokens_per_minute: minute,
            price: Price {
                tokens: price,
                pixels,
            },
            family: Cow::Borrowed(family),
        }
    }
}

use ModelKind::{Contextualized, Multimodal, Rerank, Text};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row("voyage-4-large",        Text,           false, 32 * K, FLEXIBLE, 120 * K, 3 * M,  120_000, "voyage-4"),
    Row("voyage-4",              Text,           false, 32 * K, FLEXIBLE, 320 * K, 8 * M,   60_000, "voyage-4"),
    Row("voyage-4-lite",         Text,           false, 32 * K, FLEXIBLE, M,       16 * M,  20_000, "voyage-4"),
    // Whether it shares the space of the series was not confirmed.
    Row("voyage-code-4",         Text,           false, 32 * K, FLEXIBLE, 320 * K, 8 * M,  120_000, "voyage-code-4"),
    Row("voyage-context-4",      Contextualized, false, 32 * K, FLEXIBLE, 120 * K, 3 * M,  120_000, "voyage-context-4"),
    Row("voyage-multimodal-3.5", Multimodal,     false, 32 * K, FLEXIBLE, 320 * K, 2 * M,  120_000, "voyage-multimodal-3.5"),
    Row("rerank-3",              Rerank,         false, 32 * K, &[],      600 * K, 2 * M,   50_000, "rerank-3"),
    Row("rerank-3-lite",         Rerank,         false, 32 * K, &[],      600 * K, 4 * M,   20_000, "rerank-3-lite"),
    Row("voyage-3-large",        Text,           true,  32 * K, FLEXIBLE, 120 * K, 3 * M,  180_000, "voyage-3-large"),
    Row("voyage-3.5",            Text,           true,  32 * K, FLEXIBLE, 320 * K, 8 * M,   60_000, "voyage-3.5"),
    Row("voyage-3.5-lite",       Text,           true,  32 * K, FLEXIBLE, M,       16 * M,  20_000, "voyage-3.5-lite"),
    Row("voyage-code-3",         Text,           true,  32 * K, FLEXIBLE, 120 * K, 3 * M,  180_000, "voyage-code-3"),
    Row("voyage-context-3",      Contextualized, true,  32 * K, FLEXIBLE, 120 * K, 3 * M,  180_000, "voyage-context-3"),
    Row("voyage-multimodal-3",   Multimodal,     true,  32 * K, &[1024],  320 * K, 2 * M,  120_000, "voyage-multimodal-3"),
    Row("voyage-finance-2",      Text,           true,  32 * K, &[1024],  120 * K, 3 * M,  120_000, "voyage-finance-2"),
    Row("voyage-law-2",          Text,           true,  16 * K, &[1024],  120 * K, 3 * M,  120_000, "voyage-law-2"),
    // The cap of its requests is not listed; the smallest of all is assumed.
    Row("voyage-code-2",         Text,           true,  16 * K, &[1536],  120 * K, 3 * M,  120_000, "voyage-code-2"),
    Row("rerank-2.5",            Rerank,         true,  32 * K, &[],      600 * K, 2 * M,   50_000, "rerank-2.5"),
    Row("rerank-2.5-lite",       Rerank,         true,  32 * K, &[],      600 * K, 4 * M,   20_000, "rerank-2.5-lite"),
    Row("rerank-2",              Rerank,         true,  16 * K, &[],      600 * K, 2 * M,   50_000, "rerank-2"),
    Row("rerank-2-lite",         Rerank,         true,   8 * K, &[],      600 * K, 4 * M,   20_000, "rerank-2-lite"),
];
