//! The embedding service: shared batches, and faults that stay with their owner.

use std::collections::HashSet;
use std::sync::Arc;

use contexter_model::{Embed, EmbeddingSpace, Embeddings, Error, ErrorKind, SpaceKind, Usage};
use contexter_rag::{BatchLimits, EmbeddingService};
use contexter_service::{Handle, Service};
use parking_lot::Mutex;
use proptest::prelude::*;

/// Embeds a text as its length and records its calls; refuses calls that hold a poisonous text.
#[derive(Clone, Default)]
struct Lengths {
    calls: Arc<Mutex<Vec<usize>>>,
    poison: HashSet<String>,
    dimensions: usize,
}

impl Service<Embed> for Lengths {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, req: Embed) -> Result<Embeddings, Error> {
        self.calls.lock().push(req.texts.len());
        tokio::task::yield_now().await;
        if req.texts.iter().any(|text| self.poison.contains(text)) {
            return Err(Error::new(ErrorKind::Invalid, "a poisonous text"));
        }
        let vector = |text: &String| {
            let mut vector = vec![0.0; self.dimensions];
            vector.insert(0, f32::from(u8::try_from(text.len()).unwrap_or(u8::MAX)));
            vector
        };
        Ok(Embeddings {
            vectors: req.texts.iter().map(vector).collect(),
            usage: Usage::default(),
        })
    }
}

fn service(embedder: Lengths, limits: BatchLimits) -> EmbeddingService {
    let space = EmbeddingSpace {
        id: "lengths".to_owned(),
        dimensions: 1,
        max_tokens: 100,
        kind: SpaceKind::Lexical,
    };
    EmbeddingService::new(Handle::new(embedder), space, limits)
}

fn texts(lengths: &[usize]) -> Vec<String> {
    lengths.iter().map(|&length| "x".repeat(length)).collect()
}

#[tokio::test]
async fn keeps_the_order_of_texts_across_calls() {
    let embedder = Lengths::default();
    let calls = Arc::clone(&embedder.calls);
    let service = service(embedder, BatchLimits::default().with_max_texts(3));
    let vectors = service
        .embed_documents(texts(&[5, 1, 4, 2, 3]))
        .await
        .unwrap();
    assert_eq!(vectors, [[5.0], [1.0], [4.0], [2.0], [3.0]]);
    assert_eq!(*calls.lock(), [3, 2]);
}

#[tokio::test]
async fn merges_waiting_requests_into_one_call() {
    let embedder = Lengths::default();
    let calls = Arc::clone(&embedder.calls);
    let service = service(embedder, BatchLimits::default().with_max_texts(8));
    let requests = (1..=8).map(|length| service.embed_documents(texts(&[length])));
    for (length, vectors) in (1_u16..).zip(futures_util::future::join_all(requests).await) {
        assert_eq!(vectors.unwrap(), [[f32::from(length)]]);
    }
    let calls = calls.lock();
    assert!(calls.len() < 8, "eight requests took {} calls", calls.len());
    assert_eq!(calls.iter().sum::<usize>(), 8);
}

#[tokio::test]
async fn a_poisonous_text_fails_its_own_request_only() {
    let embedder = Lengths {
        poison: HashSet::from(["xx".to_owned()]),
        ..Lengths::default()
    };
    let service = service(embedder, BatchLimits::default());
    let requests = (1..=4).map(|length| service.embed_documents(texts(&[length])));
    let outcomes = futures_util::future::join_all(requests).await;
    let failed: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false, false]);
}

#[tokio::test]
async fn refuses_vectors_of_the_wrong_length() {
    let embedder = Lengths {
        dimensions: 1,
        ..Lengths::default()
    };
    let service = service(embedder, BatchLimits::default());
    let error = service.embed_documents(texts(&[1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("expected 1"), "{error}");
    let error = service.embed_query("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

proptest! {
    #[test]
    fn every_text_is_sent_once_within_the_limits(
        lengths in prop::collection::vec(0_usize..40, 0..60),
        max_texts in 1_usize..10,
        max_bytes in 0_usize..100,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let embedder = Lengths::default();
        let calls = Arc::clone(&embedder.calls);
        let limits = BatchLimits::default().with_max_texts(max_texts).with_max_bytes(max_bytes);
        let vectors = runtime.block_on(async {
            service(embedder, limits).embed_documents(texts(&lengths)).await.unwrap()
        });
        let expected = lengths.iter().map(|&length| u8::try_from(length).unwrap());
        let expected: Vec<Vec<f32>> = expected.map(|length| vec![f32::from(length)]).collect();
        prop_assert_eq!(vectors, expected);
        prop_assert!(calls.lock().iter().all(|&call| call <= max_texts));
        prop_assert_eq!(calls.lock().iter().sum::<usize>(), lengths.len());
    }
}
