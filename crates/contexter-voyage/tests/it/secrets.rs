//! The key is in one header and nowhere else.

use std::fmt::Write as _;

use contexter_adapter::ServiceAdapter as _;
use contexter_model::Purpose;
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{Config, EmbedTexts, VoyageAdapter, Work};
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
async fn a_key_that_looks_like_none_is_hidden_however_it_is_written() {
    let key = "gateway/s3cr3t+1";
    let torn: String = key.chars().flat_map(|c| [c, '\u{200b}']).collect();
    for written in [
        key,
        "GATEWAY/S3CR3T+1",
        "gateway%2Fs3cr3t%2B1",
        torn.as_str(),
    ] {
        for filling in [0, 200, 230, 260, 290] {
            let text = format!("{} {written} is not a key", "x".repeat(filling));
            let line = json!({ "custom_id": "a", "error": { "code": written, "message": text } });
            let failed = json!({
                "id": "batch-1", "status": "failed", "errors": { "data": [{ "message": text }] },
            });
            let ended = json!({ "id": "batch-1", "status": "completed", "error_file_id": "f" });
            let server = ScriptedServer::start(vec![
                Scripted::json(401, json!({ "detail": text })),
                Scripted::json(200, failed),
                Scripted::json(200, ended),
                Scripted::text(200, line.to_string()),
            ])
            .await;
            let adapter = VoyageAdapter::new(config(&server).with_api_key(key)).unwrap();
            let refused = embed(&adapter, &["text"]).await.unwrap_err();
            let line = EmbedTexts::new(["one"], Purpose::Document).with_model("voyage-4");
            let work = Work::new([("a", line)]).unwrap();
            let jobs = adapter.jobs();
            let job = jobs.get("batch-1").await.unwrap();
            let failed = jobs.results(&job, &work).await.unwrap_err();
            let job = jobs.get("batch-1").await.unwrap();
            let results = jobs.results(&job, &work).await.unwrap();
            let shown = format!("{refused:?} {failed:?} {:?}", results.failed["a"]);
            assert!(!shown.to_lowercase().contains("s3c"), "{shown}");
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
