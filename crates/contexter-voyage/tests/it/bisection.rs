//! Requests that turn out too large.

use std::sync::Arc;

use contexter_model::{Embed, ErrorKind, Purpose};
use contexter_resilience::{StackConfig, StandardStack};
use contexter_service::{ByVerdict, ManualClock, Service as _};
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{Caps, EmbedTexts, Lane, Packed, TokenEstimate, VoyageAdapter};
use serde_json::json;

use crate::support::{call, config, embed, good, vector};
use crate::vendor::{Vendor, mark};

fn overflow(allowed: u32, tokens: u32) -> Scripted {
    let detail = format!(
        "The max allowed tokens per submitted batch is {allowed}. Your batch has {tokens} tokens \
         after truncation."
    );
    Scripted::json(400, json!({ "detail": detail }))
}

fn sizes(server: &ScriptedServer) -> Vec<usize> {
    let requests = server.requests();
    let input = |body: serde_json::Value| body["input"].as_array().unwrap().len();
    requests
        .iter()
        .map(|request| input(request.json()))
        .collect()
}

#[tokio::test]
async fn a_refused_request_is_divided_and_never_sent_again_as_it_was() {
    let plain = Scripted::json(400, json!({ "detail": "Too many tokens" }));
    let server = ScriptedServer::start(vec![plain, good(2), good(2)]).await;
    let adapter = VoyageAdapter::new(config(&server).with_max_concurrent(1)).unwrap();
    let reply = embed(&adapter, &["a", "b", "c", "d"]).await.unwrap();
    let (first, second) = (vector(0.0), vector(1.0));
    assert_eq!(
        reply.vectors,
        [first.clone(), second.clone(), first, second]
    );
    assert_eq!(sizes(&server), [4, 2, 2]);
}

#[tokio::test]
async fn the_vendor_s_numbers_say_into_how_many() {
    let server = ScriptedServer::start(vec![overflow(100, 330), good(1)]).await;
    let adapter = VoyageAdapter::new(config(&server).with_max_concurrent(1)).unwrap();
    embed(&adapter, &["aaaa", "bbbb", "cccc", "dddd"])
        .await
        .unwrap();
    assert_eq!(sizes(&server), [4, 1, 1, 1, 1]);
}

#[tokio::test]
async fn a_single_text_that_is_too_long_is_named_by_its_place() {
    let long = Scripted::json(400, json!({ "detail": "Text has too many tokens" }));
    let server = ScriptedServer::start(vec![good(2), long.clone(), good(1), long]).await;
    let adapter =
        VoyageAdapter::new(config(&server).with_max_concurrent(1).with_max_batch(2)).unwrap();
    let request = EmbedTexts::new(["a", "b", "c", "d"], Purpose::Document).with_truncation(false);
    let error = call(&adapter, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(
        error.message(),
        "text 3 of 4 is too large: answered 400 Bad Request: the request is larger than allowed: \
         Text has too many tokens"
    );
    assert_eq!(error.service(), Some("voyage_ai"));
    assert_eq!(sizes(&server), [2, 2, 1, 1]);
}

#[tokio::test]
async fn another_400_is_not_divided() {
    let server =
        ScriptedServer::start(vec![Scripted::json(400, json!({ "detail": "bad model" }))]).await;
    let adapter = VoyageAdapter::new(config(&server)).unwrap();
    let error = embed(&adapter, &["a", "b"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(sizes(&server), [2]);
}

#[test]
fn a_count_that_is_far_too_low_ends_in_the_same_vectors_and_no_request_twice() {
    let mut vendor = Vendor::new(&ManualClock::new());
    vendor.cap = 100;
    let vendor = Arc::new(vendor);
    let stack = StackConfig::new().retry(None);
    let stack = StandardStack::with(stack, vendor.clock.clone(), ByVerdict).unwrap();
    let nothing = TokenEstimate::exact(Arc::new(|_: &str| 0));
    let lane = Lane::new(stack, Caps::new(1_000, 1_000_000)).with_tokens(nothing);
    let packed = Packed::new(Arc::clone(&vendor), Arc::new(lane));
    let texts: Vec<String> = (0..300)
        .map(|number| format!("n{number} {}", "wwww".repeat(number % 90)))
        .collect();
    let request = Embed {
        texts: texts.clone(),
        purpose: Purpose::Document,
    };
    let reply = vendor
        .clock
        .run_until_stalled(packed.call(request))
        .unwrap();
    let expected: Vec<Vec<f32>> = texts.iter().map(|text| mark(text)).collect();
    assert_eq!(reply.unwrap().vectors, expected);
    let mut requests = vendor.state().requests.clone();
    let sent = requests.len();
    requests.sort();
    requests.dedup();
    assert_eq!(requests.len(), sent, "a request was sent twice");
}
