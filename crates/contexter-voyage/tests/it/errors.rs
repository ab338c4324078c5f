//! What the vendor's refusals become: kind, verdict and message.

use std::time::Duration;

use contexter_model::ErrorKind::{
    self, Invalid, NotFound, Protocol, QuotaExhausted, RateLimited, Timeout, TooLarge,
    Unauthorized, Unavailable, Unsupported,
};
use contexter_service::{Again, Sample, Verdict as _};
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{RetryConfig, Tier, TokenOverflow, VoyageAdapter};
use serde_json::json;

use crate::support::{adapter, config, embed, good};

const SECOND: Duration = Duration::from_secs(1);
const OVERFLOW: &str = "Request to model 'voyage-4' failed. The max allowed tokens per submitted \
    batch is 120000. Your batch has 124417 tokens after truncation. Please lower the number of \
    tokens in the batch.";
const NO_PAYMENT: &str = "You have not yet added your payment method in the billing page and will \
    have reduced rate limits of 3 RPM and 10K TPM.";

/// Status, body, and what it becomes.
struct Case {
    status: u16,
    body: &'static str,
    kind: ErrorKind,
    sample: Sample,
    again: bool,
    message: &'static str,
}

const fn case(
    status: u16,
    body: &'static str,
    kind: ErrorKind,
    sample: Sample,
    again: bool,
    message: &'static str,
) -> Case {
    Case {
        status,
        body,
        kind,
        sample,
        again,
        message,
    }
}

use Sample::{Failure, Neutral, Success};

#[rustfmt::skip]
const CASES: &[Case] = &[
    case(400, r#"{"detail":"input is bad"}"#, Invalid, Success, false,
        "answered 400 Bad Request: the request was refused as wrong: input is bad"),
    case(400, "", Invalid, Success, false,
        "answered 400 Bad Request: the request was refused as wrong: it gave no reason"),
    case(400, r#"{"detail":"Too many tokens"}"#, TooLarge, Success, false,
        "text 0 of 1 is too large: answered 400 Bad Request: the request is larger than allowed: Too many tokens"),
    case(400, "max allowed tokens exceeded", TooLarge, Success, false,
        "text 0 of 1 is too large: answered 400 Bad Request: the request is larger than allowed: it gave no reason"),
    case(400, r#"{"detail":{"code":7},"error":"Too many tokens"}"#, TooLarge, Success, false,
        "text 0 of 1 is too large: answered 400 Bad Request: the request is larger than allowed: Too many tokens"),
    case(401, r#"{"detail":"Provided API key is invalid."}"#, Unauthorized, Neutral, false,
        "answered 401 Unauthorized: the key is missing or wrong: Provided API key is invalid."),
    case(403, r#"{"detail":"Forbidden"}"#, Unauthorized, Neutral, false,
        "answered 403 Forbidden: BASE refuses the key or the address of this machine: Forbidden; a key works only on the host that it was issued for"),
    case(404, r#"{"detail":"Not Found"}"#, NotFound, Success, false,
        "answered 404 Not Found: Not Found"),
    case(408, "", Timeout, Failure, true,
        "answered 408 Request Timeout: it did not answer in time: it gave no reason"),
    case(410, r#"{"detail":"Use voyage-5 instead."}"#, Unsupported, Success, false,
        "answered 410 Gone: the model \"voyage-4\" is retired, configure another one: Use voyage-5 instead."),
    case(413, "<html>too large</html>", TooLarge, Success, false,
        "text 0 of 1 is too large: answered 413 Payload Too Large: the request is larger than allowed: it gave no reason"),
    case(422, r#"{"detail":[{"loc":["body","input"],"msg":"field required"}]}"#, Invalid, Success, false,
        "answered 422 Unprocessable Entity: the request was refused as wrong: body.input: field required"),
    case(429, r#"{"detail":"Slow down"}"#, RateLimited, Neutral, true,
        "answered 429 Too Many Requests: the rate limit is reached: Slow down"),
    case(429, "", RateLimited, Neutral, true,
        "answered 429 Too Many Requests: the rate limit is reached: it gave no reason"),
    case(500, "oops", Unavailable, Failure, true,
        "answered 500 Internal Server Error: it failed: it gave no reason"),
    case(502, "<html><body>Bad Gateway</body></html>", Unavailable, Failure, true,
        "answered 502 Bad Gateway: it is overloaded or not ready: it gave no reason"),
    case(503, r#"{"detail":"The server is overloaded."}"#, Unavailable, Failure, true,
        "answered 503 Service Unavailable: it is overloaded or not ready: The server is overloaded."),
    case(504, "{\"deta", Timeout, Failure, true,
        "answered 504 Gateway Timeout: it did not answer in time: it gave no reason"),
    case(302, "", Protocol, Failure, false,
        "answered 302 Found: it gave no reason"),
];

#[tokio::test]
async fn every_refusal_has_its_kind_verdict_and_message() {
    for case in CASES {
        let script = Scripted::status(case.status)
            .header("x-request-id", "req-7")
            .body(case.body);
        let server = ScriptedServer::start(vec![script]).await;
        let error = embed(&adapter(&server), &["text"]).await.unwrap_err();
        let what = format!("{} {}", case.status, case.body);
        let base = format!("{}/v1", server.base_url());
        assert_eq!(
            error.message(),
            case.message.replace("BASE", &base),
            "{what}"
        );
        assert_eq!(error.kind(), case.kind, "{what}");
        assert_eq!(error.sample(), case.sample, "{what}");
        let again = matches!(error.again(), Again::Yes { .. });
        assert_eq!(again, case.again, "{what}");
        assert_eq!(error.service(), Some("voyage_ai"), "{what}");
        assert_eq!(error.operation(), Some("embed"), "{what}");
        assert_eq!(error.request_id(), Some("req-7"), "{what}");
        assert!(error.sent() && !error.is_rejection(), "{what}");
    }
}

#[tokio::test]
async fn a_wait_is_taken_from_whichever_header_names_it() {
    for (header, value, expected) in [
        ("retry-after", "7", Some(7 * SECOND)),
        ("x-ratelimit-reset", "7", Some(7 * SECOND)),
        ("x-other", "7", None),
    ] {
        let script = Scripted::status(429).header(header, value);
        let server = ScriptedServer::start(vec![script]).await;
        let error = embed(&adapter(&server), &["text"]).await.unwrap_err();
        assert_eq!(error.kind(), RateLimited);
        assert_eq!(error.retry_after(), expected, "{header}");
    }
}

#[tokio::test]
async fn a_missing_payment_method_is_no_throttling_and_says_what_to_do() {
    let body = json!({ "detail": NO_PAYMENT });
    let server = ScriptedServer::start(vec![
        Scripted::json(429, body.clone()).header("retry-after", "1"),
    ])
    .await;
    let settings = config(&server).with_retry_config(
        RetryConfig::new()
            .with_max_attempts(4)
            .with_base_delay(SECOND / 1_000)
            .with_max_delay(SECOND / 1_000),
    );
    let adapter = VoyageAdapter::new(settings).unwrap();
    let error = embed(&adapter, &["text"]).await.unwrap_err();
    assert_eq!(error.kind(), QuotaExhausted);
    assert_eq!(error.again(), Again::No);
    assert_eq!(error.sample(), Neutral);
    assert_eq!(
        error.message(),
        "answered 429 Too Many Requests: the account has no payment method, which leaves it 3 \
         requests and 10,000 tokens a minute: add one in the vendor's billing settings, or set tier \
         to unpaid to keep to that"
    );
    assert_eq!(server.requests().len(), 1, "it is not repeated");

    let server = ScriptedServer::start(vec![Scripted::json(429, body)]).await;
    let settings = config(&server).with_tier(Tier::Unpaid);
    let adapter = VoyageAdapter::new(settings).unwrap();
    let error = embed(&adapter, &["text"]).await.unwrap_err();
    assert_eq!(error.kind(), RateLimited);
    assert_eq!(error.retry_after(), Some(20 * SECOND));
}

#[tokio::test]
async fn the_numbers_of_an_overflow_are_kept() {
    let script = Scripted::json(400, json!({ "detail": OVERFLOW }));
    let server = ScriptedServer::start(vec![script]).await;
    let error = embed(&adapter(&server), &["text"]).await.unwrap_err();
    assert_eq!(error.kind(), TooLarge);
    assert_eq!(
        error.message(),
        "text 0 of 1 is too large: answered 400 Bad Request: the request has 124417 tokens, at \
         most 120000 are allowed"
    );
    let overflow = TokenOverflow::of(&error).unwrap();
    assert_eq!((overflow.allowed, overflow.tokens), (120_000, 124_417));
}

#[tokio::test]
async fn what_can_pass_is_repeated_and_what_cannot_is_not() {
    for (status, requests) in [(500, 2), (503, 2), (429, 2), (400, 1), (401, 1), (410, 1)] {
        let server = ScriptedServer::start(vec![Scripted::status(status), good(1)]).await;
        let settings = config(&server).with_retry_config(
            RetryConfig::new()
                .with_max_attempts(2)
                .with_base_delay(SECOND / 1_000)
                .with_max_delay(SECOND / 1_000),
        );
        let adapter = VoyageAdapter::new(settings).unwrap();
        let outcome = embed(&adapter, &["text"]).await;
        assert_eq!(outcome.is_ok(), requests == 2, "{status}");
        assert_eq!(server.requests().len(), requests, "{status}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_a_typed_error() {
    let whole = good(1);
    for (script, kind) in [
        (Scripted::close(), Unavailable),
        (whole.clone().truncated(), Unavailable),
        (whole.clone().reset_after(100), Unavailable),
    ] {
        let server = ScriptedServer::start(vec![script]).await;
        let error = embed(&adapter(&server), &["text"]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.service(), Some("voyage_ai"));
    }
    let server = ScriptedServer::start(vec![Scripted::hang()]).await;
    let settings = config(&server).with_timeout(SECOND / 10);
    let adapter = VoyageAdapter::new(settings).unwrap();
    let error = embed(&adapter, &["text"]).await.unwrap_err();
    assert_eq!(error.kind(), Timeout, "{error}");
}
