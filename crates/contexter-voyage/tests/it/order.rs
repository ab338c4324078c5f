//! Large requests: in order, whole or not at all.

use contexter_model::{Embed, ErrorKind, Purpose};
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{EmbedTexts, Vectors, VoyageAdapter};
use serde_json::json;

use crate::support::{base64_of, call, config, embed, good, reply, vector};

#[tokio::test]
async fn vectors_are_put_by_index_and_not_by_place() {
    let shuffled = [2_u8, 0, 3, 1].map(|index| {
        let embedding = json!(base64_of(&vector(f32::from(index))));
        (usize::from(index), embedding)
    });
    let server = ScriptedServer::start(vec![Scripted::json(200, reply(&shuffled, 4))]).await;
    let adapter = VoyageAdapter::new(config(&server)).unwrap();
    let reply = embed(&adapter, &["a", "b", "c", "d"]).await.unwrap();
    assert_eq!(reply.vectors, [0.0, 1.0, 2.0, 3.0].map(vector));
}

#[tokio::test]
async fn no_text_needs_no_request() {
    let server = ScriptedServer::start(vec![good(1)]).await;
    let adapter = VoyageAdapter::new(config(&server)).unwrap();
    assert!(embed(&adapter, &[]).await.unwrap().vectors.is_empty());
    let none = EmbedTexts::new(Vec::<String>::new(), None);
    let reply = call(&adapter, none).await.unwrap();
    assert_eq!(reply.vectors, Vectors::Float(Vec::new()));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn parts_keep_the_order_of_the_request_however_late_they_come() {
    // Each reply tells of the request by nothing but its place in the script, so that one request
    // at a time is needed.
    let script = (0..5_u8).map(|part| {
        let vectors = [0_u8, 1].map(|index| {
            let first = f32::from(part * 2 + index);
            (usize::from(index), json!(base64_of(&vector(first))))
        });
        Scripted::json(200, reply(&vectors, 2))
    });
    let server = ScriptedServer::start(script.collect()).await;
    let settings = config(&server).with_max_batch(2).with_max_concurrent(1);
    let adapter = VoyageAdapter::new(settings).unwrap();
    let texts: Vec<String> = (0..10).map(|number| format!("text {number}")).collect();
    let request = Embed {
        texts: texts.clone(),
        purpose: Purpose::Document,
    };
    let reply = call(&adapter, request).await.unwrap();
    let firsts: Vec<f32> = reply.vectors.iter().map(|vector| vector[0]).collect();
    assert_eq!(firsts, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    assert_eq!(reply.usage.tokens, 10);
    let sent: Vec<serde_json::Value> = server
        .requests()
        .iter()
        .flat_map(|request| request.json()["input"].as_array().unwrap().clone())
        .collect();
    assert_eq!(sent, texts);
}

#[tokio::test]
async fn what_fails_for_good_fails_the_request() {
    let refused = Scripted::json(401, json!({ "detail": "no" }));
    let server = ScriptedServer::start(vec![good(1), refused]).await;
    let settings = config(&server).with_max_batch(1).with_max_concurrent(2);
    let adapter = VoyageAdapter::new(settings).unwrap();
    let texts: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let error = embed(&adapter, &texts).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(server.requests().len() <= 4, "{}", server.requests().len());
}
