//! Every answer that is no success: its kind, its verdict, its message.

use std::time::Duration;

use contexter_context7::{Form, LegacyEndpoint, ReadLegacy};
use contexter_model::{Error, ErrorKind};
use contexter_service::{Again, Sample, Verdict};
use contexter_testkit::Scripted;
use serde_json::json;

use crate::support::{ask, error, id, rig};

const NO: Again = Again::No;

fn yes(seconds: impl Into<Option<u64>>) -> Again {
    Again::Yes {
        after: seconds.into().map(Duration::from_secs),
    }
}

#[derive(Clone)]
struct Row {
    reply: Scripted,
    kind: ErrorKind,
    sample: Sample,
    again: Again,
    message: &'static str,
}

fn row(
    reply: Scripted,
    kind: ErrorKind,
    sample: Sample,
    again: Again,
    message: &'static str,
) -> Row {
    Row {
        reply,
        kind,
        sample,
        again,
        message,
    }
}

pub(crate) fn html(status: u16) -> Scripted {
    Scripted::status(status)
        .header("content-type", "text/html; charset=utf-8")
        .body("<!DOCTYPE html><html><body>ray id 0123 secret page</body></html>")
}

fn refusals() -> Vec<Row> {
    use ErrorKind as Kind;
    use Sample::{Neutral, Success};
    vec![
        row(
            error(400, "validation_error", "query is required"),
            Kind::Invalid,
            Success,
            NO,
            "the request about /a/b was refused (400 validation_error): query is required",
        ),
        row(
            error(400, "invalid_library_id", "Invalid library ID"),
            Kind::Invalid,
            Success,
            NO,
            "/a/b is no id of a library (400 invalid_library_id): Invalid library ID",
        ),
        row(
            error(401, "invalid_api_key", "Invalid API key"),
            Kind::Unauthorized,
            Neutral,
            NO,
            "the key was refused (401 invalid_api_key): Invalid API key",
        ),
        row(
            error(402, "spending_limit_exceeded", "Limit reached"),
            Kind::QuotaExhausted,
            Neutral,
            NO,
            "the spending limit of the account is reached (402 spending_limit_exceeded): \
             Limit reached",
        ),
        row(
            error(403, "access_denied", "Private library"),
            Kind::Unauthorized,
            Neutral,
            NO,
            "access to /a/b is denied (403 access_denied): Private library",
        ),
        row(
            error(404, "library_not_found", "Library not found"),
            Kind::NotFound,
            Success,
            NO,
            "/a/b is unknown (404 library_not_found): Library not found",
        ),
        row(
            error(404, "tag_not_found", "Tag not found. Available: v1, v2"),
            Kind::NotFound,
            Success,
            NO,
            "/a/b has no such version (404 tag_not_found): Tag not found. Available: v1, v2",
        ),
        row(
            error(404, "team_not_found", "No such team"),
            Kind::NotFound,
            Success,
            NO,
            "/a/b is unknown (404 team_not_found): No such team",
        ),
        row(
            error(404, "user_not_found", "No such user"),
            Kind::NotFound,
            Success,
            NO,
            "/a/b is unknown (404 user_not_found): No such user",
        ),
        row(
            error(403, "forbidden", "By policy"),
            Kind::Unauthorized,
            Neutral,
            NO,
            "access to /a/b is denied (403 forbidden): By policy",
        ),
        row(
            Scripted::status(404),
            Kind::NotFound,
            Success,
            NO,
            "/a/b is unknown (404)",
        ),
    ]
}

fn odd_refusals() -> Vec<Row> {
    use ErrorKind as Kind;
    use Sample::{Failure, Success};
    vec![
        row(
            Scripted::text(408, "slow"),
            Kind::Timeout,
            Failure,
            yes(None),
            "the service gave up waiting (408)",
        ),
        row(
            Scripted::text(408, "slow").header("retry-after", "4"),
            Kind::Timeout,
            Failure,
            yes(4),
            "the service gave up waiting (408)",
        ),
        row(
            Scripted::status(504).header("retry-after", "5"),
            Kind::Timeout,
            Failure,
            yes(5),
            "the service did not answer in time (504)",
        ),
        row(
            Scripted::text(500, "something broke"),
            Kind::Unavailable,
            Failure,
            yes(None),
            "the service failed (500)",
        ),
        row(
            error(422, "library_too_large", "Too many files"),
            Kind::TooLarge,
            Success,
            NO,
            "/a/b is too large (422 library_too_large): Too many files",
        ),
        row(
            error(422, "no_code_found", "No code"),
            Kind::NotFound,
            Success,
            NO,
            "/a/b holds no code (422 no_code_found): No code",
        ),
        row(
            error(418, "teapot", "short and stout"),
            Kind::Invalid,
            Success,
            NO,
            "the request about /a/b was refused (418 teapot): short and stout",
        ),
        row(
            Scripted::status(425),
            Kind::Unavailable,
            Failure,
            yes(None),
            "the service is not ready for the call (425)",
        ),
    ]
}

fn waits() -> Vec<Row> {
    use ErrorKind as Kind;
    use Sample::{Neutral, Success};
    let too_many = |seconds: &str| {
        error(429, "rate_limit_exceeded", "Rate limit exceeded").header("retry-after", seconds)
    };
    vec![
        row(
            error(202, "library_not_finalized", "Library is being processed"),
            Kind::NotReady,
            Success,
            yes(60),
            "/a/b is not finalized yet (202 library_not_finalized): Library is being processed",
        ),
        row(
            Scripted::status(202).header("retry-after", "45"),
            Kind::NotReady,
            Success,
            yes(45),
            "/a/b is not finalized yet (202)",
        ),
        // The body of the error under a plain success.
        row(
            error(200, "library_not_finalized", "Library is being processed"),
            Kind::NotReady,
            Success,
            yes(60),
            "/a/b is not finalized yet (200 library_not_finalized): Library is being processed",
        ),
        row(
            too_many("7"),
            Kind::RateLimited,
            Neutral,
            yes(7),
            "too many calls in a short time (429 rate_limit_exceeded): Rate limit exceeded",
        ),
        row(
            error(429, "rate_limit_exceeded", "Slow down"),
            Kind::RateLimited,
            Neutral,
            yes(None),
            "too many calls in a short time (429 rate_limit_exceeded): Slow down",
        ),
        row(
            Scripted::text(429, "Too many requests"),
            Kind::RateLimited,
            Neutral,
            yes(None),
            "too many calls in a short time (429)",
        ),
        row(
            Scripted::json(
                429,
                json!({"error": "Too many requests", "status": 429, "retryAfterSeconds": 60}),
            ),
            Kind::RateLimited,
            Neutral,
            yes(60),
            "too many calls in a short time (429): Too many requests",
        ),
        // A small number is seconds from now, as in the draft of the IETF.
        row(
            error(429, "rate_limit_exceeded", "Slow down").header("ratelimit-reset", "30"),
            Kind::RateLimited,
            Neutral,
            yes(30),
            "too many calls in a short time (429 rate_limit_exceeded): Slow down",
        ),
        row(
            too_many("61"),
            Kind::QuotaExhausted,
            Neutral,
            NO,
            "the allowance is used up for 61 s, more than the 60 s of max_retry_after \
             (429 rate_limit_exceeded): Rate limit exceeded",
        ),
        row(
            error(
                429,
                "rate_limit_exceeded",
                "Monthly quota exceeded. Create a free API key at \
                 https://context7.com/dashboard for more requests.",
            )
            .header("retry-after", "1"),
            Kind::QuotaExhausted,
            Neutral,
            NO,
            "the monthly allowance is used up (429 rate_limit_exceeded): Monthly quota exceeded. \
             Create a free API key at https://context7.com/dashboard for more requests.",
        ),
        row(
            Scripted::text(429, "Monthly Quota exceeded"),
            Kind::QuotaExhausted,
            Neutral,
            NO,
            "the monthly allowance is used up (429)",
        ),
    ]
}

fn failures() -> Vec<Row> {
    use ErrorKind as Kind;
    use Sample::Failure;
    vec![
        row(
            error(500, "internal_error", "Oops"),
            Kind::Unavailable,
            Failure,
            yes(None),
            "the service failed (500 internal_error): Oops",
        ),
        row(
            html(502),
            Kind::Unavailable,
            Failure,
            yes(None),
            "the service failed (502, a page of HTML)",
        ),
        row(
            error(503, "search_failed", "Search failed").header("retry-after", "3"),
            Kind::Unavailable,
            Failure,
            yes(3),
            "the service failed (503 search_failed): Search failed",
        ),
        row(
            Scripted::status(504),
            Kind::Timeout,
            Failure,
            yes(None),
            "the service did not answer in time (504)",
        ),
        row(
            html(403),
            Kind::Unavailable,
            Failure,
            yes(None),
            "a challenge or proxy stands before the service and answered a page of HTML (403)",
        ),
        row(
            html(404),
            Kind::Protocol,
            Failure,
            NO,
            "there is no such service: it answered a page of HTML (404); base_url ends in /api",
        ),
        row(
            Scripted::status(302).header("location", "https://evil.example/"),
            Kind::Protocol,
            Failure,
            NO,
            "the service redirects, which is not followed; check base_url (302)",
        ),
        row(
            Scripted::status(301).header("location", "https://evil.example/"),
            Kind::Protocol,
            Failure,
            NO,
            "the service redirects without saying to which library; check base_url (301)",
        ),
        row(
            Scripted::status(204),
            Kind::Protocol,
            Failure,
            NO,
            "the service answered out of turn (204)",
        ),
        row(
            Scripted::status(501),
            Kind::Unsupported,
            Sample::Success,
            NO,
            "the service does not offer this (501)",
        ),
    ]
}

async fn check(rows: Vec<Row>) {
    for row in rows {
        for form in [Form::Json, Form::Text] {
            let reply = row.reply.clone().header("x-context7-request-id", "req-17");
            let rig = rig(vec![reply]).await;
            let error = rig.call(ask("/a/b").form(form)).await.unwrap_err();
            judge(&error, &row);
            assert_eq!(error.service(), Some("context7"));
            assert_eq!(error.operation(), Some("fetch_context"));
            assert_eq!(error.request_id(), Some("req-17"));
            assert_eq!(rig.paths().len(), 1, "{}", row.message);
        }
    }
}

fn judge(error: &Error, row: &Row) {
    assert_eq!(error.message(), row.message);
    assert_eq!(error.kind(), row.kind, "{}", row.message);
    assert_eq!(error.sample(), row.sample, "{}", row.message);
    assert_eq!(error.again(), row.again, "{}", row.message);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_repeated() {
    check(refusals()).await;
    check(odd_refusals()).await;
}

#[tokio::test]
async fn what_is_to_be_asked_later_says_when_and_what_is_used_up_is_not_waited_for() {
    check(waits()).await;
}

#[tokio::test]
async fn what_failed_counts_against_the_service() {
    check(failures()).await;
}

#[tokio::test]
async fn a_superseded_endpoint_fails_as_the_current_one_does() {
    let page = (Some(1), Some(5));
    let endpoints = [
        LegacyEndpoint::V1 { tokens: None },
        LegacyEndpoint::CodeV2 {
            page: page.0,
            limit: page.1,
        },
        LegacyEndpoint::InfoV2 {
            page: page.0,
            limit: page.1,
        },
    ];
    let nothing = row(
        error(404, "no_snippets_found", "Nothing matches"),
        ErrorKind::NotFound,
        Sample::Success,
        NO,
        "/a/b has no documentation for this query (404 no_snippets_found): Nothing matches",
    );
    let rows = [refusals(), odd_refusals(), waits(), failures()].concat();
    for row in rows.into_iter().chain([nothing]) {
        for endpoint in endpoints {
            for form in [Form::Json, Form::Text] {
                let rig = rig(vec![row.reply.clone()]).await;
                let request = ReadLegacy::new(id("/a/b"), endpoint).form(form);
                let error = rig.call(request).await.unwrap_err();
                judge(&error, &row);
                assert_eq!(error.operation(), Some("read_legacy"), "{}", row.message);
                assert_eq!(rig.paths().len(), 1, "{}", row.message);
            }
        }
    }
}
