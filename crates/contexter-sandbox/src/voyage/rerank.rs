//! `POST /rerank`, <https://docs.voyageai.com/reference/reranker-api>.

use serde::Serialize;

use crate::voyage::fields::Fields;
use crate::voyage::offers::Model;
use crate::voyage::refusal::Refusal;
use crate::voyage::tokens;
use crate::voyage::work::{List, Usage, Vectors};

/// The dimension in which query and documents are compared.
const DIMENSIONS: usize = 1024;

/// Documents to put in order, cut to what the model reads.
#[derive(Debug)]
pub(super) struct Rerank {
    query: String,
    documents: Vec<String>,
    /// The documents as they were sent, where they are to be sent back.
    returned: Option<Vec<String>>,
    top_k: usize,
}

pub(super) fn check(mut fields: Fields, model: &Model) -> Result<(u64, Rerank), Refusal> {
    let mut query = fields.text("query")?;
    let mut documents = fields.texts("documents")?;
    let top_k = fields.number("top_k")?;
    let return_documents = fields.flag("return_documents", false)?;
    let truncation = fields.flag("truncation", true)?;
    fields.end()?;
    let top_k = match top_k {
        Some(0) => return Err(Refusal::invalid("top_k must be at least 1, got 0.")),
        Some(top_k) => usize::try_from(top_k).unwrap_or(usize::MAX),
        None => documents.len(),
    };

    let returned = return_documents.then(|| documents.clone());
    let query_tokens = fit(&mut query, 0, model.query, truncation, "The query")?;
    let mut total = query_tokens * documents.len() as u64;
    for (index, document) in documents.iter_mut().enumerate() {
        let what = format!("The query together with the document at index {index}");
        total += fit(document, query_tokens, model.context, truncation, &what)?;
    }
    let job = Rerank {
        query,
        documents,
        returned,
        top_k,
    };
    Ok((total, job))
}

/// Cuts a text to what the limit leaves beside so many tokens; returns how many it has then.
fn fit(
    text: &mut String,
    beside: u64,
    limit: u64,
    truncation: bool,
    what: &str,
) -> Result<u64, Refusal> {
    let room = limit.saturating_sub(beside);
    let (kept, used) = tokens::cut(text, room);
    let length = kept.len();
    if length < text.len() {
        let all = tokens::count(text);
        if all > room && !truncation {
            return Err(Refusal::too_long(what, limit, beside + all));
        }
        text.truncate(length);
    }
    Ok(used)
}

/// One document of a reply.
#[derive(Debug, Serialize)]
pub(super) struct Ranked {
    index: usize,
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
}

impl Rerank {
    pub(super) async fn run(
        self,
        model: &'static Model,
        tokens: u64,
        vectors: &Vectors,
    ) -> Result<List<Ranked>, Refusal> {
        let Self {
            query,
            mut documents,
            mut returned,
            top_k,
        } = self;
        documents.push(query);
        let mut embedded = vectors.embed(documents, model, DIMENSIONS).await?;
        let query = embedded.pop().unwrap_or_default();
        let mut data: Vec<Ranked> = embedded
            .iter()
            .enumerate()
            .map(|(index, document)| Ranked {
                index,
                relevance_score: relevance(&query, document),
                document: None,
            })
            .collect();
        data.sort_by(|a, b| {
            b.relevance_score
                .total_cmp(&a.relevance_score)
                .then(a.index.cmp(&b.index))
        });
        data.truncate(top_k);
        if let Some(texts) = &mut returned {
            for ranked in &mut data {
                ranked.document = texts.get_mut(ranked.index).map(std::mem::take);
            }
        }
        let usage = Usage {
            total_tokens: tokens,
        };
        Ok(List::new(data, model, usage))
    }
}

/// Maps the cosine to 0…1.
fn relevance(query: &[f32], document: &[f32]) -> f32 {
    let cosine: f32 = query.iter().zip(document).map(|(a, b)| a * b).sum();
    f32::midpoint(cosine, 1.0).clamp(0.0, 1.0)
}
