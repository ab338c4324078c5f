//! Keys, limits and what is said of them.

use contexter_sandbox::{Sandbox, SandboxConfig, Tier, VoyageConfig};
use serde_json::{Value, json};

use crate::client::{get, hello, post, start, voyage, voyage_with_key};

async fn with(voyage: VoyageConfig) -> Sandbox {
    start(SandboxConfig::new().voyage(voyage)).await
}

/// A text of so many tokens.
fn tokens(count: usize) -> String {
    "a ".repeat(count)
}

#[tokio::test]
async fn a_key_is_needed_and_belongs_to_its_host() {
    let sandbox = with(VoyageConfig::new().foreign_key("al-eu-elsewhere")).await;
    for (key, expected) in [("pa-wrong", 401), ("al-eu-elsewhere", 403)] {
        let api = voyage_with_key(&sandbox, key);
        for path in ["embeddings", "rerank", "batches"] {
            let (status, reply) = post(&api, path, &hello()).await;
            assert_eq!(status, expected, "{path}");
            assert!(reply["detail"].is_string());
        }
    }
    assert_eq!(sandbox.voyage().refused(), 6);
}

#[tokio::test]
async fn too_many_tokens_are_refused_in_the_vendor_s_words() {
    let sandbox = start(SandboxConfig::new()).await;
    let texts = vec![tokens(30_000); 5];
    let body = json!({"model": "voyage-code-3", "input": texts});
    let (status, reply) = post(&voyage(&sandbox), "embeddings", &body).await;
    assert_eq!(status, 400);
    assert_eq!(
        reply["detail"],
        "Request to model 'voyage-code-3' failed. The max allowed tokens per submitted batch is \
         120000. Your batch has 150000 tokens after truncation. Please lower the number of tokens \
         in the batch."
    );
    assert_eq!(sandbox.voyage().tokens_billed(), 0);
}

#[tokio::test]
async fn tokens_count_after_truncation() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let mut body = json!({"model": "voyage-4-lite", "input": [tokens(40_000), "a"]});
    let (status, reply) = post(&api, "embeddings", &body).await;
    assert_eq!(status, 200);
    assert_eq!(reply["usage"]["total_tokens"], 32_001);
    body["truncation"] = json!(false);
    let (status, reply) = post(&api, "embeddings", &body).await;
    assert_eq!(status, 400);
    let detail = reply["detail"].as_str().unwrap();
    assert!(
        detail.contains("index 0") && detail.contains("40000"),
        "{detail}"
    );
}

#[tokio::test]
async fn the_number_of_items_is_limited() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    for (count, expected) in [(0, 400), (1, 200), (1000, 200), (1001, 400)] {
        let body = json!({
            "model": "voyage-4-lite", "input": vec!["a"; count], "output_dimension": 256,
            "encoding_format": "base64",
        });
        let (status, _) = post(&api, "embeddings", &body).await;
        assert_eq!(status, expected, "{count}");
    }
}

#[tokio::test]
async fn requests_a_minute_are_limited_for_each_model() {
    let sandbox = with(VoyageConfig::new().requests_per_minute(2).retry_after(true)).await;
    let api = voyage(&sandbox);
    for expected in [200, 200, 429] {
        let reply = api.post("embeddings").json(&hello()).send().await.unwrap();
        assert_eq!(reply.status(), expected);
        assert_eq!(reply.retry_after().is_some(), expected == 429);
    }
    let other = json!({"model": "voyage-4", "input": "a"});
    assert_eq!(post(&api, "embeddings", &other).await.0, 200);
    assert_eq!(sandbox.voyage().throttled(), 1);
}

#[tokio::test]
async fn tokens_a_minute_are_limited_and_a_refusal_costs_nothing() {
    let sandbox = with(VoyageConfig::new().tokens_per_minute(100)).await;
    let api = voyage(&sandbox);
    let call = async |count| {
        let body = json!({"model": "voyage-4", "input": tokens(count)});
        api.post("embeddings").json(&body).send().await.unwrap()
    };
    assert_eq!(call(60).await.status(), 200);
    let refused = call(90).await;
    assert_eq!((refused.status(), refused.retry_after()), (429, None));
    assert_eq!(call(40).await.status(), 200);
    assert_eq!(sandbox.voyage().tokens_billed(), 100);
}

#[tokio::test]
async fn without_a_payment_method_there_are_three_requests() {
    let sandbox = with(VoyageConfig::new().tier(Tier::Unpaid)).await;
    let api = voyage(&sandbox);
    for _ in 0..3 {
        assert_eq!(post(&api, "embeddings", &hello()).await.0, 200);
    }
    let (status, reply) = post(&api, "embeddings", &hello()).await;
    assert_eq!(status, 429);
    let detail = reply["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("You have not yet added your payment method"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_retired_model_names_its_replacement() {
    let sandbox = with(VoyageConfig::new().retired("voyage-3-large", "voyage-4-large")).await;
    let body = json!({"model": "voyage-3-large", "input": "a"});
    let (status, reply) = post(&voyage(&sandbox), "embeddings", &body).await;
    assert_eq!(status, 410);
    assert!(
        reply["detail"]
            .as_str()
            .unwrap()
            .contains("'voyage-4-large'")
    );
}

#[tokio::test]
async fn wrong_fields_are_refused() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let table: &[(Value, u16)] = &[
        (json!({"input": "a"}), 422),
        (json!({"model": "voyage-4"}), 422),
        (json!({"model": 4, "input": "a"}), 422),
        (json!({"model": "voyage-4", "input": [1]}), 422),
        (json!({"model": "voyage-4", "input": {}}), 422),
        (json!([]), 422),
        (json!({"model": "voyage-9", "input": "a"}), 400),
        (json!({"model": "rerank-2", "input": "a"}), 400),
        (
            json!({"model": "voyage-4", "input": "a", "input_type": "other"}),
            400,
        ),
        (
            json!({"model": "voyage-4", "input": "a", "output_dimension": 300}),
            400,
        ),
        (
            json!({"model": "voyage-law-2", "input": "a", "output_dimension": 512}),
            400,
        ),
        (
            json!({"model": "voyage-law-2", "input": "a", "output_dtype": "int8"}),
            400,
        ),
        (
            json!({"model": "voyage-4", "input": "a", "output_dtype": "half"}),
            400,
        ),
        (
            json!({"model": "voyage-4", "input": "a", "encoding_format": "hex"}),
            400,
        ),
        (
            json!({"model": "voyage-4", "input": "a", "truncation": "yes"}),
            422,
        ),
        (
            json!({"model": "voyage-4", "input": "a", "surprise": 1}),
            400,
        ),
    ];
    for (body, expected) in table {
        let (status, reply) = post(&api, "embeddings", body).await;
        assert_eq!(status, *expected, "{body}: {reply}");
        assert_eq!(reply["detail"].is_array(), *expected == 422, "{reply}");
    }
}

#[tokio::test]
async fn what_is_no_json_and_what_is_no_path_are_refused_as_json() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let broken = api
        .post("embeddings")
        .body("application/json", "{\"model\"");
    let reply = broken.send().await.unwrap();
    assert_eq!(reply.status(), 400);
    reply.json::<Value>().unwrap();
    let text = api
        .post("embeddings")
        .body("text/plain", hello().to_string());
    assert_eq!(text.send().await.unwrap().status(), 422);
    assert_eq!(get(&api, "nowhere").await.0, 404);
    assert_eq!(get(&api, "embeddings").await.0, 405);
}

/// Values that fit nowhere, and some that fit.
fn odd_values() -> Vec<Value> {
    let deep = (0..100).fold(json!("x"), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("voyage-4"),
        json!([]),
        json!([[]]),
        json!([["a"], [1]]),
        json!({}),
        json!([{}]),
        json!([{"content": [{"type": "text"}]}]),
        json!([{"content": [{"type": "image_base64", "image_base64": "data:,"}]}]),
        deep,
    ]
}

#[tokio::test]
async fn whatever_a_body_holds_the_server_answers_properly() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let bodies = [
        ("embeddings", json!({"model": "voyage-4", "input": ["a"]})),
        (
            "rerank",
            json!({"model": "rerank-3", "query": "a", "documents": ["a"]}),
        ),
        (
            "contextualizedembeddings",
            json!({"model": "voyage-context-4", "inputs": [["a"]], "input_type": "document",
                   "enable_auto_chunking": true, "chunk_size": 3, "chunk_overlap": 1}),
        ),
        (
            "multimodalembeddings",
            json!({"model": "voyage-multimodal-3.5", "inputs": [{"content": [
                {"type": "text", "text": "a"}]}]}),
        ),
        (
            "batches",
            json!({"endpoint": "/v1/rerank", "completion_window": "12h", "input_file_id": "x",
                   "request_params": {"model": "rerank-3"}, "metadata": {}}),
        ),
    ];
    for (path, body) in bodies {
        for name in body.as_object().unwrap().keys() {
            for value in odd_values() {
                let mut odd = body.clone();
                odd[name] = value;
                let (status, reply) = post(&api, path, &odd).await;
                assert!(status < 500, "{path} {odd}: {reply}");
                assert!(
                    status == 200 || !reply["detail"].is_null(),
                    "{path} {odd}: {reply}"
                );
            }
        }
    }
}
