//! The Bright Data adapter against the local servers: REST, search, jobs, data sets, proxy, documents.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use contexter_adapter::ServiceAdapter as _;
use contexter_brightdata::{
    BrightDataAdapter, Class, Config, DataFormat, Envelope, FetchByProxy, FetchSnapshot,
    ProxyConfig, ProxyUser, Refusal, ScrapeDataset, Scraped, SearchPage, TakeScreenshot,
    ThrottleBudget, TriggerDataset, Unlock, WebLibrary,
};
use contexter_model::{
    Error, ErrorKind, FetchDocs, FetchPage, PageFormat, ResolveLibrary, SearchWeb,
};
use contexter_resilience::{StackConfig, StandardStack};
use contexter_retry::Config as Retry;
use contexter_sandbox::{BrightDataConfig, Sandbox, SandboxConfig};
use contexter_service::{Capability, Clock as _, Cx, DefaultClock, Service as _};
use serde_json::json;

/// Every call ends by then.
const LIMIT: Duration = Duration::from_secs(30);

async fn sandbox(brightdata: BrightDataConfig) -> Sandbox {
    Sandbox::start(SandboxConfig::new().brightdata(brightdata))
        .await
        .unwrap()
}

fn quick() -> BrightDataConfig {
    BrightDataConfig::new()
        .job_time(Duration::from_millis(100))
        .slow_page(Duration::from_millis(100))
}

fn user(sandbox: &Sandbox) -> ProxyUser {
    let server = sandbox.brightdata();
    ProxyUser::new(server.customer(), server.zone())
}

fn config(sandbox: &Sandbox, user: ProxyUser, password: &str) -> Config {
    let addresses = sandbox.addresses();
    let (_, proxy) = addresses.brightdata_proxy.rsplit_once('@').unwrap();
    let (host, port) = proxy.rsplit_once(':').unwrap();
    let proxy = ProxyConfig::new(user, password)
        .with_address(host, port.parse().unwrap())
        .with_ca(sandbox.brightdata().ca_pem());
    let mut config = Config::new(addresses.brightdata_api_key.as_str())
        .with_base_url(addresses.brightdata_base_url.as_str())
        .with_zone(addresses.brightdata_zone.as_str())
        .with_serp_zone(sandbox.brightdata().serp_zone())
        .with_proxy(proxy);
    config.poll_interval = Duration::from_millis(20);
    config.max_poll_interval = Duration::from_millis(50);
    config
}

fn with(config: &Config) -> BrightDataAdapter {
    let stack = StackConfig::bright_data()
        .retry(Retry::constant(Duration::from_millis(1)))
        .breaker(None);
    let stack = StandardStack::new(stack).unwrap();
    BrightDataAdapter::builder()
        .stack(stack)
        .budget(ThrottleBudget::new())
        .build(config.clone())
        .unwrap()
}

fn adapter(sandbox: &Sandbox) -> BrightDataAdapter {
    with(&config(
        sandbox,
        user(sandbox),
        sandbox.brightdata().zone_password(),
    ))
}

async fn call<Req>(adapter: &BrightDataAdapter, request: Req) -> Result<Req::Response, Error>
where
    Req: Capability<Error = Error>,
{
    let handle = adapter.capabilities().handle::<Req>().unwrap();
    tokio::time::timeout(LIMIT, handle.call(request))
        .await
        .expect("the call ends in time")
}

fn in_time() -> Cx {
    Cx::new().with_deadline(DefaultClock.now() + LIMIT)
}

#[tokio::test]
async fn pages_come_in_both_forms_and_by_both_ways() {
    let sandbox = sandbox(quick()).await;
    let adapter = adapter(&sandbox);
    assert!(adapter.health_check().await.is_healthy());

    let install = "https://docs.example.com/guide/install";
    let markdown = call(&adapter, FetchPage::new(install)).await.unwrap();
    assert!(
        markdown.text.starts_with("# Installing Ferry"),
        "{}",
        markdown.text
    );
    let html = FetchPage::new(install)
        .format(PageFormat::Html)
        .country("de");
    let html = call(&adapter, html).await.unwrap();
    assert!(
        html.text.contains("<h1>Installing Ferry</h1>"),
        "{}",
        html.text
    );
    assert_eq!(html.content_type.as_deref(), Some("text/html"));

    let latin = FetchPage::new("https://docs.example.com/latin1").format(PageFormat::Html);
    assert_eq!(
        call(&adapter, latin).await.unwrap().text,
        "<p>caf\u{e9}</p>"
    );
    let moved = call(&adapter, FetchPage::new("https://docs.example.com/moved"))
        .await
        .unwrap();
    assert_eq!(moved.final_url.as_deref(), Some(install));
    let slow = call(&adapter, FetchPage::new("https://docs.example.com/slow"))
        .await
        .unwrap();
    assert!(slow.text.contains("It took a while"));

    let enveloped = Unlock::new(install)
        .envelope(Envelope::Json)
        .data_format(DataFormat::Markdown);
    let enveloped = call(&adapter, enveloped).await.unwrap();
    assert_eq!(&enveloped.body[..], markdown.text.as_bytes());
    let picture = call(&adapter, TakeScreenshot::new(install)).await.unwrap();
    assert!(picture.starts_with(b"\x89PNG"));

    let usage = adapter.usage();
    assert_eq!((usage.billed, usage.unbilled), (usage.requests, 0));
    assert_eq!(usage.billed, sandbox.brightdata().billed());
}

#[tokio::test]
async fn what_goes_wrong_with_a_page_is_told_and_never_taken_for_content() {
    let sandbox = sandbox(quick()).await;
    let adapter = adapter(&sandbox);
    for (path, class, kind) in [
        ("/blocked", Class::Blocked, ErrorKind::Unavailable),
        ("/silent", Class::Empty, ErrorKind::Unavailable),
        ("/status/404", Class::Target, ErrorKind::NotFound),
        ("/status/403", Class::Target, ErrorKind::Unauthorized),
        ("/code/premium", Class::Config, ErrorKind::Invalid),
        ("/code/policy_20110", Class::Policy, ErrorKind::Unsupported),
        (
            "/code/client_10100",
            Class::Account,
            ErrorKind::QuotaExhausted,
        ),
        (
            "/code/client_10020",
            Class::Account,
            ErrorKind::QuotaExhausted,
        ),
        (
            "/code/navigation_timeout",
            Class::Target,
            ErrorKind::Timeout,
        ),
        (
            "/code/never_heard_of",
            Class::Vendor,
            ErrorKind::Unavailable,
        ),
    ] {
        for envelope in [Envelope::Raw, Envelope::Json] {
            let url = format!("https://docs.example.com{path}");
            let error = match envelope {
                Envelope::Raw => call(&adapter, FetchPage::new(url)).await.unwrap_err(),
                _ if path.starts_with("/status") => continue,
                _ => call(&adapter, Unlock::new(url).envelope(envelope))
                    .await
                    .unwrap_err(),
            };
            let refusal = Refusal::of(&error).unwrap();
            assert_eq!(
                (refusal.class(), error.kind()),
                (class, kind),
                "{path}: {error}"
            );
        }
    }
    let policy = call(&adapter, FetchPage::new("https://policy.example.com/"))
        .await
        .unwrap_err();
    assert_eq!(Refusal::of(&policy).unwrap().code(), Some("policy_20050"));
    let nowhere = call(&adapter, FetchPage::new("https://nowhere.example.com/"))
        .await
        .unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::NotFound);

    let before = sandbox.brightdata().requests();
    let private = call(
        &adapter,
        FetchPage::new("https://docs.example.com/to-private"),
    )
    .await;
    assert_eq!(private.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(sandbox.brightdata().requests(), before + 1);
    let around = call(&adapter, FetchPage::new("https://docs.example.com/loop")).await;
    assert_eq!(around.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_zone_are_told_apart() {
    let sandbox = sandbox(quick()).await;
    let mut wrong_key = config(&sandbox, user(&sandbox), "x1234567");
    wrong_key.api_key = Some("wrong-key-0123456789".into());
    let error = call(&with(&wrong_key), FetchPage::new("https://a.example/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let wrong_zone = config(&sandbox, user(&sandbox), "x1234567").with_zone("other_zone");
    let adapter = with(&wrong_zone);
    let error = call(&adapter, FetchPage::new("https://a.example/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("no such zone"), "{error}");
    assert!(!adapter.health_check().await.is_healthy());
}

#[tokio::test]
async fn a_search_finds_pages_that_can_be_fetched() {
    let sandbox = sandbox(quick()).await;
    let adapter = adapter(&sandbox);
    let found = call(&adapter, SearchWeb::new("checksum mismatch").limit(3))
        .await
        .unwrap();
    assert_eq!(found[0].url, "https://docs.example.com/guide/errors");
    let page = call(&adapter, FetchPage::new(found[0].url.as_str()))
        .await
        .unwrap();
    assert!(page.text.contains("Checksum mismatch"));
    assert_eq!(call(&adapter, SearchWeb::new("zzzz")).await.unwrap(), []);
    let later = adapter
        .search_later(SearchPage::new("bandwidth"), in_time())
        .await
        .unwrap();
    assert_eq!(
        later.organic[0].url,
        "https://docs.example.com/guide/limits"
    );

    // The unlocker zone does not parse, and answers 200 all the same.
    let unparsed = config(&sandbox, user(&sandbox), "x1234567");
    let zone = sandbox.brightdata().zone().to_owned();
    let error = call(&with(&unparsed.with_serp_zone(zone)), SearchWeb::new("x"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_page_is_fetched_later() {
    let sandbox = sandbox(quick()).await;
    let adapter = adapter(&sandbox);
    let request = FetchPage::new("https://docs.example.com/guide/copy");
    let page = adapter.fetch_page_later(request, in_time()).await.unwrap();
    assert!(page.text.contains("# Copying a folder"), "{}", page.text);
    assert_eq!(adapter.usage().submissions, 1);
    let blocked = FetchPage::new("https://docs.example.com/blocked");
    let error = adapter
        .fetch_page_later(blocked, in_time())
        .await
        .unwrap_err();
    assert_eq!(Refusal::of(&error).unwrap().class(), Class::Blocked);
}

#[tokio::test]
async fn a_data_set_is_triggered_awaited_and_fetched() {
    let sandbox = sandbox(quick()).await;
    let adapter = adapter(&sandbox);
    let trigger = TriggerDataset::new("gd_sandbox".parse().unwrap()).inputs([
        json!({ "url": "https://docs.example.com/guide/install" }),
        json!({ "url": "https://docs.example.com/nope" }),
    ]);
    let snapshot = call(&adapter, trigger).await.unwrap();
    let early = call(&adapter, FetchSnapshot::new(snapshot.clone()))
        .await
        .unwrap();
    assert!(
        matches!(early, contexter_brightdata::Download::NotReady { .. }),
        "{early:?}"
    );
    for batch_size in [None, Some(1000)] {
        let records = adapter
            .fetch_records(&snapshot, batch_size, in_time())
            .await
            .unwrap();
        let titles: Vec<_> = records
            .good()
            .map(|record| record.fields["title"].clone())
            .collect();
        assert_eq!(titles, ["Installing Ferry"]);
        let failed: Vec<_> = records.failed().collect();
        let code = failed[0].error.as_ref().unwrap().code.as_deref();
        assert_eq!((failed.len(), code), (1, Some("dead_page")));
    }

    let failing = TriggerDataset::new("gd_failing".parse().unwrap())
        .input(json!({ "url": "https://docs.example.com/" }));
    let failing = call(&adapter, failing).await.unwrap();
    let error = adapter
        .fetch_records(&failing, None, in_time())
        .await
        .unwrap_err();
    assert!(
        error.message().ends_with("failed: Account is suspended"),
        "{error}"
    );

    let at_once = ScrapeDataset::new(
        "gd_sandbox".parse().unwrap(),
        vec![json!({ "url": "https://docs.example.com/" })],
    );
    assert!(matches!(
        call(&adapter, at_once).await.unwrap(),
        Scraped::Done(records) if records.good().count() == 1
    ));
}

#[tokio::test]
async fn the_proxy_fetches_in_the_clear_and_by_a_tunnel_that_it_re_signs() {
    let sandbox = sandbox(quick()).await;
    let adapter = adapter(&sandbox);
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://docs.example.com/guide/install");
        let reply = call(
            &adapter,
            FetchByProxy::new(url).country("de").session("abc"),
        )
        .await
        .unwrap();
        assert_eq!(reply.status, 200);
        assert!(String::from_utf8_lossy(&reply.body).contains("Installing Ferry"));
        let blocked = FetchByProxy::new(format!("{scheme}://docs.example.com/blocked"));
        let error = call(&adapter, blocked).await.unwrap_err();
        assert_eq!(
            Refusal::of(&error).unwrap().code(),
            Some("reject_block"),
            "{error}"
        );
    }
    // The certificate is not trusted unless it is given.
    let mut untrusting = config(
        &sandbox,
        user(&sandbox),
        sandbox.brightdata().zone_password(),
    );
    untrusting.proxy.as_mut().unwrap().ca = None;
    let error = call(
        &with(&untrusting),
        FetchByProxy::new("https://docs.example.com/"),
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn the_proxy_says_why_it_refuses_also_for_tunnels() {
    let sandbox = sandbox(quick()).await;
    let password = sandbox.brightdata().zone_password().to_owned();
    let customer = sandbox.brightdata().customer().to_owned();
    let zone = sandbox.brightdata().zone().to_owned();
    for (user, password, code) in [
        (
            ProxyUser::new("somebody", zone.as_str()),
            password.as_str(),
            "client_10000",
        ),
        (
            ProxyUser::new(customer.as_str(), zone.as_str()),
            "wrong-password",
            "client_10000",
        ),
        (
            ProxyUser::new(customer.as_str(), "no_such_zone"),
            password.as_str(),
            "client_10002",
        ),
    ] {
        let adapter = with(&config(&sandbox, user, password));
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://docs.example.com/");
            let error = call(&adapter, FetchByProxy::new(url)).await.unwrap_err();
            assert_eq!(
                Refusal::of(&error).unwrap().code(),
                Some(code),
                "{scheme}: {error}"
            );
            assert!(!format!("{error:?}").contains(password), "{error:?}");
        }
    }
    let adapter = adapter(&sandbox);
    let search = FetchByProxy::new("http://www.google.com/search?q=x");
    let error = call(&adapter, search).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn web_pages_become_documents_and_blocked_ones_do_not() {
    let sandbox = sandbox(quick()).await;
    let id: contexter_model::LibraryId = "/web/ferry".parse().unwrap();
    let urls = [
        "/",
        "/guide/install",
        "/blocked",
        "/silent",
        "/guide/errors",
        "/status/404",
    ]
    .map(|path| format!("https://docs.example.com{path}"));
    for format in [PageFormat::Markdown, PageFormat::Html] {
        let library = WebLibrary::new(id.clone(), urls.clone()).format(format);
        let password = sandbox.brightdata().zone_password();
        let config = config(&sandbox, user(&sandbox), password).with_libraries([library]);
        let adapter = with(&config);
        let mut documents = Vec::new();
        let mut skipped = Vec::new();
        let mut cursor = None;
        loop {
            let request = FetchDocs {
                library: id.clone(),
                cursor,
                limit: 2,
            };
            let page = call(&adapter, request).await.unwrap();
            documents.extend(page.documents);
            skipped.extend(page.skipped);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let titles: Vec<&str> = documents
            .iter()
            .map(|document| document.title.as_str())
            .collect();
        assert_eq!(titles, ["Ferry", "Installing Ferry", "Errors and remedies"]);
        let paths: Vec<&str> = skipped
            .iter()
            .map(|skipped| skipped.path.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                "docs.example.com/blocked",
                "docs.example.com/silent",
                "docs.example.com/status/404",
            ]
        );
        let resolve = ResolveLibrary {
            name: "ferry".to_owned(),
            limit: 1,
        };
        assert_eq!(call(&adapter, resolve).await.unwrap()[0].id, id);
    }
}

#[tokio::test]
async fn the_budget_keeps_a_caller_from_being_blocked() {
    let sandbox = sandbox(quick().requests_per_minute(2)).await;
    let mut config = config(&sandbox, user(&sandbox), "x1234567");
    config.debug = false;
    let stack = StackConfig::bright_data().retry(None).breaker(None);
    let stack = StandardStack::new(stack).unwrap();
    let adapter = BrightDataAdapter::builder()
        .stack(stack)
        .budget(ThrottleBudget::new())
        .build(config)
        .unwrap();
    for _ in 0..40 {
        // A long wait is refused here, a short one would be waited for.
        let _outcome = tokio::time::timeout(
            Duration::from_millis(200),
            adapter
                .capabilities()
                .handle::<FetchPage>()
                .unwrap()
                .call(FetchPage::new("https://docs.example.com/")),
        )
        .await;
    }
    assert!(
        sandbox.brightdata().refusals() <= 8,
        "{}",
        sandbox.brightdata().refusals()
    );
    assert!(!sandbox.brightdata().is_blocked());
}
