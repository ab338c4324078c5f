//! The adapter's calls under the stack.

use std::time::Duration;

use contexter_adapter::ServiceAdapter;
use contexter_context7::{Config, Context7Adapter, Form, RetryConfig};
use contexter_model::{ErrorKind, FetchDocs};
use contexter_resilience::{ResilientAdapter, StackConfig, StandardStack};
use contexter_testkit::{Scripted, ScriptedServer};

use crate::support::{ask, error, found, id, plain, rig_with};

const SOON: Duration = Duration::from_millis(20);

fn patient() -> Config {
    plain()
        .with_retry_config(
            RetryConfig::new()
                .with_max_attempts(3)
                .with_base_delay(Duration::from_millis(1))
                .with_max_delay(Duration::from_millis(2)),
        )
        .with_not_finalized_wait(SOON)
}

fn not_finalized() -> Scripted {
    error(202, "library_not_finalized", "Library is being processed")
}

#[tokio::test]
async fn a_library_that_gets_finalized_is_waited_for() {
    for form in [Form::Json, Form::Text] {
        let docs = match form {
            Form::Json => found(),
            Form::Text => Scripted::text(200, "documentation"),
        };
        let rig = rig_with(vec![not_finalized(), not_finalized(), docs], patient()).await;
        let context = rig.call(ask("/a/b").form(form)).await.unwrap();
        assert!(!context.content.is_empty());
        assert_eq!(rig.paths().len(), 3);
    }
}

#[tokio::test]
async fn a_library_that_does_not_get_finalized_gives_no_documents_and_opens_no_breaker() {
    let rig = rig_with(vec![not_finalized()], patient()).await;
    for _ in 0..6 {
        let fetch = FetchDocs {
            library: id("/a/b"),
            cursor: None,
            limit: 10,
        };
        let error = rig.call(fetch).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReady);
        assert!(!error.is_rejection());
    }
    let state = rig.adapter.snapshot().breaker_state;
    assert_eq!(state.as_deref(), Some("closed"));
    // Only the first topic was asked about.
    assert_eq!(rig.paths().len(), 18);
}

#[tokio::test]
async fn a_call_that_was_given_up_says_whose_it_was() {
    let config = plain().with_timeout(Duration::from_millis(200));
    let rig = rig_with(vec![Scripted::hang()], config).await;
    let error = rig.call(ask("/a/b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "context7 fetch_context: operation timed out after 200ms"
    );
}

#[tokio::test]
async fn what_may_pass_is_repeated() {
    let transient = [
        Scripted::status(408),
        Scripted::status(425),
        Scripted::status(429).header("retry-after", "0"),
        Scripted::status(500),
        Scripted::status(502),
        Scripted::status(503),
        Scripted::status(504),
        Scripted::close(),
    ];
    for reply in transient {
        let rig = rig_with(vec![reply, found()], patient()).await;
        assert!(rig.call(ask("/a/b")).await.is_ok());
        assert_eq!(rig.paths().len(), 2);
    }
}

#[tokio::test]
async fn what_stays_is_not_repeated() {
    let lasting = [
        error(400, "validation_error", "no"),
        error(401, "invalid_api_key", "no"),
        error(402, "spending_limit_exceeded", "no"),
        error(403, "forbidden", "no"),
        error(404, "library_not_found", "no"),
        error(429, "rate_limit_exceeded", "Monthly quota exceeded."),
        Scripted::status(429).header("retry-after", "600"),
        Scripted::text(200, "no JSON"),
    ];
    for reply in lasting {
        let rig = rig_with(vec![reply, found()], patient()).await;
        assert!(rig.call(ask("/a/b")).await.is_err());
        assert_eq!(rig.paths().len(), 1);
    }
}

#[tokio::test]
async fn an_allowance_with_a_known_end_keeps_calls_away_until_then() {
    let reply =
        error(429, "rate_limit_exceeded", "Monthly quota exceeded.").header("retry-after", "3600");
    let rig = rig_with(vec![reply, found()], patient()).await;
    let first = rig.call(ask("/a/b")).await.unwrap_err();
    assert_eq!(first.kind(), ErrorKind::QuotaExhausted);
    let second = rig.call(ask("/a/b")).await.unwrap_err();
    assert!(second.is_rejection(), "{second:?}");
    assert_eq!(rig.paths().len(), 1);
}

#[tokio::test]
async fn a_silent_service_ends_in_time() {
    let config = plain().with_timeout(Duration::from_millis(100));
    let rig = rig_with(vec![Scripted::hang()], config).await;
    let error = rig.call(ask("/a/b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_nothing_behind() {
    let server = ScriptedServer::start(vec![Scripted::hang(), found()]).await;
    let config = plain().with_base_url(format!("{}/api", server.base_url()));
    let adapter = Context7Adapter::new(config).unwrap();
    let handle = adapter
        .capabilities()
        .handle::<contexter_context7::FetchContext>()
        .unwrap();
    let mut call = Box::pin(contexter_service::Service::call(&handle, ask("/a/b")));
    // Until the request is there; then the call is dropped.
    let arrived = async {
        while server.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = &mut call => panic!("the server says nothing"),
        () = arrived => {}
    }
    drop(call);
    let policies = adapter.stack().snapshot().policies;
    let bulkhead = policies
        .iter()
        .find(|policy| policy.mechanism == "bulkhead")
        .unwrap();
    assert_eq!(bulkhead.counter("in_use").or(Some(0)), Some(0));
    let again = contexter_service::Service::call(&handle, ask("/a/b"));
    assert!(
        tokio::time::timeout(Duration::from_secs(30), again)
            .await
            .unwrap()
            .is_ok()
    );
}

#[test]
fn the_settings_are_laid_over_the_preset() {
    let config = Config::default()
        .with_timeout(Duration::from_mins(5))
        .with_rate_limit(60)
        .with_retry_config(RetryConfig::new().with_max_attempts(7))
        .with_max_retry_after(Duration::from_secs(5));
    let (stack, preset) = (config.stack(), StackConfig::context7());
    assert_eq!(stack.attempt_timeout, Some(Duration::from_mins(5)));
    assert_eq!(stack.deadline, Some(Duration::from_mins(5)));
    let retry = stack.retry.unwrap();
    assert_eq!(retry.max_attempts, 7);
    assert_eq!(retry.max_retry_after, Duration::from_secs(5));
    assert_eq!(retry.max_delay, preset.retry.unwrap().max_delay);
    assert_eq!(stack.bulkhead, preset.bulkhead);
    assert_eq!(stack.rate_limit.unwrap().requests.unwrap().limit, 60);
    assert_eq!(stack.cache.unwrap().fresh_for, Duration::from_hours(6));
    let plain = Config::default().with_cache(None).stack();
    assert_eq!(plain.rate_limit, None);
    assert_eq!(plain.cache, None);
    assert_eq!(plain.retry, preset.retry);
}

#[tokio::test]
async fn a_stack_of_the_callers_is_used_as_it_is() {
    let server = ScriptedServer::start(vec![Scripted::status(503), found()]).await;
    let config = Config::default().with_base_url(format!("{}/api", server.base_url()));
    let stack = StandardStack::new(StackConfig::new().retry(None)).unwrap();
    let adapter = Context7Adapter::with_stack(config, stack).unwrap();
    let rig = crate::support::Rig { server, adapter };
    assert_eq!(
        rig.call(ask("/a/b")).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    // Its settings have no cache: the same question is asked again.
    assert!(rig.call(ask("/a/b")).await.is_ok());
    assert!(rig.call(ask("/a/b")).await.is_ok());
    assert_eq!(rig.paths().len(), 3);
}
