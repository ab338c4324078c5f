//! What is about one page costs that page alone, and what is about the vendor costs none.

use std::time::Duration;

use contexter_brightdata::{
    BrightDataAdapter, CodeEntry, Config, ProxyConfig, ProxyUser, WebLibrary,
};
use contexter_model::{ErrorKind, FetchDocs, FetchPage, PageFormat};
use contexter_testkit::{Scripted, ScriptedServer};

use super::fixture::{adapter, call, config, quick, with_stack};

const URLS: [&str; 3] = [
    "https://example.org/a",
    "https://shop.example/b",
    "https://example.org/c",
];

fn library<const N: usize>(urls: [&str; N]) -> WebLibrary {
    WebLibrary::new("/web/book".parse().unwrap(), urls)
}

fn fetch(cursor: Option<String>) -> FetchDocs {
    FetchDocs {
        library: "/web/book".parse().unwrap(),
        cursor,
        limit: 1,
    }
}

fn by(server: &ScriptedServer) -> ProxyConfig {
    let address = server.address();
    ProxyConfig::new(ProxyUser::new("hl_1", "residential1"), "zone-password-123")
        .with_address(address.ip().to_string(), address.port())
}

/// Fetches all pages, one at a time; returns what was fetched and what was skipped.
async fn all(adapter: &BrightDataAdapter) -> (Vec<String>, Vec<String>) {
    let (mut fetched, mut skipped) = (Vec::new(), Vec::new());
    let mut cursor = None;
    loop {
        let page = call(adapter, fetch(cursor)).await.unwrap();
        fetched.extend(page.documents.into_iter().map(|document| document.path));
        skipped.extend(page.skipped.into_iter().map(|skipped| skipped.path));
        cursor = page.next;
        if cursor.is_none() {
            return (fetched, skipped);
        }
    }
}

#[tokio::test]
async fn a_page_that_is_refused_for_good_does_not_keep_the_others_away() {
    let page = || Scripted::text(200, "# Text");
    let coded = |code: &str, status: &str| {
        Scripted::status(200)
            .header("x-brd-error-code", code)
            .header("x-brd-status-code", status)
    };
    let mut refusals: Vec<Scripted> = [
        ("premium", "400"),
        ("ub_bad_endpoint_robots", "400"),
        ("client_10250", "403"),
        ("client_10260", "403"),
        ("policy_20010", "403"),
        ("policy_20020", "403"),
        ("policy_20240", "403"),
        ("policy_20080", "403"),
        ("policy_20091", "403"),
        ("policy_20070", "502"),
        ("policy_20221", "429"),
        ("target_40011", "502"),
        // Of tomorrow.
        ("policy_29999", "400"),
        ("brand_new_1", "403"),
    ]
    .map(|(code, status)| coded(code, status))
    .into();
    let without_code = Scripted::status(200)
        .header("x-brd-error", "not allowed")
        .header("x-brd-status-code", "403");
    refusals.push(without_code);
    for refusal in refusals {
        let shown = format!("{refusal:?}");
        let server = ScriptedServer::start(vec![page(), refusal, page()]).await;
        let adapter = adapter(&config(&server).with_libraries([library(URLS)]));
        let (fetched, skipped) = all(&adapter).await;
        assert_eq!(fetched, ["example.org/a", "example.org/c"], "{shown}");
        assert_eq!(skipped, ["shop.example/b"], "{shown}");
    }
}

#[tokio::test]
async fn what_ails_the_zone_or_the_country_fails_the_call() {
    for code in [
        "client_10061",
        "client_10090",
        "client_10002",
        "policy_20230",
        "feature_not_active",
        "client_10040",
        "kyc_required",
    ] {
        assert!(!CodeEntry::find(code).unwrap().about_target, "{code}");
        let refusal = Scripted::status(200)
            .header("x-brd-error-code", code)
            .header("x-brd-status-code", "403");
        let server = ScriptedServer::start(vec![refusal]).await;
        let adapter = adapter(&config(&server).with_libraries([library(URLS)]));
        assert!(call(&adapter, fetch(None)).await.is_err(), "{code}");
    }
}

#[tokio::test]
async fn a_vendor_that_cannot_be_reached_fails_the_call() {
    let server = ScriptedServer::start(vec![Scripted::hang()]).await;
    let proxy = by(&server).with_connect_timeout(Duration::from_millis(200));
    let config = Config::proxied(proxy)
        .with_timeout(Duration::from_millis(500))
        .with_libraries([library(URLS)]);
    let adapter = with_stack(&config, quick().retry(None));
    let error = call(&adapter, fetch(None)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn what_is_markdown_already_is_not_converted_again() {
    let html = "<h1>Use</h1><p>a &lt;b&gt; *c*</p><pre><code>let v: Vec&lt;u8&gt; = x;\n\n  y();\
                </code></pre><ul><li>one</li><li>two</li></ul>";
    let sent = Scripted::status(200)
        .header("content-type", "text/html")
        .body(html);
    // Here, by way of the proxy.
    let server = ScriptedServer::start(vec![sent]).await;
    let proxied = Config::proxied(by(&server)).with_libraries([library(["http://example.org/a"])]);
    let proxied = adapter(&proxied);
    let page = call(&proxied, FetchPage::new("http://example.org/a"))
        .await
        .unwrap();
    assert_eq!(page.format, PageFormat::Markdown);
    assert!(page.text.contains("let v: Vec<u8> = x;\n\n  y();"));
    let docs = call(&proxied, fetch(None)).await.unwrap();
    assert_eq!(docs.documents[0].text, page.text);

    // There, whatever media type the answer has kept.
    let markdown = "# Use\n\n```\nlet v: Vec<u8> = x;\n\n  y();\n```\n\n- one\n- two";
    for media in ["text/html", "text/markdown"] {
        let sent = Scripted::status(200)
            .header("content-type", media)
            .body(markdown);
        let server = ScriptedServer::start(vec![sent]).await;
        let library = library(["https://example.org/a"]);
        let unlocked = adapter(&config(&server).with_libraries([library]));
        let docs = call(&unlocked, fetch(None)).await.unwrap();
        assert_eq!(docs.documents[0].text, markdown, "{media}");
    }
}
