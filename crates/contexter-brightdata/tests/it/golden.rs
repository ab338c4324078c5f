//! Every request as it is written: method, path, all headers, body.

use contexter_adapter::ServiceAdapter as _;
use contexter_brightdata::{
    BrightDataAdapter, CancelSnapshot, CollectJob, CountParts, DataFormat, Engine, Envelope,
    Expect, FetchByProxy, FetchSnapshot, Part, ProxyConfig, ProxyUser, ScrapeDataset, SearchPage,
    SnapshotFormat, SnapshotId, SnapshotProgress, SubmitPage, SubmitSearch, TakeScreenshot,
    TriggerDataset, Unlock,
};
use contexter_model::{Error, FetchPage, PageFormat, SearchWeb};
use contexter_service::Capability;
use contexter_testkit::{Recorded, Scripted, ScriptedServer};
use serde_json::{Value, json};

use super::fixture::{KEY, adapter, call, config};

/// A server that takes everything for accepted, and an adapter with all that can be set.
async fn every_call() -> (ScriptedServer, BrightDataAdapter) {
    let answer = Scripted::json(
        200,
        json!({ "snapshot_id": "s_1", "response_id": "job.1-a" }),
    );
    let server = ScriptedServer::start(vec![answer]).await;
    let address = server.address();
    let user = ProxyUser::new("hl_1", "residential1").country("de");
    let proxy =
        ProxyConfig::new(user, "pw:1/2").with_address(address.ip().to_string(), address.port());
    let adapter = adapter(&config(&server).with_proxy(proxy).with_debug(true));
    (server, adapter)
}

/// What one call sends; how it ends does not matter.
async fn sent<Req>(request: Req) -> (Recorded, String)
where
    Req: Capability<Error = Error>,
    Req::Response: std::fmt::Debug,
{
    let (server, adapter) = every_call().await;
    let _ended = call(&adapter, request).await;
    let request = server.requests().into_iter().next();
    (
        request.expect("a request was sent"),
        server.address().to_string(),
    )
}

fn assert_sent(
    (request, host): &(Recorded, String),
    line: &str,
    further: &[(&str, &str)],
    body: Option<&Value>,
) {
    assert_eq!(format!("{} {}", request.method, request.path), line);
    let bearer = format!("Bearer {KEY}");
    let length = request.body.len().to_string();
    let mut expected = vec![
        ("accept", "*/*"),
        ("accept-encoding", "gzip"),
        ("authorization", bearer.as_str()),
        ("host", host.as_str()),
        (
            "user-agent",
            concat!("contexter/", env!("CARGO_PKG_VERSION")),
        ),
    ];
    if body.is_some() {
        expected.push(("content-type", "application/json"));
    }
    if request.method == "POST" {
        expected.push(("content-length", length.as_str()));
    }
    expected.extend(further);
    expected.sort_unstable();
    let mut headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    headers.sort_unstable();
    assert_eq!(headers, expected, "{line}");
    match body {
        Some(body) => assert_eq!(request.json(), *body, "{line}"),
        None => assert!(request.body.is_empty(), "{line}"),
    }
}

#[tokio::test]
async fn requests_to_the_unlocker() {
    const PAGE: &str = "https://example.org/a?b=1";
    let line = "POST /request";
    let plain = json!({ "zone": "web_unlocker1", "url": PAGE, "format": "raw", "debug": true });
    let with = |further: Value| {
        let mut body = plain.clone();
        body.as_object_mut()
            .unwrap()
            .extend(further.as_object().unwrap().clone());
        body
    };
    assert_sent(&sent(Unlock::new(PAGE)).await, line, &[], Some(&plain));

    let full = Unlock::new(PAGE)
        .method("PUT")
        .country("de".to_owned())
        .data_format(DataFormat::Markdown)
        .envelope(Envelope::Json)
        .render(true)
        .header("Accept-Language", "de")
        .body("x")
        .expect(Expect::Element(".price".to_owned()));
    let body = with(json!({
        "method": "PUT",
        "country": "de",
        "format": "json",
        "data_format": "markdown",
        "render": "true",
        "headers": { "Accept-Language": "de" },
        "body": "x",
    }));
    let expect = [("x-unblock-expect", r#"{"element":".price"}"#)];
    assert_sent(&sent(full).await, line, &expect, Some(&body));

    let markdown = FetchPage::new(PAGE).country("fr");
    let body = with(json!({ "data_format": "markdown", "country": "fr" }));
    assert_sent(&sent(markdown).await, line, &[], Some(&body));
    let html = FetchPage::new(PAGE).format(PageFormat::Html);
    assert_sent(&sent(html).await, line, &[], Some(&plain));

    let body = with(json!({ "data_format": "screenshot" }));
    assert_sent(
        &sent(TakeScreenshot::new(PAGE)).await,
        line,
        &[],
        Some(&body),
    );
}

#[tokio::test]
async fn requests_to_the_search() {
    let line = "POST /request";
    let body =
        |url: &str| json!({ "zone": "serp_api1", "url": url, "format": "raw", "debug": true });
    let google = "https://www.google.com/search?q=a+b&brd_json=1";
    assert_sent(
        &sent(SearchWeb::new("a b")).await,
        line,
        &[],
        Some(&body(google)),
    );
    let full = SearchPage::new("a b")
        .country("de")
        .language("en")
        .start(10);
    let url = "https://www.google.com/search?q=a+b&gl=de&hl=en&start=10&brd_json=1";
    assert_sent(&sent(full).await, line, &[], Some(&body(url)));
    let bing = SearchPage::new("a").engine(Engine::Bing).start(10);
    let mut expected = body("https://www.bing.com/search?q=a&first=11");
    expected["data_format"] = json!("parsed_bing");
    assert_sent(&sent(bing).await, line, &[], Some(&expected));
}

#[tokio::test]
async fn requests_for_later() {
    let page = SubmitPage::new(Unlock::new("https://example.org/"));
    assert_sent(
        &sent(page).await,
        "POST /unblocker/req?zone=web_unlocker1",
        &[],
        Some(&json!({ "url": "https://example.org/" })),
    );
    assert_sent(
        &sent(SubmitSearch::new(SearchPage::new("x"))).await,
        "POST /serp/req?zone=serp_api1",
        &[],
        Some(&json!({ "url": "https://www.google.com/search?q=x&brd_json=1" })),
    );
    let (_server, adapter) = every_call().await;
    let page = SubmitPage::new(Unlock::new("https://example.org/"));
    let job = call(&adapter, page).await.unwrap();
    assert_sent(
        &sent(CollectJob::new(job)).await,
        "GET /unblocker/get_result?response_id=job.1-a&zone=web_unlocker1",
        &[],
        None,
    );
}

#[tokio::test]
async fn requests_about_data_sets() {
    let snapshot: SnapshotId = "s_1".parse().unwrap();
    let inputs = json!([{ "url": "https://example.org/" }]);
    let trigger = TriggerDataset::new("gd_1".parse().unwrap())
        .input(inputs[0].clone())
        .discover_by("keyword")
        .limit_per_input(3)
        .limit_total(9)
        .fields(["a", "b"])
        .notify("https://hook.example.org/x");
    assert_sent(
        &sent(trigger).await,
        "POST /datasets/v3/trigger?dataset_id=gd_1&format=json&include_errors=true\
         &type=discover_new&discover_by=keyword&limit_per_input=3&limit_multiple_results=9\
         &custom_output_fields=a%7Cb&notify=https%3A%2F%2Fhook.example.org%2Fx",
        &[],
        Some(&inputs),
    );
    let scrape = ScrapeDataset::new("gd_1".parse().unwrap(), vec![inputs[0].clone()]);
    assert_sent(
        &sent(scrape).await,
        "POST /datasets/v3/scrape?dataset_id=gd_1&format=json&include_errors=true",
        &[],
        Some(&json!({ "input": inputs })),
    );
    assert_sent(
        &sent(SnapshotProgress::new(snapshot.clone())).await,
        "GET /datasets/v3/progress/s_1",
        &[],
        None,
    );
    let fetch = FetchSnapshot::new(snapshot.clone())
        .format(SnapshotFormat::Ndjson)
        .compressed()
        .part(Part::new(2, 1_000));
    assert_sent(
        &sent(fetch).await,
        "GET /datasets/v3/snapshot/s_1?format=ndjson&compress=true&batch_size=1000&part=2",
        &[],
        None,
    );
    assert_sent(
        &sent(CountParts::new(snapshot.clone(), 1_000)).await,
        "GET /datasets/v3/snapshot/s_1/parts?batch_size=1000",
        &[],
        None,
    );
    assert_sent(
        &sent(CancelSnapshot::new(snapshot)).await,
        "POST /datasets/v3/snapshot/s_1/cancel",
        &[],
        None,
    );
}

#[tokio::test]
async fn the_request_for_health() {
    let (server, adapter) = every_call().await;
    adapter.health_check().await;
    let request = server.requests().into_iter().next().unwrap();
    let sent = (request, server.address().to_string());
    assert_sent(&sent, "GET /zone/get_active_zones", &[], None);
}

#[tokio::test]
async fn a_request_by_the_proxy_has_no_key_and_nothing_of_ours() {
    let (request, _host) = sent(FetchByProxy::new("http://example.org/a?b=1")).await;
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("GET", "http://example.org/a?b=1")
    );
    let names: Vec<&str> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "accept",
            "accept-encoding",
            "host",
            "proxy-authorization",
            "user-agent"
        ]
    );
    assert_eq!(request.header("host"), Some("example.org"));
    // brd-customer-hl_1-zone-residential1-country-de:pw:1/2
    assert_eq!(
        request.header("proxy-authorization"),
        Some("Basic YnJkLWN1c3RvbWVyLWhsXzEtem9uZS1yZXNpZGVudGlhbDEtY291bnRyeS1kZTpwdzoxLzI=")
    );
}
