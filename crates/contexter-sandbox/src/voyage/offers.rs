//! The models, <https://docs.voyageai.com/docs/embeddings> and the pages beside it.

use crate::voyage::config::VoyageConfig;
use crate::voyage::refusal::Refusal;

/// How many items a request holds at most, on every endpoint.
pub(super) const MAX_ITEMS: usize = 1000;

/// The dimensions of flexible offers; the third is their default.
const FLEXIBLE: &[usize] = &[256, 512, 1024, 2048];

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Contextualized,
    Multimodal,
    Rerank,
}

/// Models of one space: their vectors can be compared. The name seeds the projection.
pub(super) type Space = &'static str;

/// One row of the table.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) space: Space,
    /// How many tokens of one input it reads; for a reranker, of query and document together.
    pub(super) context: u64,
    /// How many tokens of the query a reranker reads.
    pub(super) query: u64,
    pub(super) dimensions: &'static [usize],
    pub(super) default_dimension: usize,
    /// Whether it gives other types than floats.
    pub(super) quantized: bool,
    /// How many tokens a request holds at most.
    pub(super) per_request: u64,
    /// How many tokens a minute tier 1 allows.
    pub(super) per_minute: u64,
}

const fn flexible(name: &'static str, space: Space, per_request: u64, per_minute: u64) -> Model {
    Model {
        name,
        kind: Kind::Text,
        space,
        context: 32_000,
        query: 0,
        dimensions: FLEXIBLE,
        default_dimension: 1024,
        quantized: true,
        per_request,
        per_minute,
    }
}

const fn fixed(
    name: &'static str,
    context: u64,
    dimensions: &'static [usize],
    default_dimension: usize,
) -> Model {
    Model {
        context,
        dimensions,
        default_dimension,
        quantized: false,
        ..flexible(name, name, 120_000, 3_000_000)
    }
}

const fn contextualized(name: &'static str) -> Model {
    Model {
        kind: Kind::Contextualized,
        ..flexible(name, name, 120_000, 3_000_000)
    }
}

const fn reranker(name: &'static str, query: u64, context: u64, per_minute: u64) -> Model {
    Model {
        kind: Kind::Rerank,
        query,
        context,
        dimensions: &[],
        default_dimension: 0,
        quantized: false,
        // Scores of different models are not comparable, those of one generation come close.
        ..flexible(name, "rerank", 600_000, per_minute)
    }
}

/// All text models of series 4 share one space.
const SERIES_4: Space = "voyage-4";

const MODELS: &[Model] = &[
    flexible("voyage-4-large", SERIES_4, 120_000, 3_000_000),
    flexible("voyage-4", SERIES_4, 320_000, 8_000_000),
    flexible("voyage-4-lite", SERIES_4, 1_000_000, 16_000_000),
    flexible("voyage-code-4", "voyage-code-4", 320_000, 8_000_000),
    flexible("voyage-3-large", "voyage-3-large", 120_000, 3_000_000),
    flexible("voyage-3.5", "voyage-3.5", 320_000, 8_000_000),
    flexible("voyage-3.5-lite", "voyage-3.5-lite", 1_000_000, 16_000_000),
    flexible("voyage-code-3", "voyage-code-3", 120_000, 3_000_000),
    fixed("voyage-finance-2", 32_000, &[1024], 1024),
    fixed("voyage-law-2", 16_000, &[1024], 1024),
    fixed("voyage-code-2", 16_000, &[1536], 1536),
    contextualized("voyage-context-4"),
    contextualized("voyage-context-3"),
    Model {
        kind: Kind::Multimodal,
        ..flexible(
            "voyage-multimodal-3.5",
            "voyage-multimodal-3.5",
            320_000,
            2_000_000,
        )
    },
    Model {
        kind: Kind::Multimodal,
        per_request: 320_000,
        per_minute: 2_000_000,
        ..fixed("voyage-multimodal-3", 32_000, &[1024], 1024)
    },
    reranker("rerank-3", 8_000, 32_000, 2_000_000),
    reranker("rerank-3-lite", 8_000, 32_000, 4_000_000),
    reranker("rerank-2.5", 8_000, 32_000, 2_000_000),
    reranker("rerank-2.5-lite", 8_000, 32_000, 4_000_000),
    reranker("rerank-2", 4_000, 16_000, 2_000_000),
    reranker("rerank-2-lite", 2_000, 8_000, 4_000_000),
];

/// Finds a model that serves the endpoint.
pub(super) fn find(
    name: &str,
    kind: Kind,
    config: &VoyageConfig,
) -> Result<&'static Model, Refusal> {
    if let Some(replacement) = config.retired.get(name) {
        return Err(Refusal::retired(name, replacement));
    }
    let of_kind = || MODELS.iter().filter(|model| model.kind == kind);
    of_kind().find(|model| model.name == name).ok_or_else(|| {
        let known: Vec<_> = of_kind().map(|model| format!("'{}'", model.name)).collect();
        Refusal::invalid(format!(
            "Model '{name}' is not supported. Supported models are [{}].",
            known.join(", ")
        ))
    })
}

/// Iterates over all models.
pub(super) fn all() -> impl Iterator<Item = &'static Model> {
    MODELS.iter()
}
