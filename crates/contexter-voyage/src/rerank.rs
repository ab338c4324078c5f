//! The order of documents for a query.

use std::ops::Range;

use contexter_model::{Error, Ranked, Rerank, Reranked, Usage};
use contexter_service::Capability;
use serde::Serialize;

use crate::divisible::{Divisible, pair_cost, row, sum};
use crate::fault::Fault;
use crate::packing::Cost;
use crate::reading;
use crate::tokens::TokenEstimate;

/// Orders documents for a query, with everything that the vendor lets one choose; as
/// [`Rerank`], but with a model, and without cutting where that is wanted.
///
/// The documents are not sent back: they are at hand by their place.
///
/// Source: <https://docs.voyageai.com/reference/reranker-api>.
///
/// # Examples
///
/// ```
/// use contexter_model::Rerank;
/// use contexter_voyage::RerankTexts;
///
/// let order = Rerank::new("spawn a task", ["tokio::spawn", "std::fs"]).with_limit(1);
/// let request = RerankTexts::new(order).with_model("rerank-2.5-lite");
/// assert!(request.truncation);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RerankTexts {
    /// Query, documents, and how many of them are wanted.
    pub order: Rerank,
    /// The model; that of the configuration if `None`.
    pub model: Option<String>,
    /// Whether what is too long is cut; otherwise it is refused.
    pub truncation: bool,
}

impl RerankTexts {
    /// Asks for an order by the model of the configuration; what is too long is cut.
    #[must_use]
    pub fn new(order: Rerank) -> Self {
        Self {
            order,
            model: None,
            truncation: true,
        }
    }

    /// Sets the model.
    #[must_use]
    pub fn with_model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Sets whether what is too long is cut; otherwise it is refused.
    #[must_use]
    pub fn with_truncation(mut self, truncation: bool) -> Self {
        self.truncation = truncation;
        self
    }

    pub(crate) fn body<'a>(&'a self, model: &'a str) -> Body<'a> {
        Body {
            query: &self.order.query,
            documents: &self.order.documents,
            model,
            // More than there are is nothing that the vendor documents.
            top_k: self
                .order
                .limit
                .map(|limit| limit.min(self.order.documents.len())),
            return_documents: false,
            truncation: self.truncation,
        }
    }
}

impl Capability for RerankTexts {
    const NAME: &'static str = "voyage_rerank";
    type Response = Reranked;
    type Error = Error;
}

/// What is sent.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    query: &'a str,
    documents: &'a [String],
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<usize>,
    return_documents: bool,
    truncation: bool,
}

/// Reads a reply for so many documents, of which at most `limit` are wanted.
pub(crate) fn read(body: &[u8], documents: usize, limit: Option<usize>) -> Result<Reranked, Fault> {
    let envelope = reading::read_unordered::<f32>(body, Vec::new(), None)?;
    let expected = limit.map_or(documents, |limit| limit.min(documents));
    let mut seen = vec![false; documents];
    let mut ranking = Vec::with_capacity(expected);
    for (index, score) in envelope.parts {
        let place = usize::try_from(index).ok();
        match place.and_then(|place| Some((place, seen.get_mut(place)?))) {
            None => {
                return Err(Fault::Index {
                    index,
                    count: documents,
                });
            }
            Some((_, seen)) if *seen => return Err(Fault::Twice { index }),
            Some((index, seen)) => {
                *seen = true;
                ranking.push(Ranked { index, score });
            }
        }
    }
    if ranking.len() != expected {
        return Err(Fault::Count {
            found: ranking.len(),
            expected,
            of: "scores",
        });
    }
    Ok(Reranked {
        ranking: best_first(ranking),
        usage: envelope.counted.usage(),
    })
}

/// Documents with the same score stay in the order of the request.
fn best_first(mut ranking: Vec<Ranked>) -> Vec<Ranked> {
    ranking.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
    ranking
}

/// Merges the orders of parts, each of which begins at a place of the whole.
pub(crate) fn merge(parts: Vec<(usize, Reranked)>, limit: Option<usize>) -> Reranked {
    let usage: Usage = sum(parts.iter().map(|(_, part)| part.usage));
    let ranking = parts.into_iter().flat_map(|(start, part)| {
        part.ranking.into_iter().map(move |ranked| Ranked {
            index: ranked.index.saturating_add(start),
            ..ranked
        })
    });
    let ranking: Vec<Ranked> = ranking.collect();
    let mut ranking = best_first(ranking);
    ranking.truncate(limit.unwrap_or(usize::MAX));
    Reranked { ranking, usage }
}

impl Divisible for RerankTexts {
    type Reply = Reranked;

    const ITEM: &'static str = "document";

    fn items(&self) -> usize {
        self.order.documents.len()
    }

    fn cost(&self, index: usize, tokens: &TokenEstimate) -> Cost {
        pair_cost(&self.order.query, self.order.documents.get(index), tokens)
    }

    fn truncates(&self) -> bool {
        self.truncation
    }

    fn part(&self, range: Range<usize>) -> Self {
        Self {
            order: Rerank {
                query: self.order.query.clone(),
                documents: row(&self.order.documents, range),
                limit: self.order.limit,
            },
            model: self.model.clone(),
            truncation: self.truncation,
        }
    }

    fn join(&self, parts: Vec<(usize, Reranked)>) -> Reranked {
        merge(parts, self.order.limit)
    }

    fn used(reply: &Reranked) -> u64 {
        reply.usage.tokens
    }
}
