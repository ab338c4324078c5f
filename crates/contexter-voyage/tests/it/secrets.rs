//! The key is in one header and nowhere else.

use std::fmt::Write as _;

use contexter_adapter::ServiceAdapter as _;
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{Config, VoyageAdapter};
use serde_json::json;

use crate::support::{KEY, adapter, config, embed, good};

#[tokio::test]
async fn the_key_is_in_no_error_even_if_the_vendor_repeats_it() {
    let other = "al-us-abcdefgh01234567";
    for status in [400, 401, 403, 404, 410, 413, 422, 429, 500, 503] {
        for body in [
            json!({ "detail": format!("Provided API key {KEY} is invalid") }),
            json!({ "detail": [{ "loc": ["header", KEY], "msg": format!("not {other}") }] }),
            json!({ "message": format!("({KEY}, {other})") }),
        ] {
            let script = Scripted::json(status, body).header("x-request-id", KEY);
            let server = ScriptedServer::start(vec![script]).await;
            let error = embed(&adapter(&server), &["text"]).await.unwrap_err();
            let mut shown = format!("{error} {error:?}");
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                write!(shown, "{inner} {inner:?}").unwrap();
                cause = inner.source();
            }
            for secret in [KEY, "s3cr3t", other] {
                assert!(!shown.contains(secret), "{status}: {shown}");
            }
        }
    }
}

#[tokio::test]
async fn the_key_is_in_no_debug_and_in_no_health() {
    let server = ScriptedServer::start(vec![Scripted::json(
        401,
        json!({ "detail": format!("bad key {KEY}") }),
    )])
    .await;
    let adapter = adapter(&server);
    let health = adapter.health_check().await;
    let shown = format!(
        "{adapter:?} {:?} {:?} {health:?} {} {:?}",
        config(&server),
        adapter.jobs(),
        serde_json::to_string(&config(&server)).unwrap(),
        adapter.usage(),
    );
    assert!(!shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn the_key_is_in_no_error_of_the_settings() {
    for config in [
        Config::new(format!("{KEY} with blanks")),
        Config::new(KEY).with_base_url("http://example.org/v1"),
        Config::new(KEY).with_base_url(format!("https://user:{KEY}@example.org/v1")),
    ] {
        let error = VoyageAdapter::new(config).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("s3cr3t"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = ScriptedServer::start(vec![good(1)]).await;
    let location = format!("{}/v1/embeddings", elsewhere.base_url());
    let script = Scripted::status(307).header("location", &location);
    let server = ScriptedServer::start(vec![script]).await;
    embed(&adapter(&server), &["text"]).await.unwrap_err();
    assert!(elsewhere.requests().is_empty());
}
