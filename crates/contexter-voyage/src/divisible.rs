//! Requests that can be answered in parts.

use std::ops::Range;

use contexter_model::{Embed, Embeddings, Rerank, Reranked, Usage};

use crate::packing::Cost;
use crate::rerank::merge;
use crate::tokens::TokenEstimate;

/// A request that consists of items, any row of which can be asked for apart.
pub trait Divisible: Clone + Send + Sync {
    /// What answers the request.
    type Reply: Send + 'static;

    /// The name of one item, for errors.
    const ITEM: &'static str;

    /// Returns how many items it has.
    fn items(&self) -> usize;

    /// Returns what the item at `index` counts for.
    fn cost(&self, index: usize, tokens: &TokenEstimate) -> Cost;

    /// Returns whether the far side cuts what is too long, instead of refusing it.
    fn truncates(&self) -> bool;

    /// Returns the request for some of the items.
    #[must_use]
    fn part(&self, range: Range<usize>) -> Self;

    /// Makes the reply of the replies to its parts, in order, each with the place of its first item.
    fn join(&self, parts: Vec<(usize, Self::Reply)>) -> Self::Reply;

    /// Returns how many tokens the far side counted; 0 if it did not say.
    fn used(reply: &Self::Reply) -> u64;

    /// Returns how many of them were tokens of texts: all, unless said otherwise. What is learnt about
    /// texts is learnt from them.
    fn text_tokens(reply: &Self::Reply) -> u64 {
        Self::used(reply)
    }
}

/// The items of `list` in `range`; what is outside does not exist.
pub(crate) fn row<T: Clone>(list: &[T], range: Range<usize>) -> Vec<T> {
    list.get(range).map(<[T]>::to_vec).unwrap_or_default()
}

/// The cost of one text that gives one vector.
pub(crate) fn text_cost(text: Option<&String>, tokens: &TokenEstimate) -> Cost {
    let (most, likely, bytes) = text.map_or((0, 0, 0), |text| tokens.of(text));
    Cost {
        most,
        likely,
        bytes,
        payload: bytes,
        units: 1,
        kind: None,
    }
}

pub(crate) fn sum(usages: impl IntoIterator<Item = Usage>) -> Usage {
    usages
        .into_iter()
        .fold(Usage::default(), |sum, usage| Usage {
            tokens: sum.tokens.saturating_add(usage.tokens),
        })
}

impl Divisible for Embed {
    type Reply = Embeddings;

    const ITEM: &'static str = "text";

    fn items(&self) -> usize {
        self.texts.len()
    }

    fn cost(&self, index: usize, tokens: &TokenEstimate) -> Cost {
        text_cost(self.texts.get(index), tokens)
    }

    fn truncates(&self) -> bool {
        true
    }

    fn part(&self, range: Range<usize>) -> Self {
        Self {
            texts: row(&self.texts, range),
            purpose: self.purpose,
        }
    }

    fn join(&self, parts: Vec<(usize, Embeddings)>) -> Embeddings {
        let usage = sum(parts.iter().map(|(_, part)| part.usage));
        let mut vectors = Vec::with_capacity(self.texts.len());
        for (_, part) in parts {
            vectors.extend(part.vectors);
        }
        Embeddings { vectors, usage }
    }

    fn used(reply: &Embeddings) -> u64 {
        reply.usage.tokens
    }
}

/// The score of a document does not depend on the others, so that the best of the parts are the best
/// of all.
impl Divisible for Rerank {
    type Reply = Reranked;

    const ITEM: &'static str = "document";

    fn items(&self) -> usize {
        self.documents.len()
    }

    /// The query counts once for each document.
    fn cost(&self, index: usize, tokens: &TokenEstimate) -> Cost {
        pair_cost(&self.query, self.documents.get(index), tokens)
    }

    fn truncates(&self) -> bool {
        true
    }

    fn part(&self, range: Range<usize>) -> Self {
        Self {
            query: self.query.clone(),
            documents: row(&self.documents, range),
            limit: self.limit,
        }
    }

    fn join(&self, parts: Vec<(usize, Reranked)>) -> Reranked {
        merge(parts, self.limit)
    }

    fn used(reply: &Reranked) -> u64 {
        reply.usage.tokens
    }
}

/// The cost of a query with one document.
pub(crate) fn pair_cost(query: &str, document: Option<&String>, tokens: &TokenEstimate) -> Cost {
    let (query_most, query_likely, query_bytes) = tokens.of(query);
    let document = text_cost(document, tokens);
    Cost {
        most: query_most.saturating_add(document.most),
        likely: query_likely.saturating_add(document.likely),
        bytes: query_bytes.saturating_add(document.bytes),
        ..document
    }
}
