//! The budget of refusals for too many requests.

use std::time::Duration;

use contexter_adapter::{HealthStatus, ServiceAdapter as _};
use contexter_brightdata::{BrightDataAdapter, ThrottleBudget};
use contexter_limit::BulkheadConfig;
use contexter_model::{ErrorKind, FetchPage};
use contexter_resilience::StandardStack;
use contexter_service::{Again, Service as _, Verdict as _};
use contexter_testkit::{Scripted, ScriptedServer};

use super::fixture::{LIMIT, call, config, quick, start, with_stack};

fn refused() -> Scripted {
    Scripted::status(429).header("retry-after", "0")
}

fn page() -> FetchPage {
    FetchPage::new("https://example.org/")
}

#[tokio::test]
async fn after_eight_refusals_nothing_is_sent() {
    let server = ScriptedServer::start(vec![refused()]).await;
    let adapter = with_stack(&config(&server), quick().retry(None));
    for left in (0..8).rev() {
        let error = call(&adapter, page()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(adapter.throttle_budget().left(), left);
    }
    let error = call(&adapter, page()).await.unwrap_err();
    assert!(error.is_rejection(), "{error}");
    assert_eq!(
        (error.kind(), error.again()),
        (ErrorKind::RateLimited, Again::No)
    );
    assert!(error.retry_after().is_some());
    assert_eq!(error.service(), Some("brightdata"));
    assert_eq!(server.requests().len(), 8);
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(
        health.error_message.as_deref(),
        Some("refused for too many requests; nothing is sent for now")
    );
    assert_eq!(server.requests().len(), 8);
}

#[tokio::test]
async fn calls_at_once_do_not_exceed_the_budget() {
    // Late, so that all that may be sent is under way before the first is refused.
    let late = refused().delay(Duration::from_millis(500));
    let server = ScriptedServer::start(vec![late]).await;
    let budget = ThrottleBudget::new();
    let adapters = [(); 3].map(|()| {
        let stack = quick()
            .retry(None)
            .bulkhead(BulkheadConfig::new().max_concurrent(50));
        let stack = StandardStack::new(stack).unwrap();
        BrightDataAdapter::builder()
            .stack(stack)
            .budget(budget.clone())
            .build(config(&server))
            .unwrap()
    });
    let calls = (0..30).map(|n| call(&adapters[n % 3], page()));
    let outcomes = futures_util::future::join_all(calls).await;
    let errors = outcomes.into_iter().map(Result::unwrap_err);
    let sent = errors.filter(|error| !error.is_rejection()).count();
    assert_eq!((sent, server.requests().len()), (8, 8));
    assert_eq!((budget.left(), budget.under_way()), (0, 0));
}

#[tokio::test]
async fn calls_that_are_given_up_make_room() {
    let server = ScriptedServer::start(vec![Scripted::hang()]).await;
    let adapter = with_stack(&config(&server), quick().retry(None));
    let budget = adapter.throttle_budget();
    let abandoned: Vec<_> = (0..8)
        .map(|_| {
            let pages = adapter.capabilities().handle::<FetchPage>().unwrap();
            tokio::spawn(async move { pages.call(page()).await })
        })
        .collect();
    wait_for(|| server.requests().len() == 8).await;
    assert_eq!(budget.under_way(), 8);
    for call in abandoned {
        call.abort();
    }
    wait_for(|| budget.under_way() == 0).await;
    assert_eq!(budget.left(), 8);
}

async fn wait_for(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, met)
        .await
        .expect("it is met in time");
}

#[tokio::test]
async fn retries_count_in_the_budget_too() {
    let (server, adapter) = start(vec![refused()]).await;
    for _ in 0..4 {
        call(&adapter, page()).await.unwrap_err();
    }
    assert_eq!(server.requests().len(), 8);
}

#[tokio::test]
async fn a_refusal_of_any_layer_counts() {
    let script = vec![
        Scripted::status(200)
            .header("x-brd-error-code", "sr_rate_limit")
            .header("retry-after", "0"),
        Scripted::status(200)
            .header("x-brd-err-code", "policy_20223")
            .header("retry-after", "0"),
        Scripted::text(200, "page"),
    ];
    let (_server, adapter) = start(script).await;
    call(&adapter, page()).await.unwrap();
    assert_eq!(adapter.throttle_budget().left(), 6);
}

#[tokio::test]
async fn adapters_of_one_process_share_the_budget_of_an_interface() {
    let server = ScriptedServer::start(vec![refused()]).await;
    let other_server = ScriptedServer::start(vec![refused()]).await;
    let make = |server| {
        let stack = StandardStack::new(quick().retry(None)).unwrap();
        BrightDataAdapter::with_stack(config(server), stack).unwrap()
    };
    let (one, two) = (make(&server), make(&server));
    let elsewhere = make(&other_server);
    call(&one, page()).await.unwrap_err();
    call(&two, page()).await.unwrap_err();
    assert_eq!(one.throttle_budget().left(), 6);
    assert_eq!(two.throttle_budget().left(), 6);
    assert_eq!(elsewhere.throttle_budget().left(), 8);
    drop((one, two));
    // It outlives the adapters: the vendor remembers the address.
    let shared = ThrottleBudget::shared(&format!("{}/", server.base_url()));
    assert_eq!(shared.left(), 6);
}

#[tokio::test]
async fn a_wait_for_the_budget_is_no_timeout_of_the_vendor() {
    let script = vec![Scripted::status(429).header("retry-after", "2")];
    let server = ScriptedServer::start(script).await;
    let stack = quick()
        .retry(None)
        .attempt_timeout(Duration::from_millis(300));
    let adapter = with_stack(&config(&server), stack);
    call(&adapter, page()).await.unwrap_err();
    // The pause is longer than an attempt.
    let error = call(&adapter, page()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    assert!(error.is_rejection() && !error.sent(), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_request_has_its_whole_time_after_the_wait_for_the_budget() {
    let slow = Scripted::text(200, "page").delay(Duration::from_secs(1));
    let script = vec![Scripted::status(429).header("retry-after", "1"), slow];
    let server = ScriptedServer::start(script).await;
    // Less than the wait and the answer take together.
    let config = config(&server).with_timeout(Duration::from_millis(1_600));
    let stack = config.stack().retry(None);
    let adapter = with_stack(&config, stack);
    call(&adapter, page()).await.unwrap_err();
    let found = call(&adapter, page()).await.unwrap();
    assert_eq!(found.text, "page");
}

#[tokio::test]
async fn a_request_ends_with_its_time_although_the_attempt_has_more() {
    let server = ScriptedServer::start(vec![Scripted::hang()]).await;
    let config = config(&server).with_timeout(Duration::from_millis(200));
    let adapter = with_stack(&config, config.stack().retry(None));
    let ended = tokio::time::timeout(LIMIT / 2, call(&adapter, page())).await;
    let error = ended.expect("it ends in time").unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, true));
    assert_eq!(adapter.usage().uncertain, 1);
}
