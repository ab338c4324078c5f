//! Health, life cycle and snapshot.

use contexter_adapter::{HealthStatus, ServiceAdapter as _};
use contexter_model::ErrorKind;
use contexter_resilience::{ResilientAdapter as _, StackConfig, StandardStack};
use contexter_testkit::{Recorded, Scripted, ScriptedServer};
use contexter_voyage::VoyageAdapter;
use serde_json::json;

use crate::support::{DEADLINE, adapter, config, embed, good};

fn calls(server: &ScriptedServer) -> Vec<String> {
    let call = |request: &Recorded| format!("{} {}", request.method, request.path);
    server.requests().iter().map(call).collect()
}

fn no_jobs() -> Scripted {
    Scripted::json(200, json!({ "object": "list", "data": [] }))
}

const LIST: &str = "GET /v1/batches?limit=1";
const EMBED: &str = "POST /v1/embeddings";

#[tokio::test]
async fn a_check_costs_no_tokens_where_the_list_of_jobs_shows_that_the_key_is_taken() {
    let server = ScriptedServer::start(vec![no_jobs(), good(1)]).await;
    let adapter = adapter(&server);
    for probed in [true, false] {
        let health = adapter.health_check().await;
        assert_eq!(health.status, HealthStatus::Healthy);
        assert_eq!(health.details["probed"], probed);
        assert_eq!(health.details["space"], "voyage-4");
        assert_eq!(health.details["dimensions"], 256);
        if probed {
            embed(&adapter, &["a"]).await.unwrap();
        }
    }
    assert_eq!(
        calls(&server),
        [LIST, EMBED],
        "the second check asks nothing"
    );
}

#[tokio::test]
async fn a_failure_after_a_success_is_looked_into() {
    let server = ScriptedServer::start(vec![good(1), Scripted::status(500)]).await;
    let adapter = adapter(&server);
    embed(&adapter, &["a"]).await.unwrap();
    embed(&adapter, &["a"]).await.unwrap_err();
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Unhealthy);
    assert_eq!(health.details["probed"], true);
}

#[tokio::test]
async fn an_embedding_that_got_no_answer_in_time_is_looked_into() {
    let replies = vec![good(1), Scripted::hang(), Scripted::status(500)];
    let server = ScriptedServer::start(replies).await;
    let timeout = std::time::Duration::from_millis(300);
    let adapter = VoyageAdapter::new(config(&server).with_timeout(timeout)).unwrap();
    embed(&adapter, &["a"]).await.unwrap();
    let error = embed(&adapter, &["a"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Unhealthy, "{health:?}");
    assert_eq!(
        calls(&server),
        [EMBED, EMBED, EMBED],
        "the list shows nothing"
    );
}

#[tokio::test]
async fn a_check_embeds_one_word_where_there_is_no_list_of_jobs() {
    for none in [
        Scripted::status(404),
        Scripted::status(403),
        Scripted::text(200, "<html>"),
        Scripted::close(),
    ] {
        let server = ScriptedServer::start(vec![none, good(1)]).await;
        let adapter = adapter(&server);
        for _ in 0..2 {
            let health = adapter.health_check().await;
            assert_eq!(health.status, HealthStatus::Healthy, "{health:?}");
        }
        assert_eq!(calls(&server), [LIST, EMBED]);
        assert_eq!(server.requests()[1].json()["input"], json!(["ok"]));
    }
}

#[tokio::test]
async fn a_check_ends_by_itself_where_nothing_answers() {
    let server = ScriptedServer::start(vec![Scripted::hang()]).await;
    let health = tokio::time::timeout(DEADLINE / 2, adapter(&server).health_check()).await;
    let health = health.expect("long before a request of its own would");
    assert_eq!(health.status, HealthStatus::Unhealthy);
    let message = health.error_message.unwrap();
    assert!(message.contains("no answer to a check within"), "{message}");
}

#[tokio::test]
async fn a_check_takes_its_word_off_the_quota_and_does_not_wait_for_it() {
    let server = ScriptedServer::start(vec![Scripted::status(404), good(1)]).await;
    let settings = config(&server).with_rate_limit(1);
    let adapter = VoyageAdapter::new(settings).unwrap();
    let quota = adapter.stack().rate_limiter().unwrap();
    quota.try_acquire(1).unwrap();
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Degraded, "{health:?}");
    assert_eq!(calls(&server), [LIST]);
}

#[tokio::test]
async fn a_refused_key_fails_the_start_and_a_vendor_that_is_away_does_not() {
    for (reply, refused) in [
        (good(1), false),
        (Scripted::status(401), true),
        (Scripted::status(403), true),
        (Scripted::status(429), false),
        (Scripted::status(503), false),
        (Scripted::close(), false),
    ] {
        let server = ScriptedServer::start(vec![Scripted::status(404), reply]).await;
        let outcome = adapter(&server).initialize().await;
        assert_eq!(outcome.is_err(), refused, "{outcome:?}");
        assert_eq!(calls(&server), [LIST, EMBED], "it is not repeated");
    }
}

#[tokio::test]
async fn after_a_refusal_an_earlier_success_shows_nothing() {
    let server = ScriptedServer::start(vec![good(1), Scripted::status(401)]).await;
    let adapter = adapter(&server);
    embed(&adapter, &["a"]).await.unwrap();
    embed(&adapter, &["a"]).await.unwrap_err();
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Unhealthy);
    assert_eq!(health.details["probed"], true);
}

#[tokio::test]
async fn a_vendor_that_throttles_is_degraded_and_one_that_refuses_the_key_unhealthy() {
    for (status, expected) in [
        (429, HealthStatus::Degraded),
        (401, HealthStatus::Unhealthy),
        (500, HealthStatus::Unhealthy),
    ] {
        let server = ScriptedServer::start(vec![Scripted::status(status)]).await;
        let adapter = adapter(&server);
        let health = adapter.health_check().await;
        assert_eq!(health.status, expected, "{status}");
        assert!(health.error_message.unwrap().contains(&status.to_string()));
        assert_eq!(calls(&server), [LIST, EMBED], "it is not repeated");
    }
}

#[tokio::test]
async fn the_stack_opens_its_breaker_and_the_snapshot_shows_it() {
    let server = ScriptedServer::start(vec![Scripted::status(500)]).await;
    let adapter = adapter(&server);
    assert_eq!(adapter.name(), "voyage_ai");
    for _ in 0..5 {
        embed(&adapter, &["a"]).await.unwrap_err();
    }
    assert_eq!(adapter.snapshot().breaker_state.as_deref(), Some("open"));
    let error = embed(&adapter, &["a"]).await.unwrap_err();
    assert!(error.is_rejection(), "{error}");
    assert_eq!(error.service(), Some("voyage_ai"));
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_stack_of_one_s_own_is_around_all_calls() {
    let server = ScriptedServer::start(vec![Scripted::status(500), good(1)]).await;
    let stack = StandardStack::new(StackConfig::new().retry(None)).unwrap();
    let adapter = VoyageAdapter::with_stack(config(&server), stack.clone()).unwrap();
    embed(&adapter, &["a"]).await.unwrap_err();
    assert_eq!(stack.breaker().unwrap().failure_count(), 1);
    assert_eq!(adapter.stack().breaker().unwrap().failure_count(), 1);
    embed(&adapter, &["a"]).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_at_fault_does_not_count_against_the_vendor() {
    let server = ScriptedServer::start(vec![Scripted::status(400)]).await;
    let settings = config(&server).with_max_batch(1).with_max_concurrent(8);
    let adapter = VoyageAdapter::new(settings).unwrap();
    for _ in 0..3 {
        let error = embed(&adapter, &["a"; 20]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let breaker = adapter.stack().breaker().unwrap();
    assert_eq!(
        breaker.failure_count(),
        0,
        "calls dropped with the first are no failures"
    );
}

#[tokio::test]
async fn after_the_end_calls_are_cancelled() {
    let server = ScriptedServer::start(vec![good(1)]).await;
    let adapter = adapter(&server);
    adapter.shutdown().await;
    let error = embed(&adapter, &["a"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.service(), Some("voyage_ai"));
    assert!(server.requests().is_empty());
}
