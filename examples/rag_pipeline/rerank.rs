//! Ordering what was found by a model that reads query and text together.

use contexter_model::{Error, Rerank};
use contexter_rag::SearchResponse;
use contexter_service::{Handle, Service as _};

/// How many candidates are read: more cost more and seldom change the first few.
pub(crate) const CANDIDATES: usize = 50;

/// Orders the hits of a response anew and keeps the best `limit`; their scores are the model's.
///
/// # Errors
///
/// Those of the service; the response keeps its order then.
pub(crate) async fn rerank(
    service: &Handle<Rerank>,
    response: &mut SearchResponse,
    limit: usize,
) -> Result<(), Error> {
    if response.hits.is_empty() {
        return Ok(());
    }
    let texts = response
        .hits
        .iter()
        .map(|hit| format!("{}\n\n{}", hit.title, hit.text));
    let request = Rerank::new(response.query.as_str(), texts).with_limit(limit);
    let ranked = service.call(request).await?.ranking;
    let mut hits: Vec<_> = response.hits.drain(..).map(Some).collect();
    for place in ranked {
        // A place that is not there, or there twice, names no hit.
        if let Some(mut hit) = hits.get_mut(place.index).and_then(Option::take) {
            hit.score = place.score;
            response.hits.push(hit);
        }
    }
    Ok(())
}
