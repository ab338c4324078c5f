//! `POST /rerank`.

use contexter_sandbox::SandboxConfig;
use serde_json::json;

use crate::client::{post, start, voyage};

fn documents() -> Vec<&'static str> {
    vec![
        "brown bears fish",
        "http header parsing",
        "opening a socket",
    ]
}

#[tokio::test]
async fn documents_are_sorted_by_relevance() {
    let sandbox = start(SandboxConfig::new()).await;
    let body = json!({
        "model": "rerank-2.5", "query": "parse the http header", "documents": documents(),
        "return_documents": true,
    });
    let (status, reply) = post(&voyage(&sandbox), "rerank", &body).await;
    assert_eq!(status, 200, "{reply}");
    let data = reply["data"].as_array().unwrap();
    assert_eq!(data.len(), 3);
    assert_eq!(data[0]["index"], 1);
    assert_eq!(data[0]["document"], "http header parsing");
    let scores: Vec<f64> = data
        .iter()
        .map(|item| item["relevance_score"].as_f64().unwrap())
        .collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
}

#[tokio::test]
async fn the_query_counts_for_each_document() {
    let sandbox = start(SandboxConfig::new()).await;
    let body = json!({"model": "rerank-3", "query": "a b", "documents": ["a", "a b c", "a"]});
    let (_, reply) = post(&voyage(&sandbox), "rerank", &body).await;
    assert_eq!(reply["usage"]["total_tokens"], 2 * 3 + 5);
    assert!(reply["data"][0].get("document").is_none());
}

#[tokio::test]
async fn top_k_cuts_the_list() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    for (top_k, expected) in [(json!(null), 3), (json!(2), 2), (json!(9), 3)] {
        let body = json!({
            "model": "rerank-2", "query": "a", "documents": documents(), "top_k": top_k,
        });
        let (_, reply) = post(&api, "rerank", &body).await;
        assert_eq!(reply["data"].as_array().unwrap().len(), expected);
    }
}

#[tokio::test]
async fn limits_hold_for_query_pair_and_request() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let text = |tokens: usize| "a ".repeat(tokens);
    let call = async |query: usize, document: usize, count: usize, truncation: bool| {
        let body = json!({
            "model": "rerank-2-lite", "query": text(query), "truncation": truncation,
            "documents": vec![text(document); count],
        });
        post(&api, "rerank", &body).await
    };
    assert_eq!(call(2000, 6000, 1, false).await.0, 200);
    assert_eq!(call(2001, 1, 1, false).await.0, 400);
    assert_eq!(call(1000, 7001, 1, false).await.0, 400);
    let (status, reply) = call(2500, 9000, 1, true).await;
    assert_eq!(status, 200);
    assert_eq!(reply["usage"]["total_tokens"], 8000);
    let (status, reply) = call(2000, 6000, 76, true).await;
    assert_eq!(status, 400);
    let detail = reply["detail"].as_str().unwrap();
    assert!(
        detail.contains("is 600000. Your batch has 608000 tokens"),
        "{detail}"
    );
}

#[tokio::test]
async fn wrong_fields_are_refused() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let many = vec!["a"; 1001];
    let table = [
        json!({"model": "rerank-3", "query": "a", "documents": []}),
        json!({"model": "rerank-3", "query": "a", "documents": many}),
        json!({"model": "rerank-3", "query": "a", "documents": ["a"], "top_k": 0}),
        json!({"model": "voyage-4", "query": "a", "documents": ["a"]}),
        json!({"model": "rerank-3", "query": "a", "documents": ["a"], "input_type": "query"}),
    ];
    for body in table {
        assert_eq!(post(&api, "rerank", &body).await.0, 400);
    }
}
