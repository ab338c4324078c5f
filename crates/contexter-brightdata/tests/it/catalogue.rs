//! Every documented error code: kind, verdict, message.

use contexter_brightdata::{Class, CodeEntry, Refusal, Retry, judge, judge_proxied};
use contexter_model::{Error, ErrorKind, FetchPage};
use contexter_service::{Again, Sample, Verdict as _};
use contexter_testkit::Scripted;

use super::fixture::{call, start};

/// Header, code, status, kind, what it says about the vendor, attempts of three that are made.
type Row = (&'static str, &'static str, u16, ErrorKind, Sample, usize);

const ERR: &str = "x-brd-err-code";
const ERROR: &str = "x-brd-error-code";

const CONFIG: (ErrorKind, Sample, usize) = (ErrorKind::Invalid, Sample::Success, 1);
const POLICY: (ErrorKind, Sample, usize) = (ErrorKind::Unsupported, Sample::Success, 1);
const ACCOUNT: (ErrorKind, Sample, usize) = (ErrorKind::QuotaExhausted, Sample::Neutral, 1);
const AUTH: (ErrorKind, Sample, usize) = (ErrorKind::Unauthorized, Sample::Neutral, 1);
const THROTTLE: (ErrorKind, Sample, usize) = (ErrorKind::RateLimited, Sample::Neutral, 3);
const DEFECT: (ErrorKind, Sample, usize) = (ErrorKind::Unexpected, Sample::Success, 1);
const BLOCKED: (ErrorKind, Sample, usize) = (ErrorKind::Unavailable, Sample::Success, 3);
const BLOCKED_ONCE: (ErrorKind, Sample, usize) = (ErrorKind::Unavailable, Sample::Success, 2);
const DOWN: (ErrorKind, Sample, usize) = (ErrorKind::Unavailable, Sample::Success, 1);
const SLOW: (ErrorKind, Sample, usize) = (ErrorKind::Timeout, Sample::Success, 2);
const MISSING: (ErrorKind, Sample, usize) = (ErrorKind::NotFound, Sample::Success, 1);

/// The tables of the vendor's documentation, row by row.
#[expect(
    clippy::too_many_lines,
    reason = "a table, one row a documented answer"
)]
fn documented() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |header, status, (kind, sample, attempts), codes: &[&'static str]| {
        rows.extend(
            codes
                .iter()
                .map(|code| (header, *code, status, kind, sample, attempts)),
        );
    };
    add(
        ERR,
        400,
        CONFIG,
        &[
            "client_10060",
            "client_10061",
            "client_10062",
            "client_10063",
        ],
    );
    add(ERR, 401, CONFIG, &["client_10050"]);
    add(ERR, 402, POLICY, &["policy_20130", "policy_20140"]);
    add(ERR, 403, DEFECT, &["client_10070", "client_10080"]);
    add(
        ERR,
        403,
        CONFIG,
        &[
            "client_10090",
            "client_10130",
            "client_10250",
            "client_10260",
        ],
    );
    add(
        ERR,
        403,
        POLICY,
        &[
            "policy_20000",
            "policy_20030",
            "policy_20040",
            "policy_20050",
            "policy_20051",
            "policy_20052",
            "policy_20090",
            "policy_20110",
            "policy_20250",
            "policy_20251",
            "policy_20260",
            "policy_20261",
            "policy_20031",
        ],
    );
    add(
        ERR,
        403,
        CONFIG,
        &[
            "policy_20010",
            "policy_20020",
            "policy_20240",
            "policy_20080",
            "policy_20091",
            "policy_20230",
        ],
    );
    add(ERR, 407, AUTH, &["client_10000", "client_10010"]);
    add(
        ERR,
        407,
        CONFIG,
        &[
            "client_10001",
            "client_10002",
            "client_10030",
            "policy_20120",
        ],
    );
    add(ERR, 407, ACCOUNT, &["client_10020"]);
    add(ERR, 407, POLICY, &["client_10040"]);
    add(
        ERR,
        429,
        THROTTLE,
        &[
            "client_10110",
            "policy_20220",
            "policy_20222",
            "policy_20223",
        ],
    );
    add(ERR, 429, CONFIG, &["policy_20221"]);
    add(ERR, 502, ACCOUNT, &["client_10100"]);
    add(ERR, 502, BLOCKED, &["client_10120"]);
    add(ERR, 502, DOWN, &["peer_30030"]);
    add(ERR, 502, CONFIG, &["policy_20070", "target_40011"]);
    add(ERR, 502, MISSING, &["target_40001"]);

    add(ERROR, 400, CONFIG, &["premium", "feature_not_active"]);
    add(ERROR, 400, POLICY, &["ub_bad_endpoint_robots"]);
    add(ERROR, 429, THROTTLE, &["sr_rate_limit"]);
    add(
        ERROR,
        502,
        BLOCKED,
        &[
            "reject_block",
            "resolve_failed_hcaptcha",
            "resolve_failed_x",
        ],
    );
    add(
        ERROR,
        502,
        BLOCKED_ONCE,
        &["http_status", "net_err_closed", "document_load_failed"],
    );
    add(ERROR, 502, MISSING, &["expect_element", "proxy_error"]);
    add(
        ERROR,
        502,
        SLOW,
        &[
            "navigation_timeout",
            "domcontentloaded_event_timeout",
            "proxy_timeout",
        ],
    );
    add(
        ERROR,
        502,
        DOWN,
        &[
            "net_err_cert_date_invalid",
            "net_err_cert_common_name_invalid",
            "net_err_cert_authority_invalid",
            "no_peers",
        ],
    );
    add(ERROR, 502, THROTTLE, &["rate_limit"]);
    add(ERROR, 502, BLOCKED_ONCE, &["captcha", "dd_hardblock"]);
    rows
}

#[tokio::test]
async fn every_documented_code_becomes_its_error_and_is_tried_as_often_as_it_is_worth() {
    for (header, code, status, kind, sample, attempts) in documented() {
        let answer = Scripted::status(200)
            .header("x-brd-error", "the vendor's words")
            .header(header, code)
            .header("x-brd-status-code", &status.to_string())
            // So that a throttled call comes back at once.
            .header("retry-after", "0");
        let (server, adapter) = start(vec![answer]).await;
        let error: Error = call(&adapter, FetchPage::new("https://example.org/a?key=1"))
            .await
            .unwrap_err();

        let entry = CodeEntry::find(code).unwrap_or_else(|| panic!("{code} is in the catalogue"));
        assert_eq!((error.kind(), error.sample()), (kind, sample), "{code}");
        assert_eq!(error.again() != Again::No, attempts == 3, "{code}");
        assert_eq!(server.requests().len(), attempts, "{code}");
        assert_eq!(
            error.to_string(),
            format!(
                "brightdata fetch_page: https://example.org/a: {} ({code}, status {status})",
                entry.meaning
            ),
        );
        let refusal = Refusal::of(&error).unwrap();
        assert_eq!((refusal.code(), refusal.status()), (Some(code), status));
        assert_eq!(refusal.class(), entry.class, "{code}");
    }
}

#[test]
fn the_catalogue_holds_what_is_documented_and_no_code_twice() {
    let documented = documented();
    for entry in CodeEntry::all() {
        let again = CodeEntry::all()
            .iter()
            .filter(|other| other.code == entry.code)
            .count();
        assert_eq!(again, 1, "{}", entry.code);
        assert!(
            !entry.meaning.is_empty() && !entry.meaning.ends_with('.'),
            "{}",
            entry.code
        );
        // What policy, account and configuration forbid is never tried again.
        let is_final = matches!(
            entry.class,
            Class::Auth | Class::Config | Class::Policy | Class::Account | Class::Defect
        );
        assert!(!is_final || entry.retry == Retry::Never, "{}", entry.code);
        let is_throttle = entry.class == Class::Throttle;
        assert_eq!(is_throttle, entry.retry == Retry::Slowly, "{}", entry.code);
    }
    assert!(documented.len() > 60, "{}", documented.len());
}

#[test]
fn a_code_is_found_in_every_layer_that_can_hold_it() {
    let in_proxy_status = "brd.superproxy.io; received-status=407; error=http_request_denied; \
                           details=\"client-10000: Invalid authentication\"";
    for headers in [
        [("X-BRD-ERR-CODE", "client_10000")],
        [("x-brd-err-code", "client-10000")],
        [("x-brd-error-code", " CLIENT_10000 ")],
        [("proxy-status", in_proxy_status)],
        [("x-luminati-error-code", "client_10000")],
    ] {
        for refusal in [
            judge(200, &headers, b"").unwrap_err(),
            judge(200, &headers, b"<html>looks like a page").unwrap_err(),
            judge_proxied(407, &headers, b"").unwrap_err(),
        ] {
            assert_eq!(refusal.code(), Some("client_10000"), "{headers:?}");
            assert_eq!(refusal.kind(), ErrorKind::Unauthorized, "{headers:?}");
        }
    }
}

#[test]
fn the_layers_are_read_in_the_documented_order() {
    let headers = [
        ("x-luminati-error-code", "client_10020"),
        ("proxy-status", "brd; details=\"client_10030: x\""),
        ("x-brd-error-code", "reject_block"),
        ("x-brd-err-code", "policy_20050"),
    ];
    let codes = [
        "policy_20050",
        "reject_block",
        "client_10030",
        "client_10020",
    ];
    for (left_out, code) in codes.into_iter().enumerate() {
        let kept = headers.get(..headers.len() - left_out).unwrap();
        assert_eq!(judge(200, kept, b"x").unwrap_err().code(), Some(code));
    }
}

#[test]
fn status_alone_does_not_mislead() {
    // An account limit on 502, a wrong country on 407, a block page on 200.
    let judged = |status, code| judge(status, &[("x-brd-err-code", code)], b"").unwrap_err();
    assert_eq!(
        judged(502, "client_10100").kind(),
        ErrorKind::QuotaExhausted
    );
    assert_eq!(judged(407, "client_10001").kind(), ErrorKind::Invalid);
    assert_eq!(judged(200, "reject_block").kind(), ErrorKind::Unavailable);
}

#[test]
fn a_code_that_is_not_known_goes_by_its_status() {
    let read = |status| {
        let headers = [
            ("x-brd-error-code", "brand_new"),
            ("x-brd-status-code", status),
        ];
        let refusal = judge(200, &headers, b"").unwrap_err();
        (
            refusal.kind(),
            refusal.retry(),
            refusal.code().map(str::to_owned),
        )
    };
    let code = Some("brand_new".to_owned());
    assert_eq!(
        read("502"),
        (ErrorKind::Unavailable, Retry::Once, code.clone())
    );
    assert_eq!(
        read("503"),
        (ErrorKind::Unavailable, Retry::Repeat, code.clone())
    );
    assert_eq!(
        read("429"),
        (ErrorKind::RateLimited, Retry::Slowly, code.clone())
    );
    assert_eq!(
        read("403"),
        (ErrorKind::Unsupported, Retry::Never, code.clone())
    );
    assert_eq!(
        read("nonsense"),
        (ErrorKind::Unavailable, Retry::Once, code)
    );
}

#[test]
fn a_page_that_cannot_be_loaded_for_tls_is_not_tried_again() {
    for (text, retry) in [
        ("net::ERR_CONNECTION_RESET", Retry::Once),
        ("net::ERR_SSL_VERSION_OR_CIPHER_MISMATCH", Retry::Never),
        ("net::ERR_CERT_INVALID", Retry::Never),
    ] {
        let headers = [
            ("x-brd-error", text),
            ("x-brd-error-code", "document_load_failed"),
        ];
        assert_eq!(
            judge(200, &headers, b"").unwrap_err().retry(),
            retry,
            "{text}"
        );
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "a table, one row a documented answer"
)]
async fn real_statuses_of_the_interface_have_kind_verdict_and_message() {
    let validation =
        r#"{"error":"Request validation failed","error_code":"validation","details":["url"]}"#;
    let kyc = r#"{"error":{"code":"kyc_required","message":"verify"}}"#;
    for (status, body, kind, sample, attempts, message) in [
        (
            400,
            "zone \"nope\" not found",
            ErrorKind::Invalid,
            Sample::Success,
            1,
            "there is no such zone in the account (status 400)",
        ),
        (
            400,
            validation,
            ErrorKind::Invalid,
            Sample::Success,
            1,
            "the request is malformed (validation, status 400)",
        ),
        (
            401,
            "Auth method is not supported",
            ErrorKind::Unauthorized,
            Sample::Neutral,
            1,
            "the api key is not valid (status 401)",
        ),
        (
            401,
            "User authentication is required",
            ErrorKind::Unauthorized,
            Sample::Neutral,
            1,
            "the api key is missing (status 401)",
        ),
        (
            402,
            "",
            ErrorKind::QuotaExhausted,
            Sample::Neutral,
            1,
            "the account has to be paid for (status 402)",
        ),
        (
            403,
            kyc,
            ErrorKind::Unsupported,
            Sample::Success,
            1,
            "the account has to be verified first (KYC) (kyc_required, status 403)",
        ),
        (
            429,
            "",
            ErrorKind::RateLimited,
            Sample::Neutral,
            3,
            "too many requests (status 429)",
        ),
        (
            500,
            "<html>oops",
            ErrorKind::Unavailable,
            Sample::Failure,
            3,
            "the service failed (status 500)",
        ),
        (
            503,
            "",
            ErrorKind::Unavailable,
            Sample::Failure,
            3,
            "the service failed (status 503)",
        ),
        (
            504,
            "",
            ErrorKind::Timeout,
            Sample::Failure,
            3,
            "the service did not answer in time (status 504)",
        ),
    ] {
        let answer = Scripted::text(status, body).header("retry-after", "0");
        let (server, adapter) = start(vec![answer]).await;
        let error: Error = call(&adapter, FetchPage::new("https://example.org/"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.sample()),
            (kind, sample),
            "{status} {body}"
        );
        assert_eq!(
            error.message(),
            format!("https://example.org/: {message}"),
            "{status} {body}"
        );
        assert_eq!(server.requests().len(), attempts, "{status} {body}");
    }
}

#[tokio::test]
async fn the_cause_of_an_error_says_what_its_message_does_not() {
    let (_server, adapter) = start(vec![Scripted::text(401, "Auth method is not supported")]).await;
    let error: Error = call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "class auth, retry never, not billed");
    assert!(cause.source().is_none());
    // Where there is no error around it, it says everything itself.
    let refusal = judge(401, &[], b"Auth method is not supported").unwrap_err();
    assert_eq!(refusal.to_string(), "the api key is not valid (status 401)");
}
