//! Every documented error code: kind, verdict, message.

use contexter_brightdata::{Class, CodeEntry, Refusal, Retry, judge, judge_proxied};
use contexter_model::{Error, ErrorKind, FetchPage};
use contexter_service::{Again, Sample, Verdict as _};
use contexter_testkit::Scripted;

use super::fixture::{call, start};

/// Header, code, status, what follows from it, message.
type Row = (&'static str, &'static str, u16, Outcome, &'static str);

/// What is at fault, the kind, what it says about the vendor, how many of three attempts are made.
type Outcome = (Class, ErrorKind, Sample, usize);

const ERR: &str = "x-brd-err-code";
const ERROR: &str = "x-brd-error-code";

const CONFIG: Outcome = (Class::Config, ErrorKind::Invalid, Sample::Success, 1);
const POLICY: Outcome = (Class::Policy, ErrorKind::Unsupported, Sample::Success, 1);
const ACCOUNT: Outcome = (
    Class::Account,
    ErrorKind::QuotaExhausted,
    Sample::Neutral,
    1,
);
const AUTH: Outcome = (Class::Auth, ErrorKind::Unauthorized, Sample::Neutral, 1);
const THROTTLE: Outcome = (Class::Throttle, ErrorKind::RateLimited, Sample::Neutral, 3);
const DEFECT: Outcome = (Class::Defect, ErrorKind::Unexpected, Sample::Success, 1);
const BLOCKED: Outcome = (Class::Blocked, ErrorKind::Unavailable, Sample::Success, 3);
const BLOCKED_ONCE: Outcome = (Class::Blocked, ErrorKind::Unavailable, Sample::Success, 2);
const DOWN: Outcome = (Class::Target, ErrorKind::Unavailable, Sample::Success, 1);
const DOWN_ONCE: Outcome = (Class::Target, ErrorKind::Unavailable, Sample::Success, 2);
const SLOW: Outcome = (Class::Target, ErrorKind::Timeout, Sample::Success, 2);
const MISSING: Outcome = (Class::Target, ErrorKind::NotFound, Sample::Success, 1);
const CLOSED: Outcome = (Class::Target, ErrorKind::Cancelled, Sample::Success, 1);

/// The codes of the proxy
/// (<https://docs.brightdata.com/proxy-networks/errorCatalog>), row by row.
const BY_THE_PROXY: &[Row] = &[
    (
        ERR,
        "client_10060",
        400,
        CONFIG,
        "the requested ip is not in the zone",
    ),
    (
        ERR,
        "client_10061",
        400,
        CONFIG,
        "the zone has no peer in that country",
    ),
    (
        ERR,
        "client_10062",
        400,
        CONFIG,
        "the zone has no ip in that country",
    ),
    (
        ERR,
        "client_10063",
        400,
        CONFIG,
        "the zone has no ip in that country",
    ),
    (
        ERR,
        "client_10050",
        401,
        CONFIG,
        "the caller's ip is on the account's denylist",
    ),
    (
        ERR,
        "policy_20130",
        402,
        POLICY,
        "the method is refused on residential addresses without verification (KYC)",
    ),
    (
        ERR,
        "policy_20140",
        402,
        POLICY,
        "robots.txt forbids it on residential addresses without verification (KYC)",
    ),
    (
        ERR,
        "client_10070",
        403,
        DEFECT,
        "the request names no protocol",
    ),
    (
        ERR,
        "client_10080",
        403,
        DEFECT,
        "the request names no host",
    ),
    (
        ERR,
        "client_10090",
        403,
        CONFIG,
        "a browser zone cannot be used as a proxy",
    ),
    (
        ERR,
        "client_10130",
        403,
        CONFIG,
        "wrong super proxy for this account",
    ),
    (
        ERR,
        "client_10250",
        403,
        CONFIG,
        "the target is not on the zone's allowlist",
    ),
    (
        ERR,
        "client_10260",
        403,
        CONFIG,
        "the target is on the zone's denylist",
    ),
    (
        ERR,
        "policy_20000",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20030",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20040",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20050",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20051",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20052",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20090",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20110",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20250",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20251",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20260",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20261",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20031",
        403,
        POLICY,
        "the target is blocked by policy",
    ),
    (
        ERR,
        "policy_20010",
        403,
        CONFIG,
        "the protocol or the port is refused",
    ),
    (
        ERR,
        "policy_20020",
        403,
        CONFIG,
        "the protocol or the port is refused",
    ),
    (
        ERR,
        "policy_20240",
        403,
        CONFIG,
        "the protocol or the port is refused",
    ),
    (
        ERR,
        "policy_20080",
        403,
        CONFIG,
        "the target takes residential addresses only",
    ),
    (
        ERR,
        "policy_20091",
        403,
        CONFIG,
        "IPv6 is refused for the target",
    ),
    (
        ERR,
        "policy_20230",
        403,
        CONFIG,
        "the country is not allowed",
    ),
    (
        ERR,
        "kyc_required",
        403,
        POLICY,
        "the account has to be verified first (KYC)",
    ),
    (
        ERR,
        "business_account_required",
        403,
        POLICY,
        "the account has to be a business account",
    ),
    (
        ERR,
        "client_10000",
        407,
        AUTH,
        "wrong customer id or password",
    ),
    (ERR, "client_10010", 407, AUTH, "no credentials"),
    (
        ERR,
        "client_10001",
        407,
        CONFIG,
        "a flag of the user name is malformed, such as the country",
    ),
    (
        ERR,
        "client_10002",
        407,
        CONFIG,
        "the zone is unknown, disabled or deleted",
    ),
    (
        ERR,
        "client_10030",
        407,
        CONFIG,
        "the caller's ip is not on the account's allowlist",
    ),
    (
        ERR,
        "ip_forbidden",
        407,
        CONFIG,
        "the caller's ip is not on the account's allowlist",
    ),
    (
        ERR,
        "policy_20120",
        407,
        CONFIG,
        "the ip parameter is malformed",
    ),
    (
        ERR,
        "client_10020",
        407,
        ACCOUNT,
        "the account is suspended",
    ),
    (
        ERR,
        "client_10040",
        407,
        POLICY,
        "the account has to be verified first (KYC)",
    ),
    (
        ERR,
        "client_10110",
        429,
        THROTTLE,
        "too many requests of the account",
    ),
    (
        ERR,
        "policy_20220",
        429,
        THROTTLE,
        "too many requests to the target",
    ),
    (
        ERR,
        "policy_20222",
        429,
        THROTTLE,
        "too many requests from one ip of the zone",
    ),
    (
        ERR,
        "policy_20223",
        429,
        THROTTLE,
        "too many requests for now",
    ),
    (
        ERR,
        "policy_20221",
        429,
        CONFIG,
        "sites that tell one's address are refused; ask geo.brdtest.com/mygeo.json",
    ),
    (
        ERR,
        "client_10140",
        499,
        CLOSED,
        "the client closed the connection",
    ),
    (
        ERR,
        "client_10100",
        502,
        ACCOUNT,
        "the usage limit of the zone is reached",
    ),
    (
        ERR,
        "client_10120",
        502,
        BLOCKED,
        "the peer cannot reach the target and the direct route is blocked",
    ),
    (ERR, "peer_30030", 502, DOWN, "no peer in that city"),
    (
        ERR,
        "policy_20070",
        502,
        CONFIG,
        "the host is blocked in that country",
    ),
    (
        ERR,
        "target_40011",
        502,
        CONFIG,
        "the host has no IPv6 address",
    ),
    (
        ERR,
        "target_40001",
        502,
        MISSING,
        "the host does not resolve",
    ),
];

/// The codes of the unlocker
/// (<https://docs.brightdata.com/scraping-automation/web-unlocker/error-codes>), row by row.
const BY_THE_UNLOCKER: &[Row] = &[
    (
        ERROR,
        "premium",
        400,
        CONFIG,
        "the domain needs premium domains on the zone",
    ),
    (
        ERROR,
        "feature_not_active",
        400,
        CONFIG,
        "the zone lacks the feature that the request asks for",
    ),
    (ERROR, "validation", 400, CONFIG, "the request is malformed"),
    (
        ERROR,
        "ub_bad_endpoint_robots",
        400,
        POLICY,
        "robots.txt forbids it without verification (KYC)",
    ),
    (
        ERROR,
        "sr_rate_limit",
        429,
        THROTTLE,
        "too many requests to the target",
    ),
    (ERROR, "rate_limit", 502, THROTTLE, "too many connections"),
    (
        ERROR,
        "reject_block",
        502,
        BLOCKED,
        "captcha or block page detected",
    ),
    (
        ERROR,
        "resolve_failed_hcaptcha",
        502,
        BLOCKED,
        "the captcha was not solved",
    ),
    (
        ERROR,
        "resolve_failed_x",
        502,
        BLOCKED,
        "the captcha was not solved",
    ),
    (
        ERROR,
        "http_status",
        502,
        BLOCKED_ONCE,
        "the target answered with a blocking status",
    ),
    (ERROR, "captcha", 502, BLOCKED_ONCE, "captcha detected"),
    (
        ERROR,
        "dd_hardblock",
        502,
        BLOCKED_ONCE,
        "the target blocks hard",
    ),
    (
        ERROR,
        "expect_element",
        502,
        MISSING,
        "the awaited element is not on the page",
    ),
    (
        ERROR,
        "proxy_error",
        502,
        MISSING,
        "the target cannot be reached, most likely its host does not resolve",
    ),
    (
        ERROR,
        "navigation_timeout",
        502,
        SLOW,
        "the page is too slow",
    ),
    (
        ERROR,
        "domcontentloaded_event_timeout",
        502,
        SLOW,
        "the page is too slow",
    ),
    (ERROR, "proxy_timeout", 502, SLOW, "the peer is too slow"),
    (
        ERROR,
        "document_load_failed",
        502,
        DOWN_ONCE,
        "the page does not load",
    ),
    (
        ERROR,
        "net_err_closed",
        502,
        DOWN_ONCE,
        "the target closed the connection",
    ),
    (
        ERROR,
        "net_err_cert_date_invalid",
        502,
        DOWN,
        "the target's certificate has expired",
    ),
    (
        ERROR,
        "net_err_cert_common_name_invalid",
        502,
        DOWN,
        "the target's certificate is for another name",
    ),
    (
        ERROR,
        "net_err_cert_authority_invalid",
        502,
        DOWN,
        "the target's certificate has an unknown issuer",
    ),
    (ERROR, "no_peers", 502, DOWN, "no peer in that country"),
];

fn documented() -> impl Iterator<Item = &'static Row> {
    BY_THE_PROXY.iter().chain(BY_THE_UNLOCKER)
}

async fn assert_outcome(
    answer: Scripted,
    (class, kind, sample, attempts): Outcome,
    message: &str,
) -> Error {
    // So that a throttled call comes back at once.
    let (server, adapter) = start(vec![answer.header("retry-after", "0")]).await;
    let error: Error = call(&adapter, FetchPage::new("https://example.org/a?key=1"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("brightdata fetch_page: https://example.org/a: {message}")
    );
    assert_eq!((error.kind(), error.sample()), (kind, sample), "{message}");
    assert_eq!(error.again() != Again::No, attempts == 3, "{message}");
    assert_eq!(server.requests().len(), attempts, "{message}");
    assert_eq!(Refusal::of(&error).unwrap().class(), class, "{message}");
    error
}

#[tokio::test]
async fn every_documented_code_becomes_its_error_and_is_tried_as_often_as_it_is_worth() {
    for (header, code, status, outcome, message) in documented() {
        let answer = Scripted::status(200)
            .header("x-brd-error", "the vendor's words")
            .header(header, code)
            .header("x-brd-status-code", &status.to_string());
        let message = format!("{message} ({code}, status {status})");
        let error = assert_outcome(answer, *outcome, &message).await;
        let refusal = Refusal::of(&error).unwrap();
        assert_eq!((refusal.code(), refusal.status()), (Some(*code), *status));
    }
}

#[tokio::test]
async fn a_failure_of_the_unlocker_without_a_code_goes_by_its_status() {
    for (status, outcome, message) in [
        (400, CONFIG, "the request is refused as wrong"),
        (403, POLICY, "the request is refused by policy"),
        (429, THROTTLE, "too many requests"),
        (
            502,
            (Class::Vendor, ErrorKind::Unavailable, Sample::Failure, 2),
            "the request failed for a reason that is not known",
        ),
        (503, BLOCKED, "the browser check failed"),
    ] {
        let answer = Scripted::status(200)
            .header("x-brd-error", "the vendor's words")
            .header("x-brd-status-code", &status.to_string());
        assert_outcome(answer, outcome, &format!("{message} (status {status})")).await;
    }
}

#[test]
fn the_catalogue_holds_what_is_documented_and_no_code_twice() {
    for entry in CodeEntry::all() {
        let beginning = entry.code.trim_end_matches('*');
        assert!(
            documented().any(|(_, code, ..)| code.starts_with(beginning)),
            "{} is tried",
            entry.code
        );
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
async fn real_statuses_of_the_interface_have_class_kind_verdict_and_message() {
    const DOWN: Outcome = (Class::Vendor, ErrorKind::Unavailable, Sample::Failure, 3);
    const SLOW: Outcome = (Class::Vendor, ErrorKind::Timeout, Sample::Failure, 3);
    let validation =
        r#"{"error":"Request validation failed","error_code":"validation","details":["url"]}"#;
    let kyc = r#"{"error":{"code":"kyc_required","message":"verify"}}"#;
    let business = r#"{"error":{"code":"business_account_required","message":"verify"}}"#;
    let zone = "zone \"nope\" not found";
    for (status, body, outcome, message) in [
        (
            400,
            zone,
            CONFIG,
            "there is no such zone in the account (status 400)",
        ),
        (
            400,
            validation,
            CONFIG,
            "the request is malformed (validation, status 400)",
        ),
        (
            400,
            "no url",
            CONFIG,
            "the request is refused: no url (status 400)",
        ),
        (
            401,
            "Auth method is not supported",
            AUTH,
            "the api key is not valid (status 401)",
        ),
        (
            401,
            "User authentication is required",
            AUTH,
            "the api key is missing (status 401)",
        ),
        (
            402,
            "",
            ACCOUNT,
            "the account has to be paid for (status 402)",
        ),
        (
            403,
            kyc,
            POLICY,
            "the account has to be verified first (KYC) (kyc_required, status 403)",
        ),
        (
            403,
            business,
            POLICY,
            "the account has to be a business account (business_account_required, status 403)",
        ),
        (
            403,
            "",
            POLICY,
            "the request is refused by policy (status 403)",
        ),
        (429, "", THROTTLE, "too many requests (status 429)"),
        (500, "<html>oops", DOWN, "the service failed (status 500)"),
        (502, "", DOWN, "the service failed (status 502)"),
        (503, "", DOWN, "the service failed (status 503)"),
        (
            504,
            "",
            SLOW,
            "the service did not answer in time (status 504)",
        ),
    ] {
        assert_outcome(Scripted::text(status, body), outcome, message).await;
    }
}

#[tokio::test]
async fn the_cause_of_an_error_says_what_its_message_does_not() {
    let (_server, adapter) = start(vec![Scripted::text(401, "Auth method is not supported")]).await;
    let error: Error = call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "class auth, retry never");
    assert!(cause.source().is_none());
    // Where there is no error around it, it says everything itself.
    let refusal = judge(401, &[], b"Auth method is not supported").unwrap_err();
    assert_eq!(refusal.to_string(), "the api key is not valid (status 401)");
}
