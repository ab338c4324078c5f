//! What refusals mean beyond their table: waits, empty results, words.

use std::time::Duration;

use contexter_context7::{Form, SearchContext, SearchLibraries};
use contexter_model::ErrorKind;
use contexter_service::Verdict as _;
use contexter_testkit::Scripted;

use crate::errors::html;
use crate::support::{ask, error, plain, rig, rig_with};

#[tokio::test]
async fn a_used_up_allowance_says_until_when_as_far_as_it_is_known() {
    let reply = error(429, "rate_limit_exceeded", "Rate limit exceeded")
        .header("retry-after", "3600")
        .header("ratelimit-limit", "1000")
        .header("ratelimit-remaining", "0");
    let rig = rig(vec![reply]).await;
    let error = rig.call(ask("/a/b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert_eq!(error.trip(), Some(Duration::from_hours(1)));
}

#[tokio::test]
async fn the_ceiling_of_waits_is_set_by_the_configuration() {
    let reply = || Scripted::status(429).header("retry-after", "5");
    for (ceiling, kind) in [(5, ErrorKind::RateLimited), (4, ErrorKind::QuotaExhausted)] {
        let config = plain().with_max_retry_after(Duration::from_secs(ceiling));
        let rig = rig_with(vec![reply()], config).await;
        assert_eq!(rig.call(ask("/a/b")).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn an_anonymous_caller_is_told_that_no_key_is_configured() {
    let mut config = plain();
    config.api_key = None;
    let rig = rig_with(
        vec![
            error(401, "invalid_api_key", "Missing API key"),
            error(429, "quota_exceeded", "Monthly quota exceeded."),
        ],
        config,
    )
    .await;
    assert_eq!(
        rig.call(ask("/a/b")).await.unwrap_err().message(),
        "the service asks for a key, and none is configured (401 invalid_api_key): Missing API key"
    );
    assert_eq!(
        rig.call(ask("/a/b")).await.unwrap_err().message(),
        "the monthly allowance of anonymous calls is used up; no key is configured \
         (429 quota_exceeded): Monthly quota exceeded."
    );
}

#[tokio::test]
async fn a_search_that_finds_nothing_is_an_empty_result() {
    let rig = rig(vec![
        error(404, "no_libraries_found", "No libraries"),
        Scripted::status(404),
        error(404, "no_documentation_found", "Nothing"),
        error(404, "no_documentation_found", "Nothing"),
        error(404, "no_snippets_found", "Nothing"),
        error(404, "no_snippets_found", "Nothing"),
    ])
    .await;
    for _ in 0..2 {
        let found = rig.call(SearchLibraries::new("nope")).await.unwrap();
        assert!(found.libraries.is_empty());
    }
    for form in [Form::Json, Form::Text] {
        let content = rig.call(SearchContext::new("nope").form(form)).await;
        assert!(content.unwrap().is_empty());
    }
    for form in [Form::Json, Form::Text] {
        let context = rig.call(ask("/a/b").form(form)).await.unwrap();
        assert!(context.content.is_empty());
    }
}

#[tokio::test]
async fn a_search_at_the_wrong_address_is_no_empty_result() {
    let rig = rig(vec![html(404)]).await;
    let error = rig.call(SearchLibraries::new("tokio")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(
        error.to_string(),
        "context7 search_libraries: there is no such service: it answered a page of HTML (404); \
         base_url ends in /api"
    );
}

#[tokio::test]
async fn long_words_of_the_service_are_cut_to_one_line() {
    let long = format!("Tag not found.\r\nAvailable:\u{7} {}", "v1, ".repeat(500));
    let rig = rig(vec![error(404, "tag_not_found", &long)]).await;
    let message = rig.call(ask("/a/b/v9")).await.unwrap_err().to_string();
    assert!(message.chars().count() < 420, "{message}");
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(message.ends_with('…'));
}
