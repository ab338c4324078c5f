//! Whatever a reply holds, it is read or refused, and never panics.

use contexter_model::{Error, ErrorKind, Rerank};
use contexter_voyage::{
    Content, Dtype, EmbedChunks, EmbedMultimodal, EmbedTexts, JobRequest as _, RerankTexts,
};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::support::{base64_of, reply};

const DIMENSION: u32 = 8;

fn seeds() -> Vec<Vec<u8>> {
    let vector = [0.5, -0.25, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let text = json!(base64_of(&vector));
    let chunk = |index: usize| json!({ "index": index, "embedding": text, "text": "t" });
    [
        reply(&[(1, text.clone()), (0, json!(vector))], 3),
        reply(&[(0, json!("AQ==")), (1, json!([-3]))], 3),
        json!({ "data": [
            { "index": 0, "data": [chunk(0), chunk(1)] },
            { "index": 1, "data": [chunk(1), chunk(0)] },
        ]}),
        json!({ "data": [
            { "index": 1, "relevance_score": 0.75 },
            { "index": 0, "relevance_score": 0.5 },
        ]}),
    ]
    .map(|body| body.to_string().into_bytes())
    .to_vec()
}

/// Replies with some bytes replaced, a piece taken out, and the end cut off.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<Index>(), any::<u8>()), 0..4);
    let cut = prop::option::weighted(0.3, any::<Index>());
    let piece = prop::option::weighted(0.3, (any::<Index>(), 1..40_usize));
    (prop::sample::select(seeds()), edits, piece, cut).prop_map(|(mut body, edits, piece, cut)| {
        for (place, byte) in edits {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if let Some((start, length)) = piece {
            let start = start.index(body.len());
            let end = (start + length).min(body.len());
            body.drain(start..end);
        }
        if let Some(cut) = cut.filter(|_| !body.is_empty()) {
            body.truncate(cut.index(body.len()));
        }
        body
    })
}

fn check<T>(outcome: Result<T, Error>) -> Option<T> {
    match outcome {
        Ok(reply) => Some(reply),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(!error.message().contains(char::is_control), "{error}");
            None
        }
    }
}

proptest! {
    #[test]
    fn it_is_whole_or_refused(body in body()) {
        for dtype in [Dtype::Float, Dtype::Int8, Dtype::Uint8, Dtype::Binary, Dtype::Ubinary] {
            let texts = EmbedTexts::new(["a", "b"], None)
                .with_dimension(DIMENSION)
                .with_dtype(dtype);
            if let Some(reply) = check(texts.read_reply(&body)) {
                prop_assert_eq!(reply.vectors.len(), 2);
                if let Some(vectors) = reply.vectors.into_float() {
                    prop_assert!(vectors.iter().all(|vector| vector.len() == 8));
                    prop_assert!(vectors.iter().flatten().all(|value| value.is_finite()));
                }
            }
            let chunks = EmbedChunks::documents([["a", "b"], ["c", "d"]])
                .with_dimension(DIMENSION)
                .with_dtype(dtype);
            if let Some(reply) = check(chunks.read_reply(&body)) {
                prop_assert!(reply.documents.iter().all(|document| document.vectors.len() == 2));
            }
        }
        let inputs = vec![vec![Content::text("a")], vec![Content::text("b")]];
        let images = EmbedMultimodal::new(inputs, None).with_dimension(DIMENSION);
        if let Some(reply) = check(images.read_reply(&body)) {
            prop_assert_eq!(reply.vectors.len(), 2);
        }
        let order = RerankTexts::new(Rerank::new("q", ["a", "b"]));
        if let Some(reply) = check(order.read(&body)) {
            let mut places: Vec<usize> = reply.ranking.iter().map(|one| one.index).collect();
            places.sort_unstable();
            prop_assert_eq!(places, [0, 1]);
        }
    }
}
