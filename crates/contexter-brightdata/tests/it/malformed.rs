//! Whatever a reply holds, the call ends in time with a typed error or a correct result.

use std::time::Duration;

use contexter_brightdata::{
    Envelope, FetchSnapshot, SearchPage, SnapshotProgress, SubmitPage, TriggerDataset, Unlock,
    judge, judge_proxied, read_records, read_results,
};
use contexter_model::{ErrorKind, FetchPage};
use contexter_testkit::{Scripted, ScriptedServer};
use proptest::prelude::*;
use serde_json::json;

use super::fixture::{adapter, call, config, quick, start, with_stack};

#[tokio::test]
async fn an_envelope_that_is_none_is_an_error_that_says_where() {
    for (body, message) in [
        (
            "<html>",
            "the envelope is not the json expected, at line 1 column 1",
        ),
        (
            "{\"status_code\":",
            "the envelope is not the json expected, at line 1 column 15",
        ),
        (
            "{\"status_code\":\"x\"}",
            "the envelope is not the json expected, at line 1 column 18",
        ),
        (
            "{\"headers\":{}}",
            "the envelope is not the json expected, at line 1 column 14",
        ),
        (
            "{\"status_code\":7,\"body\":\"x\"}",
            "the envelope has status_code 7, which is no status",
        ),
    ] {
        let (server, adapter) = start(vec![Scripted::text(200, body)]).await;
        let unlock = Unlock::new("https://example.org/").envelope(Envelope::Json);
        let error = call(&adapter, unlock).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Protocol, message)
        );
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn nothing_that_is_expected_to_be_json_is_taken_for_it() {
    for body in [
        "",
        "nonsense",
        "[]",
        "{}",
        "null",
        "{\"snapshot_id\": 7}",
        "{\"status\": []}",
    ] {
        let (_server, adapter) = start(vec![Scripted::text(200, body)]).await;
        let snapshot = "s_1".parse().unwrap();
        let progress = call(&adapter, SnapshotProgress::new(snapshot)).await;
        assert_eq!(
            progress.unwrap_err().kind(),
            ErrorKind::Protocol,
            "{body:?}"
        );
        let trigger = TriggerDataset::new("gd_1".parse().unwrap()).input(json!({}));
        let triggered = call(&adapter, trigger).await;
        assert_eq!(
            triggered.unwrap_err().kind(),
            ErrorKind::Protocol,
            "{body:?}"
        );
        let submitted = call(
            &adapter,
            SubmitPage::new(Unlock::new("https://example.org/")),
        )
        .await;
        assert!(submitted.is_err(), "{body:?}");
        let searched = call(&adapter, SearchPage::new("x")).await;
        assert!(searched.is_err(), "{body:?}");
    }
    for body in ["nonsense", "{\"a\":", "[1]", "7"] {
        let (_server, adapter) = start(vec![Scripted::text(200, body)]).await;
        let fetched = call(&adapter, FetchSnapshot::new("s_1".parse().unwrap())).await;
        assert_eq!(fetched.unwrap_err().kind(), ErrorKind::Protocol, "{body:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unavailable_and_tried_again() {
    for broken in [
        Scripted::close(),
        Scripted::text(200, "a".repeat(10_000)).truncated(),
        Scripted::text(200, "a".repeat(10_000)).reset_after(5_000),
    ] {
        let (server, adapter) = start(vec![broken.clone()]).await;
        let error = call(&adapter, FetchPage::new("https://example.org/"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(error.service(), Some("brightdata"));
        assert!(server.requests().len() >= 3);
        // Whether these are billed is not known here.
        assert_eq!(adapter.usage().uncertain, adapter.usage().requests);

        let (_server, adapter) = start(vec![broken, Scripted::text(200, "whole")]).await;
        let page = call(&adapter, FetchPage::new("https://example.org/"))
            .await
            .unwrap();
        assert_eq!(page.text, "whole");
    }
}

#[tokio::test]
async fn a_page_that_is_too_large_is_refused() {
    let server = ScriptedServer::start(vec![Scripted::text(200, "a".repeat(5_000))]).await;
    let mut config = config(&server);
    config.max_body = 4_999;
    let error = call(&adapter(&config), FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_silent_server_is_left_within_the_time_of_an_attempt() {
    let server = ScriptedServer::start(vec![Scripted::hang()]).await;
    let stack = quick().attempt_timeout(Duration::from_millis(50));
    let adapter = with_stack(&config(&server), stack);
    let error = call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.service(), Some("brightdata"));
    assert_eq!(adapter.usage().uncertain, 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_was_not_asked() {
    let server = ScriptedServer::start(vec![]).await;
    let config = config(&server);
    drop(server);
    let adapter = adapter(&config);
    let error = call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let usage = adapter.usage();
    assert_eq!((usage.unbilled, usage.uncertain), (usage.requests, 0));
}

proptest! {
    #[test]
    fn no_answer_makes_the_readers_panic(
        status in 0_u16..1000,
        names in proptest::collection::vec(
            prop_oneof![
                Just("x-brd-error"), Just("x-brd-error-code"), Just("x-brd-err-code"),
                Just("x-brd-status-code"), Just("proxy-status"), Just("x-brd-debug"),
                Just("x-luminati-error-code"),
            ],
            0..5,
        ),
        values in proptest::collection::vec(".{0,60}", 5),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let headers: Vec<(&str, &str)> =
            names.iter().zip(&values).map(|(name, value)| (*name, value.as_str())).collect();
        for judged in [judge(status, &headers, &body), judge_proxied(status, &headers, &body)] {
            match judged {
                Ok(passed) => prop_assert!(!body.is_empty() || passed.status != 200),
                Err(refusal) => {
                    let shown = refusal.to_string();
                    prop_assert!(!shown.contains('\n') && !shown.is_empty());
                }
            }
        }
        let _results = read_results(&body);
        let _records = read_records(&body, 1 << 16);
    }
}
