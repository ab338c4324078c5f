//! The unlocker: exact requests, redirects, pages, pictures.

use std::time::Duration;

use contexter_brightdata::{DataFormat, Envelope, Expect, MAX_REDIRECTS, TakeScreenshot, Unlock};
use contexter_model::{ErrorKind, FetchPage, PageFormat};
use contexter_testkit::{Recorded, Scripted, ScriptedServer};
use serde_json::{Value, json};

use super::fixture::{KEY, adapter, call, config, quick, start, with_stack};

fn page(text: &str) -> Scripted {
    Scripted::status(200)
        .header("content-type", "text/html; charset=utf-8")
        .body(text)
}

fn assert_golden(request: &Recorded, body: &Value) {
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/request")
    );
    let key = format!("Bearer {KEY}");
    assert_eq!(request.header("authorization"), Some(key.as_str()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.json(), *body);
}

#[tokio::test]
async fn a_page_is_asked_for_as_documented() {
    let (server, adapter) = start(vec![page("# Hi")]).await;
    let request = FetchPage::new("https://example.org/a b?x=1#part").country("de");
    call(&adapter, request).await.unwrap();
    let html = FetchPage::new("HTTPS://EXAMPLE.org").format(PageFormat::Html);
    call(&adapter, html).await.unwrap();

    let requests = server.requests();
    assert_golden(
        &requests[0],
        &json!({
            "zone": "web_unlocker1",
            "url": "https://example.org/a%20b?x=1",
            "format": "raw",
            "data_format": "markdown",
            "country": "de",
        }),
    );
    assert_golden(
        &requests[1],
        &json!({ "zone": "web_unlocker1", "url": "https://example.org/", "format": "raw" }),
    );
}

#[tokio::test]
async fn everything_that_the_unlocker_takes_is_sent_as_documented() {
    let body = json!({ "status_code": 201, "headers": {}, "body": "made" });
    let server = contexter_testkit::ScriptedServer::start(vec![Scripted::json(200, body)]).await;
    let mut config = config(&server);
    config.debug = true;
    config.country = Some("fr".to_owned());
    let adapter = adapter(&config);
    let unlock = Unlock::new("https://example.org/form")
        .method("POST")
        .envelope(Envelope::Json)
        .data_format(DataFormat::Markdown)
        .render(true)
        .header("X-Custom", "1")
        .body("a=b")
        .expect(Expect::Element(".price".to_owned()));
    let reply = call(&adapter, unlock).await.unwrap();
    assert_eq!(reply.status, 201);

    let requests = server.requests();
    assert_golden(
        &requests[0],
        &json!({
            "zone": "web_unlocker1",
            "url": "https://example.org/form",
            "format": "json",
            "method": "POST",
            "country": "fr",
            "data_format": "markdown",
            "render": "true",
            "headers": { "X-Custom": "1" },
            "body": "a=b",
            "debug": true,
        }),
    );
    assert_eq!(
        requests[0].header("x-unblock-expect"),
        Some(r#"{"element":".price"}"#)
    );
}

#[tokio::test]
async fn another_method_is_repeated_only_where_it_does_no_harm() {
    for (idempotent, requests) in [(false, 1), (true, 3)] {
        let (server, adapter) = start(vec![Scripted::status(500)]).await;
        let mut unlock = Unlock::new("https://example.org/").method("POST");
        unlock.idempotent = idempotent;
        call(&adapter, unlock).await.unwrap_err();
        assert_eq!(server.requests().len(), requests);
    }
}

#[tokio::test]
async fn redirects_that_come_back_are_followed() {
    let script = vec![
        Scripted::status(200)
            .header("x-brd-status-code", "301")
            .header("location", "/b?q=1"),
        Scripted::status(200)
            .header("x-brd-status-code", "302")
            .header("location", "https://other.example.org/c"),
        page("there"),
    ];
    let (server, adapter) = start(script).await;
    let page = call(&adapter, FetchPage::new("https://example.org/a"))
        .await
        .unwrap();
    assert_eq!(page.url, "https://example.org/a");
    assert_eq!(
        page.final_url.as_deref(),
        Some("https://other.example.org/c")
    );
    let asked: Vec<Value> = server
        .requests()
        .iter()
        .map(|r| r.json()["url"].clone())
        .collect();
    assert_eq!(
        asked,
        [
            "https://example.org/a",
            "https://example.org/b?q=1",
            "https://other.example.org/c"
        ]
    );
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused_before_anything_is_sent() {
    for location in [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.1/",
        "https://[::ffff:192.168.0.1]/",
        "//localhost/",
        "ftp://example.org/",
        "http://user:secret@example.org/",
    ] {
        let redirect = Scripted::status(200)
            .header("x-brd-status-code", "302")
            .header("location", location);
        let (server, adapter) = start(vec![redirect, page("secret")]).await;
        let error = call(&adapter, FetchPage::new("https://example.org/"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{location}");
        assert!(
            error
                .message()
                .starts_with("https://example.org/ redirects to what is not fetched: "),
            "{error}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(server.requests().len(), 1, "{location}");
    }
}

#[tokio::test]
async fn redirects_that_do_not_end_do() {
    let around = Scripted::status(200)
        .header("x-brd-status-code", "302")
        .header("location", "/");
    let (server, adapter) = start(vec![around]).await;
    let error = call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_page_is_decoded_by_what_it_says_it_is() {
    let latin = Scripted::status(200)
        .header("content-type", "text/html; charset=ISO-8859-1")
        .body(&b"caf\xe9"[..]);
    let (_server, adapter) = start(vec![latin]).await;
    let request = FetchPage::new("https://example.org/").format(PageFormat::Html);
    let page = call(&adapter, request).await.unwrap();
    assert_eq!(page.text, "caf\u{e9}");
    assert_eq!(page.content_type.as_deref(), Some("text/html"));
    assert_eq!(page.final_url, None);
}

#[tokio::test]
async fn what_is_no_text_is_no_page() {
    for (content_type, body) in [("image/png", &b"\x89PNG"[..]), ("text/html", &b"a\0b"[..])] {
        let answer = Scripted::status(200)
            .header("content-type", content_type)
            .body(body);
        let (_server, adapter) = start(vec![answer]).await;
        let request = FetchPage::new("https://example.org/").format(PageFormat::Html);
        let error = call(&adapter, request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}

#[tokio::test]
async fn a_screenshot_is_a_png_or_an_error() {
    let png = &b"\x89PNG\r\n\x1a\n...."[..];
    let (server, adapter) = start(vec![
        Scripted::status(200)
            .header("content-type", "image/png")
            .body(png),
        page("<html>no picture"),
    ])
    .await;
    let request = TakeScreenshot::new("https://example.org/");
    assert_eq!(call(&adapter, request.clone()).await.unwrap(), png);
    assert_eq!(server.requests()[0].json()["data_format"], "screenshot");
    let error = call(&adapter, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_before_it_is_sent() {
    let (server, adapter) = start(vec![page("x")]).await;
    for (unlock, message) in [
        (
            Unlock::new("https://example.org/").country("DE".to_owned()),
            "country must be two lower-case letters, got \"DE\"",
        ),
        (
            Unlock::new("https://example.org/").method("get"),
            "method \"get\" is no upper-case word",
        ),
        (
            Unlock::new("example.org"),
            "malformed address, expected http://host/path or https://host/path",
        ),
    ] {
        let error = call(&adapter, unlock).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Invalid, message)
        );
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn headers_and_body_are_not_for_another_origin() {
    for (location, are_kept) in [
        ("/b", true),
        ("https://example.org:443/b", true),
        ("https://other.example.org/b", false),
        ("https://example.org:8443/b", false),
        ("http://example.org/b", false),
    ] {
        let redirect = |to: &str| {
            Scripted::status(200)
                .header("x-brd-status-code", "302")
                .header("location", to)
        };
        // What was dropped does not come back with the origin.
        let script = vec![
            redirect(location),
            redirect("https://example.org/c"),
            page("x"),
        ];
        let (server, adapter) = start(script).await;
        let unlock = Unlock::new("https://example.org/a")
            .header("Authorization", "secret")
            .body("secret");
        call(&adapter, unlock).await.unwrap();
        let requests = server.requests();
        let kept: Vec<bool> = requests
            .iter()
            .map(|request| request.json().to_string().contains("secret"))
            .collect();
        assert_eq!(kept, [true, are_kept, are_kept], "{location}");
        assert_eq!(requests[1].json().get("body").is_some(), are_kept);
    }
}

#[tokio::test]
async fn all_redirects_of_a_call_share_its_time() {
    let hop = Scripted::status(200)
        .header("x-brd-status-code", "302")
        .header("location", "/again")
        .delay(Duration::from_millis(400));
    let server = ScriptedServer::start(vec![hop]).await;
    let stack = quick().retry(None).deadline(Duration::from_secs(1));
    let adapter = with_stack(&config(&server), stack);
    let error = call(&adapter, Unlock::new("https://example.org/"))
        .await
        .unwrap_err();
    // A limit for each of them would have come to an end by their number.
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(
        (error.service(), error.operation()),
        (Some("brightdata"), Some("unlock"))
    );
    assert!(server.requests().len() <= MAX_REDIRECTS);
}

#[tokio::test]
async fn a_text_to_wait_for_may_have_any_letters() {
    let (server, adapter) = start(vec![Scripted::text(200, "page")]).await;
    let expect = Expect::Text("caf\u{e9} \u{1f980}\n".to_owned());
    call(&adapter, Unlock::new("https://example.org/").expect(expect))
        .await
        .unwrap();
    assert_eq!(
        server.requests()[0].header("x-unblock-expect"),
        Some(r#"{"text":"caf\u00e9 \ud83e\udd80\n"}"#)
    );
}
