//! The order of documents.

use contexter_model::{ErrorKind, Ranked, Rerank};
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::VoyageAdapter;
use serde_json::{Value, json};

use crate::support::{adapter, call, config};

fn scores(scores: &[(usize, f64)]) -> Value {
    let data: Vec<Value> = scores
        .iter()
        .map(|(index, score)| json!({ "index": index, "relevance_score": score }))
        .collect();
    json!({ "object": "list", "data": data, "usage": { "total_tokens": 5 } })
}

fn ranked(index: usize, score: f32) -> Ranked {
    Ranked { index, score }
}

#[tokio::test]
async fn the_best_is_first_whatever_the_order_of_the_reply() {
    let body = scores(&[(0, 0.25), (2, 0.75), (1, 0.75)]);
    let server = ScriptedServer::start(vec![Scripted::json(200, body)]).await;
    let order = Rerank::new("query", ["a", "b", "c"]);
    let reply = call(&adapter(&server), order).await.unwrap();
    assert_eq!(
        reply.ranking,
        [ranked(1, 0.75), ranked(2, 0.75), ranked(0, 0.25)]
    );
    assert_eq!(reply.usage.tokens, 5);
}

#[tokio::test]
async fn more_documents_than_one_request_takes_are_ordered_together() {
    let first: Vec<(usize, f64)> = (0..1_000).map(|index| (index, 0.5)).collect();
    let server = ScriptedServer::start(vec![
        Scripted::json(200, scores(&first)),
        Scripted::json(200, scores(&[(0, 0.25), (1, 0.75)])),
    ])
    .await;
    let adapter = VoyageAdapter::new(config(&server).with_max_concurrent(1)).unwrap();
    let documents: Vec<String> = (0..1_002).map(|number| number.to_string()).collect();
    let reply = call(&adapter, Rerank::new("q", documents)).await.unwrap();
    assert_eq!(reply.ranking.len(), 1_002);
    assert_eq!(reply.ranking[0], ranked(1_001, 0.75));
    assert_eq!(reply.ranking[1], ranked(0, 0.5));
    assert_eq!(reply.ranking[1_001], ranked(1_000, 0.25));
}

#[tokio::test]
async fn nothing_to_order_needs_no_request() {
    let server = ScriptedServer::start(vec![Scripted::status(500)]).await;
    let adapter = adapter(&server);
    let none: [&str; 0] = [];
    assert!(
        call(&adapter, Rerank::new("q", none))
            .await
            .unwrap()
            .ranking
            .is_empty()
    );
    let zero = Rerank::new("q", ["a"]).with_limit(0);
    assert!(call(&adapter, zero).await.unwrap().ranking.is_empty());
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_malformed_order_is_a_typed_error() {
    for (body, message) in [
        (json!({}), "the reply has no `data`"),
        (scores(&[(0, 0.5)]), "the reply has 1 scores, expected 2"),
        (scores(&[(0, 0.5), (0, 0.5)]), "the reply has index 0 twice"),
        (
            scores(&[(0, 0.5), (2, 0.5)]),
            "the reply has index 2, expected 0 to 1",
        ),
        (
            scores(&[(0, 0.5), (1, 1e300)]),
            "the reply cannot be read as JSON, at line 1 column ",
        ),
        (
            json!({ "data": [{ "index": 0 }, { "index": 1 }] }),
            "part 0 of the reply has an index and nothing else",
        ),
        (
            json!({ "data": [{ "relevance_score": 0.5 }] }),
            "a part of the reply has no `index`",
        ),
        (
            json!({ "data": [{ "index": 0, "relevance_score": "s3cr3t" }] }),
            "the reply is not the JSON that is documented, at line 1 column ",
        ),
    ] {
        let server = ScriptedServer::start(vec![Scripted::json(200, body)]).await;
        let error = call(&adapter(&server), Rerank::new("q", ["a", "b"]))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        let expected = format!("answered 200 OK: {message}");
        assert!(error.message().starts_with(&expected), "{error}");
        assert_eq!(error.operation(), Some("rerank"));
    }
}
