//! No key, password, query or body in any error, `Debug` or log, whatever the vendor echoes.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_adapter::ServiceAdapter as _;
use contexter_brightdata::{
    BrightDataAdapter, FetchByProxy, FetchSnapshot, ProxyConfig, ProxyUser, SearchPage, SubmitPage,
    TakeScreenshot, TriggerDataset, Unlock, WebLibrary,
};
use contexter_model::{Error, FetchPage, SearchWeb};
use contexter_service::{Clock as _, Cx, DefaultClock};
use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::fixture::{KEY, call, config, quick, with_stack};

const PASSWORD: &str = "zone-password-5ecret";
const QUERY: &str = "token-in-query-5ecret";
const BODY: &str = "body-5ecret";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Answers that repeat everything that they can know, `query` included.
fn echoes(query: &str) -> Vec<Scripted> {
    let user = "brd-customer-hl_5ecret-zone-residential1";
    let text = format!("{KEY} {PASSWORD} {user} Bearer {KEY} {query}");
    let encoded = STANDARD.encode(format!("{user}:{PASSWORD}"));
    vec![
        Scripted::text(400, format!("no such thing: {text}")),
        Scripted::json(400, json!({ "error": text, "error_code": text })),
        Scripted::text(401, text.clone()),
        Scripted::text(404, format!("{text} {encoded}")),
        Scripted::text(422, text.clone()),
        Scripted::text(500, text.clone()),
        Scripted::text(200, text.clone())
            .header("x-brd-error", &text)
            .header("x-brd-err-msg", &text),
        Scripted::status(200)
            .header("x-brd-error-code", "reject_block")
            .header("x-brd-error", &text),
        Scripted::status(407).header("proxy-status", &format!("brd; error=x; details=\"{text}\"")),
        Scripted::status(200)
            .header("x-brd-status-code", "302")
            .header(
                "location",
                &format!("http://{KEY}:{PASSWORD}@127.0.0.1/?{query}"),
            ),
        Scripted::text(200, format!("{{\"{text}")),
        // Of a job the vendor knows the address, which is not part of the request.
        Scripted::json(
            200,
            json!({
                "status": "failed",
                "error_message": format!("{KEY} {PASSWORD} https://example.org/?key={query} x"),
            }),
        ),
    ]
}

async fn provoke(adapter: &BrightDataAdapter) -> Vec<Error> {
    let url = format!("https://example.org/?key={QUERY}");
    let plain = format!("http://example.org/?key={QUERY}");
    let snapshot: contexter_brightdata::SnapshotId = "s_1".parse().unwrap();
    let in_time = Cx::new().with_deadline(DefaultClock.now() + Duration::from_secs(1));
    let errors = vec![
        call(adapter, FetchPage::new(url.as_str())).await.err(),
        call(
            adapter,
            Unlock::new(url.as_str())
                .method("POST")
                .body(BODY)
                .header("X-Key", BODY),
        )
        .await
        .err(),
        call(adapter, SearchPage::new(QUERY)).await.err(),
        call(adapter, SearchWeb::new(QUERY)).await.err(),
        call(
            adapter,
            SubmitPage::new(Unlock::new(url.as_str()).body(BODY)),
        )
        .await
        .err(),
        call(adapter, FetchSnapshot::new(snapshot.clone()))
            .await
            .err(),
        call(
            adapter,
            TriggerDataset::new("gd_1".parse().unwrap()).input(json!({ "x": BODY })),
        )
        .await
        .err(),
        call(adapter, FetchByProxy::new(plain)).await.err(),
        call(adapter, FetchByProxy::new(url)).await.err(),
        adapter.fetch_records(&snapshot, None, in_time).await.err(),
    ];
    errors.into_iter().flatten().collect()
}

#[tokio::test]
async fn nothing_secret_is_shown_whatever_the_vendor_echoes() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let mut shown = String::new();
    let mut count = 0;
    // The account's zones are asked for without a query, which the vendor then cannot repeat.
    for (echo, quiet) in echoes(QUERY).into_iter().zip(echoes("nothing")) {
        let server = ScriptedServer::start(vec![echo]).await;
        let address = server.address();
        let user = ProxyUser::new("hl_5ecret", "residential1");
        let proxy = ProxyConfig::new(user, PASSWORD)
            .with_address(address.ip().to_string(), address.port())
            .with_connect_timeout(Duration::from_secs(1));
        let settings = config(&server).with_proxy(proxy);
        let adapter = with_stack(&settings, quick().retry(None));
        for error in provoke(&adapter).await {
            count += 1;
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                shown.extend([error.to_string(), format!("{error:?}\n")]);
                cause = error.source();
            }
        }
        let server = ScriptedServer::start(vec![quiet]).await;
        let settings = settings.with_base_url(server.base_url());
        let quiet = with_stack(&settings, quick().retry(None));
        let health = quiet.health_check().await;
        shown.extend([
            format!("{adapter:?} {settings:?} {health:?}"),
            format!("{:?}\n", adapter.usage()),
        ]);
    }
    drop(guard);
    assert!(count > 60, "{count}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("answered"), "the log was seen");
    let encoded = STANDARD.encode(format!(
        "brd-customer-hl_5ecret-zone-residential1:{PASSWORD}"
    ));
    for secret in [KEY, PASSWORD, QUERY, BODY, encoded.as_str(), "hl_5ecret"] {
        assert!(
            !shown.contains(secret),
            "{secret} is shown: {}",
            around(&shown, secret)
        );
        assert!(
            !log.contains(secret),
            "{secret} is logged: {}",
            around(&log, secret)
        );
    }
}

#[tokio::test]
async fn no_beginning_of_a_key_is_left_where_a_text_is_cut_off() {
    // The vendor's words are cut after 300 characters; the beginnings of the key are at their end.
    let filling = "x".repeat(299 - "the request is refused: ".len());
    for shift in 0..KEY.len() {
        let words = filling.get(shift..).unwrap();
        for text in [format!("{words} {KEY}"), format!("x {KEY}")] {
            let server = ScriptedServer::start(vec![Scripted::text(400, text)]).await;
            let adapter = with_stack(&config(&server), quick().retry(None));
            let page = FetchPage::new("https://example.org/");
            let shown = format!("{:?}", call(&adapter, page).await.unwrap_err());
            assert!(!shown.contains(&KEY[..6]), "{shown}");
        }
    }
}

#[test]
fn no_query_is_in_what_shows_a_request() {
    let url = format!("https://user:{BODY}@example.org/a?key={QUERY}#{QUERY}");
    let trigger = TriggerDataset::new("gd_1".parse().unwrap())
        .input(json!({ "x": BODY }))
        .notify(url.as_str());
    let library = WebLibrary::new("/web/book".parse().unwrap(), [url.as_str()]);
    let shown = [
        format!("{:?}", FetchByProxy::new(url.as_str()).session(BODY)),
        format!("{:?}", TakeScreenshot::new(url.as_str())),
        format!("{:?}", Unlock::new(url.as_str()).body(BODY)),
        format!(
            "{:?}",
            SubmitPage::new(Unlock::new(url.as_str())).webhook_url(url.as_str())
        ),
        format!("{trigger:?} {library:?}"),
    ];
    for shown in shown {
        assert!(!shown.contains(QUERY) && !shown.contains(BODY), "{shown}");
    }
}

fn around(text: &str, secret: &str) -> String {
    text.lines()
        .find(|line| line.contains(secret))
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn what_a_visitor_of_another_name_shows_is_not_repeated() {
    const CUSTOMER: &str = "hl_5ecret";

    let name = format!("brd-customer-{CUSTOMER}-zone-residential1-country-fr-session-abc");
    let login = STANDARD.encode(format!("{name}:{PASSWORD}"));
    let told = Scripted::text(400, format!("no {name} or {login} here"));
    let server = ScriptedServer::start(vec![Scripted::status(400), told]).await;
    let address = server.address();
    let proxy = ProxyConfig::new(ProxyUser::new(CUSTOMER, "residential1"), PASSWORD)
        .with_address(address.ip().to_string(), address.port());
    let settings = config(&server).with_proxy(proxy);
    let adapter = with_stack(&settings, quick().retry(None));
    let fetch = FetchByProxy::new("https://example.org/");
    let fetch = fetch.country("fr").session("abc");
    let shown = format!("{:?}", call(&adapter, fetch).await.unwrap_err());
    assert!(
        shown.contains("no [redacted] or [redacted] here"),
        "{shown}"
    );

    // Nor is the customer of the other interfaces.
    let told = Scripted::text(400, format!("no {CUSTOMER} here"));
    let server = ScriptedServer::start(vec![told]).await;
    let settings = config(&server).with_customer(CUSTOMER);
    let adapter = with_stack(&settings, quick().retry(None));
    let error = call(&adapter, FetchPage::new("https://example.org/")).await;
    let shown = format!("{settings:?} {:?}", error.unwrap_err());
    assert!(shown.contains("no [redacted] here"), "{shown}");
    assert!(!shown.contains(CUSTOMER), "{shown}");
}
