//! What every embedder and every reranker promises.

use contexter_adapter::ServiceAdapter;
use contexter_model::{DescribeSpace, Embed, Purpose, Rerank};

use crate::ask;

/// More texts than any service takes in one request.
const MANY: usize = 1_050;

async fn vectors(
    adapter: &dyn ServiceAdapter,
    texts: Vec<String>,
    purpose: Purpose,
) -> Vec<Vec<f32>> {
    let count = texts.len();
    let reply = ask(adapter, Embed { texts, purpose }).await.unwrap();
    assert_eq!(reply.vectors.len(), count, "one vector for each text");
    reply.vectors
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

pub(crate) async fn embedder(adapter: &dyn ServiceAdapter) {
    vectors_are_as_described(adapter).await;
    near_texts_are_near(adapter).await;
    long_texts_are_cut(adapter).await;
    nothing_gives_nothing(adapter).await;
    many_texts_keep_their_order(adapter).await;
}

async fn vectors_are_as_described(adapter: &dyn ServiceAdapter) {
    let space = ask(adapter, DescribeSpace).await.unwrap();
    let texts = owned(&["a text", "", "ünïcödé, 日本語 and 🦀", "a text"]);
    for purpose in [Purpose::Document, Purpose::Query] {
        let vectors = vectors(adapter, texts.clone(), purpose).await;
        for vector in &vectors {
            assert_eq!(vector.len(), space.dimensions);
            assert!(vector.iter().all(|value| value.is_finite()));
            assert!(vector.iter().any(|value| *value != 0.0));
        }
        assert!(cosine(&vectors[0], &vectors[3]) > 0.999, "equal texts");
    }
}

async fn near_texts_are_near(adapter: &dyn ServiceAdapter) {
    let documents = owned(&["how to parse HTTP headers", "brown bears catch salmon"]);
    let query = owned(&["parse the headers of HTTP"]);
    let documents = vectors(adapter, documents, Purpose::Document).await;
    let query = vectors(adapter, query, Purpose::Query).await;
    let (near, far) = (
        cosine(&query[0], &documents[0]),
        cosine(&query[0], &documents[1]),
    );
    assert!(near > far + 0.1, "{near} and {far}");
}

async fn long_texts_are_cut(adapter: &dyn ServiceAdapter) {
    let long = "word ".repeat(40_000);
    vectors(adapter, vec![long], Purpose::Document).await;
}

async fn nothing_gives_nothing(adapter: &dyn ServiceAdapter) {
    assert!(
        vectors(adapter, Vec::new(), Purpose::Document)
            .await
            .is_empty()
    );
}

async fn many_texts_keep_their_order(adapter: &dyn ServiceAdapter) {
    let texts: Vec<String> = (0..MANY).map(|number| format!("item{number}")).collect();
    let all = vectors(adapter, texts.clone(), Purpose::Document).await;
    for place in [0, 127, 128, 999, 1_000, MANY - 1] {
        let alone = vectors(adapter, vec![texts[place].clone()], Purpose::Document).await;
        assert!(cosine(&alone[0], &all[place]) > 0.99, "the text at {place}");
    }
}

pub(crate) async fn reranker(adapter: &dyn ServiceAdapter) {
    let documents = [
        "brown bears catch salmon",
        "how to parse HTTP headers",
        "a poem about the sea",
    ];
    let query = "parse the headers of HTTP";
    let reply = ask(adapter, Rerank::new(query, documents)).await.unwrap();
    let mut places: Vec<usize> = reply.ranking.iter().map(|ranked| ranked.index).collect();
    assert_eq!(places[0], 1, "the best comes first");
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2], "each document once");
    assert!(
        reply
            .ranking
            .is_sorted_by(|a, b| a.score >= b.score && a.score.is_finite())
    );
    assert!(reply.usage.tokens > 0);

    let limited = Rerank::new(query, documents).with_limit(1);
    let reply = ask(adapter, limited).await.unwrap();
    assert_eq!(reply.ranking.len(), 1);
    assert_eq!(reply.ranking[0].index, 1);
}
