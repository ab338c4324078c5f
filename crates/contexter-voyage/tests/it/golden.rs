//! Requests, exactly as they are sent.

use contexter_model::{Embed, Purpose, Rerank};
use contexter_testkit::{Recorded, Scripted, ScriptedServer};
use contexter_voyage::{
    Chunking, Config, Content, Dtype, EmbedChunks, EmbedMultimodal, EmbedTexts, Model, RerankTexts,
    Transport, VoyageAdapter,
};
use serde_json::{Value, json};

use crate::support::{KEY, adapter, base64_of, call, config, good, reply, vector};

fn only(server: &ScriptedServer) -> Recorded {
    let mut requests = server.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

#[track_caller]
fn assert_sent(request: &Recorded, path: &str, body: &Value) {
    assert_eq!((&*request.method, &*request.path), ("POST", path));
    assert_eq!(request.json(), *body);
    let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "accept-encoding",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent",
        ]
    );
    assert_eq!(
        request.header("authorization"),
        Some(&*format!("Bearer {KEY}"))
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_plain_embedding_says_what_the_texts_are_for_and_asks_for_base64() {
    for (purpose, word) in [(Purpose::Document, "document"), (Purpose::Query, "query")] {
        let server = ScriptedServer::start(vec![good(2)]).await;
        let texts = vec!["first".to_owned(), "second \"quoted\"\n".to_owned()];
        let embeddings = call(&adapter(&server), Embed { texts, purpose })
            .await
            .unwrap();
        assert_eq!(embeddings.vectors, [vector(0.0), vector(1.0)]);
        assert_eq!(embeddings.usage.tokens, 2);
        assert_sent(
            &only(&server),
            "/v1/embeddings",
            &json!({
                "input": ["first", "second \"quoted\"\n"],
                "model": "voyage-4",
                "input_type": word,
                "truncation": true,
                "output_dimension": 256,
                "encoding_format": "base64",
            }),
        );
    }
}

#[tokio::test]
async fn everything_that_can_be_chosen_is_sent() {
    let answer = reply(&[(0, json!([1, 2, 3, 255].repeat(8)))], 3);
    let server = ScriptedServer::start(vec![Scripted::json(200, answer)]).await;
    let request = EmbedTexts::new(["text"], None)
        .with_model("voyage-4-large")
        .with_truncation(false)
        .with_dimension(256)
        .with_dtype(Dtype::Ubinary)
        .with_transport(Transport::List);
    let reply = call(&adapter(&server), request).await.unwrap();
    assert_eq!(reply.vectors.dtype(), Dtype::Ubinary);
    assert_sent(
        &only(&server),
        "/v1/embeddings",
        &json!({
            "input": ["text"],
            "model": "voyage-4-large",
            "truncation": false,
            "output_dimension": 256,
            "output_dtype": "ubinary",
        }),
    );
}

#[tokio::test]
async fn what_is_not_chosen_is_left_to_the_vendor() {
    let mut long = vec![0.5_f32; 1024];
    long[0] = 7.0;
    let answer = reply(&[(0, json!(base64_of(&long)))], 3);
    let server = ScriptedServer::start(vec![Scripted::json(200, answer)]).await;
    let settings = Config::new(KEY).with_base_url(format!("{}/v1/", server.base_url()));
    let adapter = VoyageAdapter::new(settings).unwrap();
    call(&adapter, EmbedTexts::new(["text"], Purpose::Query))
        .await
        .unwrap();
    assert_sent(
        &only(&server),
        "/v1/embeddings",
        &json!({
            "input": ["text"],
            "model": "voyage-4",
            "input_type": "query",
            "truncation": true,
            "encoding_format": "base64",
        }),
    );
}

#[tokio::test]
async fn queries_go_to_the_model_for_queries() {
    let server = ScriptedServer::start(vec![good(1)]).await;
    let settings = config(&server)
        .with_model("voyage-4-large")
        .with_query_model("voyage-4-lite");
    let adapter = VoyageAdapter::new(settings).unwrap();
    for purpose in [Purpose::Query, Purpose::Document] {
        let texts = vec!["text".to_owned()];
        call(&adapter, Embed { texts, purpose }).await.unwrap();
    }
    let models: Vec<Value> = server
        .requests()
        .iter()
        .map(|request| request.json()["model"].clone())
        .collect();
    assert_eq!(models, ["voyage-4-lite", "voyage-4-large"]);
    let family = Model::find("voyage-4-lite").unwrap().family;
    assert_eq!(adapter.space().id, family);
    assert_eq!(adapter.space().dimensions, 256);
    assert_eq!(adapter.space().max_tokens, 32_000);
}

#[tokio::test]
async fn rerank() {
    let answer = json!({
        "object": "list",
        "data": [
            { "index": 1, "relevance_score": 0.75 },
            { "index": 0, "relevance_score": 0.5 },
        ],
        "model": "rerank-2.5",
        "usage": { "total_tokens": 12 },
    });
    let server = ScriptedServer::start(vec![Scripted::json(200, answer)]).await;
    let order = Rerank::new("a query", ["one", "two", "three"]).with_limit(2);
    let request = RerankTexts::new(order)
        .with_model("rerank-2")
        .with_truncation(false);
    call(&adapter(&server), request).await.unwrap();
    assert_sent(
        &only(&server),
        "/v1/rerank",
        &json!({
            "query": "a query",
            "documents": ["one", "two", "three"],
            "model": "rerank-2",
            "top_k": 2,
            "return_documents": false,
            "truncation": false,
        }),
    );
}

#[tokio::test]
async fn contextualized_embeddings() {
    let chunk = |index: usize| json!({ "index": index, "embedding": base64_of(&vector(1.0)) });
    let answer = json!({
        "object": "list",
        "data": [{ "object": "list", "index": 0, "data": [chunk(0), chunk(1)] }],
        "model": "voyage-context-4",
        "usage": { "total_tokens": 9 },
    });
    let server = ScriptedServer::start(vec![Scripted::json(200, answer)]).await;
    let request = EmbedChunks::documents([["first chunk", "second"]]).with_dimension(256);
    call(&adapter(&server), request).await.unwrap();
    assert_sent(
        &only(&server),
        "/v1/contextualizedembeddings",
        &json!({
            "inputs": [["first chunk", "second"]],
            "model": "voyage-context-4",
            "input_type": "document",
            "output_dimension": 256,
            "encoding_format": "base64",
            "enable_auto_chunking": false,
        }),
    );
}

#[tokio::test]
async fn chunks_that_the_vendor_makes() {
    let chunk = json!({ "index": 0, "embedding": base64_of(&vector(1.0)), "text": "made" });
    let answer = json!({
        "object": "list",
        "data": [{ "object": "list", "index": 0, "data": [chunk] }],
        "model": "voyage-context-4",
        "usage": { "total_tokens": 9 },
        "chunker_version": "2",
    });
    let server = ScriptedServer::start(vec![Scripted::json(200, answer)]).await;
    let request = EmbedChunks::documents([["a whole document"]])
        .with_dimension(256)
        .with_chunking(Chunking::new(256, 32));
    let reply = call(&adapter(&server), request).await.unwrap();
    assert_eq!(reply.chunker_version.as_deref(), Some("2"));
    assert_eq!(reply.documents[0].texts, Some(vec!["made".to_owned()]));
    assert_sent(
        &only(&server),
        "/v1/contextualizedembeddings",
        &json!({
            "inputs": [["a whole document"]],
            "model": "voyage-context-4",
            "input_type": "document",
            "output_dimension": 256,
            "encoding_format": "base64",
            "enable_auto_chunking": true,
            "chunk_size": 256,
            "chunk_overlap": 32,
        }),
    );
}

#[tokio::test]
async fn multimodal_embeddings() {
    let answer = json!({
        "object": "list",
        "data": [{ "index": 0, "embedding": vec![0.5; 1024] }],
        "model": "voyage-multimodal-3.5",
        "usage": { "text_tokens": 4, "image_pixels": 1, "total_tokens": 5 },
    });
    let server = ScriptedServer::start(vec![Scripted::json(200, answer)]).await;
    let image = Content::image(crate::multimodal::PNG).unwrap();
    let input = vec![Content::text("A wiring diagram"), image];
    let request = EmbedMultimodal::new(vec![input], Purpose::Document);
    call(&adapter(&server), request).await.unwrap();
    let body = only(&server);
    assert_sent(
        &body,
        "/v1/multimodalembeddings",
        &json!({
            "inputs": [{ "content": [
                { "type": "text", "text": "A wiring diagram" },
                { "type": "image_base64", "image_base64": crate::multimodal::PNG_URL },
            ]}],
            "model": "voyage-multimodal-3.5",
            "input_type": "document",
            "truncation": true,
        }),
    );
}

#[tokio::test]
async fn a_model_of_one_length_is_not_told_the_length() {
    let long = vec![0.5_f32; 1024];
    let answer = reply(&[(0, json!(base64_of(&long)))], 3);
    let server = ScriptedServer::start(vec![Scripted::json(200, answer)]).await;
    let settings = config(&server)
        .with_model("voyage-law-2")
        .with_output_dimension(1024);
    let adapter = VoyageAdapter::new(settings).unwrap();
    call(&adapter, EmbedTexts::new(["text"], Purpose::Query))
        .await
        .unwrap();
    let images = EmbedMultimodal::new(vec![vec![Content::text("text")]], None)
        .with_model("voyage-multimodal-3")
        .with_dimension(1024);
    call(&adapter, images).await.unwrap();
    for request in server.requests() {
        let body = request.json();
        assert_eq!(body.get("output_dimension"), None, "{body}");
    }
}

#[tokio::test]
async fn no_more_are_wanted_than_there_are() {
    let answer = json!({ "data": [{ "index": 0, "relevance_score": 0.5 }] });
    let server = ScriptedServer::start(vec![Scripted::json(200, answer)]).await;
    let order = Rerank::new("a query", ["one"]).with_limit(10);
    call(&adapter(&server), order).await.unwrap();
    assert_eq!(only(&server).json()["top_k"], 1);
}
