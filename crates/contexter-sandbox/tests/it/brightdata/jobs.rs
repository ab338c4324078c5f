//! Requests that are submitted and collected later.

use std::time::Duration;

use contexter_http::{Api, Reply};
use contexter_sandbox::BrightDataConfig;
use serde_json::{Value, json};

use super::{PAGE, post, start};

/// Jobs that are ready at once.
fn quick() -> BrightDataConfig {
    BrightDataConfig::new().job_time(Duration::ZERO)
}

async fn collect(api: &Api, submitted: &Reply) -> Reply {
    assert_eq!(submitted.status(), 200, "{submitted:?}");
    let id = submitted.header("x-response-id").unwrap();
    let request = api.get("unblocker/get_result").query("response_id", id);
    request.send().await.unwrap()
}

/// What a reply says, whenever it comes.
fn said(reply: &Reply) -> (u16, Vec<Option<&str>>, &[u8]) {
    let names = [
        "content-type",
        "location",
        "x-brd-status-code",
        "x-brd-error-code",
    ];
    let headers = names.map(|name| reply.header(name)).to_vec();
    (reply.status(), headers, reply.bytes())
}

#[tokio::test]
async fn what_cannot_be_fetched_is_refused_at_once_and_later() {
    let (sandbox, api) = start(BrightDataConfig::new()).await;
    let zone = sandbox.brightdata().zone();
    let queried = [("zone", zone)];
    for (name, value) in [
        ("url", "ftp://example.com/"),
        ("country", "DEU"),
        ("method", "get"),
    ] {
        let mut body = json!({ "zone": zone, "url": PAGE, "format": "raw" });
        body[name] = value.into();
        let now = post(&api, "request", &[], &body).await;
        let later = post(&api, "unblocker/req", &queried, &body).await;
        for reply in [now, later] {
            assert_eq!(reply.status(), 400, "{name}");
            let told: Value = reply.json().unwrap();
            assert_eq!(told["error_code"], "validation", "{name}");
        }
    }
    assert_eq!(sandbox.brightdata().billed(), 0);
}

#[tokio::test]
async fn a_search_is_submitted_where_pages_are_and_countries_come_in_either_case() {
    let config = BrightDataConfig::new().job_time(std::time::Duration::ZERO);
    let (sandbox, api) = start(config).await;
    let zone = sandbox.brightdata().serp_zone();
    let asked = json!({
        "url": "https://www.google.com/search?q=differences&brd_json=1",
        "country": "DE",
    });
    let reply = post(&api, "unblocker/req", &[("zone", zone)], &asked).await;
    let id = reply.header("x-response-id").unwrap().to_owned();
    let reply = api
        .get("unblocker/get_result")
        .query("response_id", &id)
        .query("zone", zone)
        .send()
        .await
        .unwrap();
    let found: Value = reply.json().unwrap();
    assert_eq!(found["organic"][0]["link"], PAGE);
    // A zone that is none for searches gives the page as it is.
    let zone = sandbox.brightdata().zone();
    let reply = post(&api, "unblocker/req", &[("zone", zone)], &asked).await;
    let id = reply.header("x-response-id").unwrap().to_owned();
    let reply = api.get("unblocker/get_result").query("response_id", &id);
    let reply = reply.send().await.unwrap();
    assert!(reply.text().unwrap().starts_with("<!doctype html>"));
}

#[tokio::test]
async fn what_is_collected_is_what_is_told_at_once() {
    let (sandbox, api) = start(quick()).await;
    let zone = sandbox.brightdata().zone();
    for (option, start) in [
        (json!({}), "<!doctype html>"),
        (json!({ "data_format": "markdown" }), "# Copying a folder"),
        (json!({ "data_format": "screenshot" }), "\u{89}PNG"),
        (json!({ "format": "json" }), "{"),
        (json!({ "method": "HEAD" }), ""),
        (json!({ "url": "https://docs.example.com/moved" }), ""),
        (json!({ "url": "https://docs.example.com/blocked" }), ""),
    ] {
        let mut body = json!({ "zone": zone, "url": PAGE, "format": "raw" });
        let fields = body.as_object_mut().unwrap();
        fields.extend(option.as_object().unwrap().clone());
        let now = post(&api, "request", &[], &body).await;
        let text: String = now.bytes().iter().map(|byte| char::from(*byte)).collect();
        assert!(text.starts_with(start), "{option}: {text}");
        let submitted = [
            post(&api, "request", &[("async", "true")], &body).await,
            post(&api, "unblocker/req", &[("zone", zone)], &body).await,
        ];
        for submitted in submitted {
            let later = collect(&api, &submitted).await;
            assert_eq!(said(&later), said(&now), "{option}");
        }
    }
}

#[tokio::test]
async fn the_header_asks_for_a_form_as_the_field_does() {
    let (sandbox, api) = start(quick()).await;
    let submitted = api
        .post("unblocker/req")
        .query("zone", sandbox.brightdata().zone())
        .header("x-unblock-data-format", "markdown")
        .json(&json!({ "url": PAGE }))
        .send()
        .await
        .unwrap();
    let page = collect(&api, &submitted).await;
    assert!(page.text().unwrap().starts_with("# Copying a folder"));
}

#[tokio::test]
async fn a_feature_that_the_zone_does_not_have_is_missing_now_and_later() {
    for has_feature in [false, true] {
        let (sandbox, api) = start(quick().paid_features(has_feature)).await;
        let zone = sandbox.brightdata().zone();
        for (name, value) in [
            ("headers", json!({ "cookie": "a=b" })),
            ("body", json!("a=b")),
            ("body", json!({ "a": "b" })),
            ("expect", json!(null)),
        ] {
            let mut body = json!({ "zone": zone, "url": PAGE, "format": "raw" });
            body[name] = value;
            let ask = |path: &str| {
                let request = api.post(path).query("zone", zone).json(&body);
                match name {
                    "expect" => request.header("x-unblock-expect", "{\"text\":\"folder\"}"),
                    _ => request,
                }
            };
            let now = ask("request").send().await.unwrap();
            let expected = (!has_feature).then_some("feature_not_active");
            assert_eq!(now.header("x-brd-error-code"), expected, "{name}");
            for submitted in [ask("unblocker/req"), ask("request").query("async", true)] {
                let submitted = submitted.send().await.unwrap();
                let later = collect(&api, &submitted).await;
                assert_eq!(said(&later), said(&now), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn all_options_of_a_search_are_passed_on() {
    let (sandbox, api) = start(quick()).await;
    let zone = [("zone", sandbox.brightdata().serp_zone())];
    let asked = json!({
        "query": { "q": "ferry", "start": 1, "hl": "en", "safe": true, "gl": null },
        "brd_json": 1,
    });
    let submitted = post(&api, "serp/req", &zone, &asked).await;
    let found: Value = collect(&api, &submitted).await.json().unwrap();
    assert_eq!(found["organic"][0]["global_rank"], 2);
    let url = found["input"]["original_url"].as_str().unwrap();
    let (_, query) = url.split_once('?').unwrap();
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    assert_eq!(
        pairs,
        ["brd_json=1", "hl=en", "q=ferry", "safe=true", "start=1"]
    );

    let light = json!({ "query": { "q": "ferry" }, "data_format": "parsed_light" });
    let submitted = post(&api, "serp/req", &zone, &light).await;
    let found: Value = collect(&api, &submitted).await.json().unwrap();
    assert_eq!(found["general"]["query"], "ferry");

    for wrong in [
        json!({ "query": { "q": ["ferry"] } }),
        json!({ "query": { "q": "ferry" }, "country": "DEU" }),
        json!({ "query": "ferry" }),
        json!({}),
    ] {
        assert_eq!(post(&api, "serp/req", &zone, &wrong).await.status(), 400);
    }
}

#[tokio::test]
async fn webhooks_are_refused_with_what_to_do_instead() {
    let (sandbox, api) = start(quick()).await;
    let server = sandbox.brightdata();
    for (path, zone) in [
        ("request", server.zone()),
        ("unblocker/req", server.zone()),
        ("serp/req", server.serp_zone()),
    ] {
        let query = [("zone", zone), ("async", "true")];
        let mut body = json!({ "zone": zone, "url": PAGE, "format": "raw" });
        for (name, value) in [
            ("webhook_url", json!("https://hook.example.org/x")),
            ("webhook_method", json!("POST")),
            ("webhook_data", json!({ "a": 1 })),
        ] {
            body[name] = value;
            let reply = post(&api, path, &query, &body).await;
            assert_eq!(reply.status(), 400, "{path} {name}");
            let words = reply.text().unwrap();
            assert!(words.starts_with(name), "{words}");
            assert!(words.contains("get_result"), "{words}");
            body[name] = Value::Null;
        }
        assert_eq!(server.billed(), 0);
    }
    let none = json!({ "url": PAGE, "webhook_url": null });
    let query = [("zone", server.zone())];
    assert_eq!(
        post(&api, "unblocker/req", &query, &none).await.status(),
        200
    );
}
