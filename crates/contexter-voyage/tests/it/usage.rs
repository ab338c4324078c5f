//! What was used and what it cost.

use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::json;

use crate::support::{adapter, embed, good};

#[tokio::test]
async fn answers_tokens_and_their_price_are_counted_for_each_model() {
    let mut body = serde_json::from_slice::<serde_json::Value>(b"{}").unwrap();
    body["detail"] = json!("no");
    let server = ScriptedServer::start(vec![good(2), Scripted::json(429, body), good(1)]).await;
    let adapter = adapter(&server);
    embed(&adapter, &["a", "b"]).await.unwrap();
    embed(&adapter, &["c"]).await.unwrap_err();
    let usage = adapter.usage();
    assert_eq!((usage.requests, usage.throttled, usage.tokens), (2, 1, 2));
    let model = usage.models["voyage-4"];
    assert_eq!((model.requests, model.throttled, model.tokens), (2, 1, 2));
    // 2 tokens at 0.06 micro-dollars are less than one.
    assert_eq!(usage.cost_micro_dollars, 0);
    let json = serde_json::to_value(&usage).unwrap();
    assert_eq!(json["models"]["voyage-4"]["tokens"], 2);
}
