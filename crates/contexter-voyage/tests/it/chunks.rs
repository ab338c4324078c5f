//! Chunks that know their document.

use contexter_model::ErrorKind;
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{Chunking, EmbedChunks, Vectors, VoyageAdapter};
use serde_json::{Value, json};

use crate::support::{adapter, base64_of, call, config, vector};

fn chunk(index: usize, first: f32, text: Option<&str>) -> Value {
    json!({ "index": index, "embedding": base64_of(&vector(first)), "text": text })
}

fn document(index: usize, chunks: &[Value]) -> Value {
    json!({ "object": "list", "index": index, "data": chunks })
}

fn answer(documents: &[Value]) -> Scripted {
    Scripted::json(
        200,
        json!({ "data": documents, "usage": { "total_tokens": 8 } }),
    )
}

#[tokio::test]
async fn documents_and_their_chunks_are_put_by_index() {
    let script = answer(&[
        document(1, &[chunk(0, 2.0, None)]),
        document(0, &[chunk(1, 1.0, None), chunk(0, 0.0, None)]),
    ]);
    let server = ScriptedServer::start(vec![script]).await;
    let request = EmbedChunks::documents([vec!["a", "b"], vec!["c"]]).with_dimension(256);
    let reply = call(&adapter(&server), request).await.unwrap();
    let vectors: Vec<Vectors> = reply.documents.iter().map(|d| d.vectors.clone()).collect();
    assert_eq!(
        vectors,
        [
            Vectors::Float(vec![vector(0.0), vector(1.0)]),
            Vectors::Float(vec![vector(2.0)]),
        ]
    );
    assert!(
        reply
            .documents
            .iter()
            .all(|document| document.texts.is_none())
    );
}

#[tokio::test]
async fn a_document_is_never_divided_and_named_if_it_is_too_long() {
    let refused = Scripted::json(400, json!({ "detail": "too many tokens" }));
    let server = ScriptedServer::start(vec![
        refused.clone(),
        answer(&[document(0, &[chunk(0, 0.0, None), chunk(1, 1.0, None)])]),
        refused,
    ])
    .await;
    let adapter = VoyageAdapter::new(config(&server).with_max_concurrent(1)).unwrap();
    let request = EmbedChunks::documents([vec!["a", "b"], vec!["c", "d"]]).with_dimension(256);
    let error = call(&adapter, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(
        error
            .message()
            .starts_with("document 1 of 2 is too large: "),
        "{error}"
    );
    let inputs: Vec<Value> = server
        .requests()
        .iter()
        .map(|request| request.json()["inputs"].clone())
        .collect();
    assert_eq!(
        inputs,
        [
            json!([["a", "b"], ["c", "d"]]),
            json!([["a", "b"]]),
            json!([["c", "d"]])
        ]
    );
}

#[tokio::test]
async fn a_malformed_reply_is_a_typed_error() {
    let good = || document(0, &[chunk(0, 0.0, None), chunk(1, 1.0, None)]);
    for (script, message) in [
        (answer(&[]), "the reply has 0 documents, expected 1"),
        (answer(&[good(), good()]), "the reply has index 0 twice"),
        (
            answer(&[document(0, &[chunk(0, 0.0, None)])]),
            "the reply has 1 vectors, expected 2",
        ),
        (
            answer(&[document(0, &[chunk(0, 0.0, None), chunk(0, 0.0, None)])]),
            "the reply has index 0 twice",
        ),
        (
            answer(&[document(
                0,
                &[chunk(0, 0.0, Some("a")), chunk(1, 0.0, None)],
            )]),
            "some chunks of the reply have a text and some have none",
        ),
        (
            answer(&[json!({ "index": 0 })]),
            "part 0 of the reply has an index and nothing else",
        ),
    ] {
        let server = ScriptedServer::start(vec![script]).await;
        let request = EmbedChunks::documents([["a", "b"]]).with_dimension(256);
        let error = call(&adapter(&server), request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert_eq!(error.message(), format!("answered 200 OK: {message}"));
    }
}

#[tokio::test]
async fn what_the_vendor_would_refuse_is_not_sent() {
    let server = ScriptedServer::start(vec![Scripted::status(500)]).await;
    let adapter = adapter(&server);
    for (request, message) in [
        (
            EmbedChunks::documents([Vec::<String>::new()]),
            "document 0 has no chunks, expected at least one",
        ),
        (
            EmbedChunks::documents([["a", "b"]]).with_chunking(Chunking::default()),
            "document 0 has several chunks, expected one text for the vendor to cut",
        ),
        (
            EmbedChunks::queries(["a"]).with_chunking(Chunking::default()),
            "only documents can be cut into chunks by the vendor",
        ),
        (
            EmbedChunks::documents([["a"]]).with_chunking(Chunking::new(40_000, 0)),
            "chunks of 40000 tokens that share 0 are not possible, expected 1 to 32000 tokens that \
             share fewer",
        ),
        (
            EmbedChunks::documents([["a"]]).with_chunking(Chunking::new(10, 10)),
            "chunks of 10 tokens that share 10 are not possible, expected 1 to 32000 tokens that \
             share fewer",
        ),
        (
            EmbedChunks::documents([["a"]]).with_dimension(300),
            "the model voyage-context-4 has no vectors of 300 dimensions, expected one of [1024, \
             256, 512, 2048]",
        ),
        (
            EmbedChunks::documents([["a"]]).with_model("voyage-4"),
            "the model voyage-4 cannot be asked for this",
        ),
    ] {
        let error = call(&adapter, request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.message(), message);
        assert_eq!(error.operation(), Some("embed_chunks"));
    }
    assert!(server.requests().is_empty());
}
