//! The Context7 adapter on the local Context7.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::time::Duration;

use contexter_adapter::{HealthStatus, ServiceAdapter};
use contexter_context7::{
    Config, Context7Adapter, FetchContext, Form, LegacyEndpoint, LegacyVersion, ReadLegacy,
    RetryConfig, SearchContext, SearchLegacy, SearchLibraries,
};
use contexter_model::{Document, Error, ErrorKind, FetchDocs, LibraryId, ResolveLibrary};
use contexter_sandbox::{Context7Config, FaultScript, LibraryDocs, Sandbox, SandboxConfig};
use contexter_service::{Capability, Service};

const RETRY: &str = "/contexter-rs/contexter-retry";

struct Rig {
    sandbox: Sandbox,
    adapter: Context7Adapter,
}

/// Three attempts with short pauses.
fn quick(sandbox: &Sandbox) -> Config {
    let addresses = sandbox.addresses();
    Config::default()
        .with_base_url(addresses.context7_base_url.as_str())
        .with_api_key(addresses.context7_api_key.as_str())
        .with_retry_config(
            RetryConfig::new()
                .with_max_attempts(3)
                .with_base_delay(Duration::from_millis(1))
                .with_max_delay(Duration::from_millis(2)),
        )
        .with_not_finalized_wait(Duration::from_millis(1))
}

async fn rig_with(config: SandboxConfig, change: impl FnOnce(Config) -> Config) -> Rig {
    let sandbox = Sandbox::start(config).await.unwrap();
    let adapter = Context7Adapter::new(change(quick(&sandbox))).unwrap();
    Rig { sandbox, adapter }
}

async fn rig(config: Context7Config) -> Rig {
    rig_with(SandboxConfig::new().context7(config), |config| config).await
}

impl Rig {
    async fn call<Req: Capability<Error = Error>>(
        &self,
        request: Req,
    ) -> Result<Req::Response, Error> {
        let handle = self.adapter.capabilities().handle::<Req>().unwrap();
        tokio::time::timeout(Duration::from_mins(1), handle.call(request))
            .await
            .expect("a call ends")
    }

    async fn documents(&self, library: &str) -> Result<Vec<Document>, Error> {
        let mut documents = Vec::new();
        let mut cursor = None;
        loop {
            let request = FetchDocs {
                library: id(library),
                cursor,
                limit: 2,
            };
            let page = self.call(request).await?;
            documents.extend(page.documents);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(documents),
            }
        }
    }
}

fn id(text: &str) -> LibraryId {
    text.parse().unwrap()
}

fn ask(library: &str) -> FetchContext {
    FetchContext::new(id(library), "how to bound retries by a budget")
}

#[tokio::test]
async fn a_name_leads_to_documents() {
    let rig = rig(Context7Config::new()).await;
    let found = rig
        .call(ResolveLibrary {
            name: "contexter-retry".to_owned(),
            limit: 5,
        })
        .await
        .unwrap();
    assert_eq!(found[0].id, id(RETRY));
    assert_eq!(found[0].title, "Contexter Retry");

    let documents = rig.documents(RETRY).await.unwrap();
    let paths: Vec<&str> = documents.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "README.md",
            "docs/advanced.md",
            "docs/configuration.md",
            "docs/errors.md"
        ]
    );
    let configuration = &documents[2];
    assert_eq!(configuration.title, "Configuration");
    assert!(
        configuration.text.contains("## Budget"),
        "{configuration:?}"
    );
    assert!(
        configuration
            .text
            .contains("BudgetConfig::new().ratio(0.1)")
    );
    // The same answers give the same documents, and cost nothing the second time.
    let asked = rig.sandbox.context7().requests();
    assert_eq!(rig.documents(RETRY).await.unwrap(), documents);
    assert_eq!(rig.sandbox.context7().requests(), asked);
}

#[tokio::test]
async fn every_library_at_hand_gives_documents_with_paths_of_their_own() {
    let rig = rig(Context7Config::new()).await;
    for library in [
        RETRY,
        "/contexter-rs/contexter-breaker",
        "/contexter-rs/contexter-limit",
        "/contexter-rs/contexter-limit/contexter-limit@0.1.0",
        "/websites/contexter_dev",
        "/contexter-labs/retry",
    ] {
        let documents = rig.documents(library).await.unwrap();
        let paths: BTreeSet<&str> = documents.iter().map(|d| d.path.as_str()).collect();
        assert_eq!(paths.len(), documents.len(), "{library}");
        assert!(!documents.is_empty(), "{library}");
        assert!(documents.iter().all(|d| d.library == id(library)));
    }
}

#[tokio::test]
async fn versions_have_their_own_documentation() {
    let rig = rig(Context7Config::new()).await;
    for version in [
        "/contexter-rs/contexter-retry/v0.1.0",
        "/contexter-rs/contexter-retry@v0.1.0",
    ] {
        let documents = rig.documents(version).await.unwrap();
        assert_eq!(documents.len(), 1);
        assert!(documents[0].text.contains("constant delay"));
    }
    let missing = "/contexter-rs/contexter-retry/v9";
    let error = rig.call(ask(missing)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.message().contains("Available tags: v0.2.0, v0.1.0"),
        "{error}"
    );
    let context = rig.call(ask(missing).tag_fallback(true)).await.unwrap();
    assert!(context.fell_back);
}

#[tokio::test]
async fn every_request_is_answered() {
    let rig = rig(Context7Config::new()).await;
    let found = rig.call(SearchLibraries::new("breaker")).await.unwrap();
    assert_eq!(found.libraries[0].versions, ["v0.1.0"]);
    assert_eq!(found.unreadable, 0);
    let text = rig.call(ask(RETRY).form(Form::Text)).await.unwrap();
    assert!(text.content.text().unwrap().starts_with("### Budget"));
    let data = rig.call(ask(RETRY)).await.unwrap();
    let snippets = data.content.snippets().unwrap();
    assert_eq!(snippets.code[0].title.as_deref(), Some("Budget"));
    assert_eq!(snippets.unreadable, 0);
    for form in [Form::Json, Form::Text] {
        let search = SearchContext::new("half-open probes").form(form);
        assert!(!rig.call(search).await.unwrap().is_empty());
        let search = SearchContext::new("zebra").form(form);
        assert!(rig.call(search).await.unwrap().is_empty());
        let v1 = LegacyEndpoint::V1 { tokens: Some(500) };
        let docs = rig.call(ReadLegacy::new(id(RETRY), v1).form(form)).await;
        assert!(!docs.unwrap().content.is_empty());
        let code = LegacyEndpoint::CodeV2 {
            page: Some(2),
            limit: Some(2),
        };
        let docs = rig
            .call(ReadLegacy::new(id(RETRY), code).form(form))
            .await
            .unwrap();
        assert!(!docs.content.is_empty());
        assert_eq!(docs.paging.page, Some(2));
        assert_eq!(docs.paging.has_prev, Some(true));
    }
    for version in [LegacyVersion::V1, LegacyVersion::V2] {
        let found = rig
            .call(SearchLegacy::new("breaker", version))
            .await
            .unwrap();
        assert_eq!(found.libraries[0].id, id("/contexter-rs/contexter-breaker"));
    }
    let none = rig.call(SearchLibraries::new("zebra")).await.unwrap();
    assert!(none.libraries.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let rig = rig(Context7Config::new()).await;
    for (library, kind) in [
        ("/contexter-rs/nope", ErrorKind::NotFound),
        ("/contexter-rs/drafts", ErrorKind::NotReady),
        ("/contexter-rs/internal", ErrorKind::Unauthorized),
        ("/loops/left", ErrorKind::Protocol),
    ] {
        let error = rig.call(ask(library)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(rig.documents(library).await.unwrap_err().kind(), kind);
        assert!(error.request_id().is_some() || kind == ErrorKind::Protocol);
    }
    let moved = rig.call(ask("/contexter-labs/retry")).await.unwrap();
    assert_eq!(moved.library, id(RETRY));
    let blank = ask("/contexter-rs/blank");
    assert!(rig.call(blank.clone()).await.unwrap().content.is_empty());
    let error = rig.call(blank.form(Form::Text)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_library_that_is_being_finalized_is_waited_for() {
    let docs = "<!-- page: a.md -->\n# A\n\n## B\n\nC.\n";
    let config =
        Context7Config::empty().library(LibraryDocs::new("/acme/slow", docs).finalized_after(2));
    let rig = rig(config).await;
    let documents = rig.documents("/acme/slow").await.unwrap();
    assert_eq!(documents[0].text, "# A\n\n## B\n\nC.\n");
}

#[tokio::test]
async fn the_two_limits_are_told_apart() {
    let minute = Context7Config::new().requests_per_minute(1);
    let once = |config: Config| config.with_retry_config(RetryConfig::new().with_max_attempts(1));
    let rig_minute = rig_with(SandboxConfig::new().context7(minute), once).await;
    rig_minute.call(ask(RETRY)).await.unwrap();
    let other = FetchContext::new(id(RETRY), "hedge");
    let error = rig_minute.call(other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(error.retry_after().unwrap() <= Duration::from_mins(1));

    let rig_month = rig(Context7Config::new().monthly_quota(1)).await;
    rig_month.call(ask(RETRY)).await.unwrap();
    let asked = rig_month.sandbox.context7().requests();
    let other = FetchContext::new(id(RETRY), "hedge");
    let error = rig_month.call(other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
    assert_eq!(rig_month.sandbox.context7().requests(), asked + 1);

    let rig_paid = rig(Context7Config::new().spending_limit_reached(true)).await;
    let error = rig_paid.call(ask(RETRY)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
}

#[tokio::test]
async fn a_wrong_key_is_found_at_the_start_and_health_costs_no_call() {
    let sandbox = SandboxConfig::new();
    let wrong = rig_with(sandbox.clone(), |config| {
        config.with_api_key("ctx7sk-wrong")
    })
    .await;
    assert!(wrong.adapter.initialize().await.is_err());
    let health = wrong.adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Unhealthy);
    assert!(!health.error_message.unwrap().contains("ctx7sk-wrong"));

    let right = rig_with(sandbox, |config| config).await;
    right.adapter.initialize().await.unwrap();
    assert!(right.adapter.health_check().await.is_healthy());
    assert_eq!(right.sandbox.context7().calls_counted(), 0);
}

#[tokio::test]
async fn documents_are_whole_or_not_there_under_every_fault() {
    let clean = rig(Context7Config::new())
        .await
        .documents(RETRY)
        .await
        .unwrap();
    for fault in [
        "{ status: { code: 500 } }",
        "{ status: { code: 503 } }",
        "{ status: { code: 429 } }",
        "{ truncate: {} }",
        "{ reset: {} }",
        "{ oversize: {} }",
        "{ content_type: {} }",
    ] {
        let yaml = format!("rules:\n  - server: context7\n    every: 3\n    fault: {fault}\n");
        let script = FaultScript::from_yaml(&yaml).unwrap();
        let config = SandboxConfig::new().faults(script).seed(7);
        let sandbox = Sandbox::start(config).await.unwrap();
        // Without a breaker, so that what is tried next is asked at once.
        let config = quick(&sandbox);
        let stack = config.stack().breaker(None).build().unwrap();
        let adapter = Context7Adapter::with_stack(config, stack).unwrap();
        let rig = Rig { sandbox, adapter };
        // Errors that the stack does not repeat are the caller's to repeat; what is kept helps.
        let mut outcome = rig.documents(RETRY).await;
        for _ in 0..16 {
            if outcome.is_ok() {
                break;
            }
            outcome = rig.documents(RETRY).await;
        }
        assert_eq!(outcome.unwrap(), clean, "{fault}");
    }
}
