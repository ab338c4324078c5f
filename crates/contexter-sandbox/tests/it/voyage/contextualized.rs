//! `POST /contextualizedembeddings`.

use contexter_sandbox::SandboxConfig;
use serde_json::{Value, json};

use crate::client::{post, start, voyage};

const PATH: &str = "contextualizedembeddings";

#[tokio::test]
async fn chunks_keep_their_places() {
    let sandbox = start(SandboxConfig::new()).await;
    let body = json!({
        "model": "voyage-context-4", "input_type": "document", "output_dimension": 256,
        "inputs": [["first chunk", "second chunk"], ["alone"]],
    });
    let (status, reply) = post(&voyage(&sandbox), PATH, &body).await;
    assert_eq!(status, 200, "{reply}");
    let counts: Vec<usize> = reply["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|document| document["data"].as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [2, 1]);
    let second = &reply["data"][0]["data"][1];
    assert_eq!(second["index"], 1);
    assert_eq!(second["embedding"].as_array().unwrap().len(), 256);
    assert!(second.get("text").is_none());
    assert!(reply.get("chunker_version").is_none());
    assert!(reply["usage"]["total_tokens"].as_u64().unwrap() > 5);
}

#[tokio::test]
async fn the_same_chunk_differs_in_another_document() {
    let sandbox = start(SandboxConfig::new()).await;
    let body = json!({
        "model": "voyage-context-3",
        "inputs": [["the same", "about bears"], ["the same", "about sockets"], ["the same"]],
    });
    let (_, reply) = post(&voyage(&sandbox), PATH, &body).await;
    let of = |document: usize| reply["data"][document]["data"][0]["embedding"].clone();
    assert_ne!(of(0), of(1));
    assert_ne!(of(0), of(2));
}

#[tokio::test]
async fn documents_are_cut_where_that_is_asked_for() {
    let sandbox = start(SandboxConfig::new()).await;
    let body = json!({
        "model": "voyage-context-4", "input_type": "document", "enable_auto_chunking": true,
        "chunk_size": 4, "chunk_overlap": 1, "inputs": ["a b c d e f g", "x"],
    });
    let (status, reply) = post(&voyage(&sandbox), PATH, &body).await;
    assert_eq!(status, 200, "{reply}");
    let texts: Vec<&str> = reply["data"][0]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chunk| chunk["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["a b c d", "d e f g"]);
    assert_eq!(reply["data"][1]["data"][0]["text"], "x");
    assert!(reply["chunker_version"].is_string());
}

#[tokio::test]
async fn wrong_inputs_are_refused() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let chunk = |fields: Value| {
        let mut body = json!({"model": "voyage-context-4"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        body
    };
    let long = "a ".repeat(32_001);
    let many = vec![vec!["a"; 17]; 1000];
    let table = [
        chunk(json!({"inputs": ["flat"]})),
        chunk(json!({"inputs": ["flat"], "input_type": "document"})),
        chunk(json!({"inputs": [["a", "b"]], "input_type": "query"})),
        chunk(json!({"inputs": [[]]})),
        chunk(json!({"inputs": []})),
        chunk(json!({"inputs": [[long]]})),
        chunk(json!({"inputs": many})),
        chunk(json!({"inputs": [["a"]], "truncation": true})),
        chunk(json!({"inputs": [["a"]], "chunk_size": 5})),
        chunk(json!({"inputs": ["a"], "enable_auto_chunking": true})),
        chunk(json!({
            "inputs": ["a"], "enable_auto_chunking": true, "input_type": "document",
            "chunk_size": 5, "chunk_overlap": 5,
        })),
    ];
    for body in table {
        let (status, reply) = post(&api, PATH, &body).await;
        assert_eq!(status, 400, "{reply}");
    }
    let body = chunk(json!({
        "inputs": [["a", "b"]], "enable_auto_chunking": true, "input_type": "document",
    }));
    let (_, reply) = post(&api, PATH, &body).await;
    assert_eq!(
        reply["detail"],
        "auto-chunking expects one string per document"
    );
}

#[tokio::test]
async fn the_request_is_limited_as_a_whole() {
    let sandbox = start(SandboxConfig::new()).await;
    let document = vec!["a ".repeat(31_000)];
    let body = json!({"model": "voyage-context-4", "inputs": vec![document; 4]});
    let (status, reply) = post(&voyage(&sandbox), PATH, &body).await;
    assert_eq!(status, 400);
    let detail = reply["detail"].as_str().unwrap();
    assert!(
        detail.contains("is 120000. Your batch has 124000 tokens"),
        "{detail}"
    );
}

/// Documents of `a a a …`, to be cut so.
fn to_cut(tokens: usize, size: u64, overlap: u64) -> Value {
    json!({
        "model": "voyage-context-4", "input_type": "document", "enable_auto_chunking": true,
        "chunk_size": size, "chunk_overlap": overlap, "inputs": ["a ".repeat(tokens)],
    })
}

#[tokio::test]
async fn what_would_be_cut_into_too_much_is_refused_uncut() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    // Too many chunks, too large ones together, too many tokens.
    let table = [
        (
            to_cut(119_000, 32_000, 31_999),
            "The total number of chunks is limited to 16000. Your request has 87001.",
        ),
        (
            to_cut(30_000, 16_000, 15_999),
            "The chunks of a request are limited to 33554432 bytes.",
        ),
        (
            to_cut(400_000, 32_000, 0),
            "The max allowed tokens per submitted batch is 120000. Your batch has 4000",
        ),
    ];
    for (body, expected) in table {
        let (status, reply) = post(&api, PATH, &body).await;
        assert_eq!(status, 400, "{expected}");
        let detail = reply["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{detail}");
    }
    let (status, _) = post(&api, PATH, &to_cut(119_000, 32_000, 0)).await;
    assert_eq!(status, 200);
}
