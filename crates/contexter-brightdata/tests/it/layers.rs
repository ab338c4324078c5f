//! The status of an answer decides last, and an empty success is none.

use contexter_brightdata::{Class, Envelope, Refusal, Retry, Unlock, judge, judge_proxied};
use contexter_model::{ErrorKind, FetchPage, PageFormat};
use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::json;

use super::fixture::{adapter, call, config, failure, start};

#[tokio::test]
async fn an_empty_200_of_a_blocked_page_is_never_content() {
    let blocked = failure("reject_block", 502, "captcha or protection page found");
    let (server, adapter) = start(vec![blocked]).await;
    let error = call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    assert_eq!(Refusal::of(&error).unwrap().class(), Class::Blocked);
    assert_eq!(server.requests().len(), 3);

    for body in ["", " \r\n\t "] {
        let (server, adapter) = start(vec![Scripted::text(200, body)]).await;
        let error = call(&adapter, FetchPage::new("https://example.org/"))
            .await
            .unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().class(), Class::Empty);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        // Once more: an empty answer without a code may be an accident.
        assert_eq!(server.requests().len(), 2, "{body:?}");
    }
}

#[tokio::test]
async fn a_failure_with_a_body_is_no_content_either() {
    let answer = failure("reject_block", 502, "blocked").body("<html>please solve this</html>");
    let (_server, adapter) = start(vec![answer]).await;
    let error = call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_failure_that_is_told_in_other_letters_is_one_too() {
    for letters in [&b"p\xc3\xa1gina de captcha"[..], b"p\xe1gina de captcha"] {
        let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\nx-brd-error: ";
        let body = b"\r\n\r\n<html>please solve this</html>";
        let (_server, adapter) =
            start(vec![Scripted::raw([&head[..], letters, body].concat())]).await;
        let error = call(&adapter, FetchPage::new("https://example.org/"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}

#[tokio::test]
async fn what_the_second_attempt_gets_is_a_page() {
    let script = vec![
        failure("reject_block", 502, "blocked"),
        Scripted::text(200, "# Title\n\ntext").header("x-brd-status-code", "200"),
    ];
    let (server, adapter) = start(script).await;
    let page = call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap();
    assert_eq!((page.status, page.text.as_str()), (200, "# Title\n\ntext"));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn failures_within_the_envelope_are_seen() {
    for (headers, code) in [
        (
            json!({ "x-brd-error-code": "reject_block" }),
            Some("reject_block"),
        ),
        (
            json!({ "X-Brd-Err-Code": ["policy_20050"] }),
            Some("policy_20050"),
        ),
        (json!({ "x-brd-error": "no code" }), None),
    ] {
        let body = json!({ "status_code": 200, "headers": headers, "body": "<html>" });
        let (_server, adapter) = start(vec![Scripted::json(200, body)]).await;
        let unlock = Unlock::new("https://example.org/").envelope(Envelope::Json);
        let error = call(&adapter, unlock).await.unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().code(), code, "{headers}");
    }
}

#[tokio::test]
async fn the_envelope_gives_status_headers_and_body_of_the_target() {
    let body = json!({
        "status_code": 404,
        "headers": { "content-type": "text/html", "set-cookie": ["a=1", "b=2"] },
        "body": "<p>gone",
    });
    let (_server, adapter) = start(vec![Scripted::json(200, body)]).await;
    let unlock = Unlock::new("https://example.org/").envelope(Envelope::Json);
    let reply = call(&adapter, unlock).await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (404, &b"<p>gone"[..]));
    assert_eq!(reply.content_type(), Some("text/html"));
    let cookies = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    assert_eq!(cookies.count(), 2);
}

#[tokio::test]
async fn an_empty_envelope_is_no_content() {
    let body = json!({ "status_code": 200, "headers": {}, "body": "" });
    let (_server, adapter) = start(vec![Scripted::json(200, body)]).await;
    let unlock = Unlock::new("https://example.org/").envelope(Envelope::Json);
    let error = call(&adapter, unlock).await.unwrap_err();
    assert_eq!(Refusal::of(&error).unwrap().class(), Class::Empty);
}

#[tokio::test]
async fn an_error_page_of_the_target_is_its_answer_and_no_page() {
    for (status, kind) in [
        ("404", ErrorKind::NotFound),
        ("410", ErrorKind::NotFound),
        ("403", ErrorKind::Unauthorized),
        ("429", ErrorKind::RateLimited),
        ("500", ErrorKind::Unavailable),
    ] {
        let answer = Scripted::text(200, "<h1>sorry</h1>").header("x-brd-status-code", status);
        let (server, adapter) = start(vec![answer]).await;
        let reply = call(&adapter, Unlock::new("https://example.org/x"))
            .await
            .unwrap();
        assert_eq!(reply.status.to_string(), status);
        let error = call(&adapter, FetchPage::new("https://example.org/x"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(
            error.message(),
            format!("https://example.org/x: the page answers {status} (status {status})")
        );
        // It is the target that says so: the vendor's budget of refusals is not touched.
        assert_eq!(adapter.throttle_budget().left(), 8);
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_target_that_really_sends_nothing_is_told_by_its_status() {
    for status in ["204", "205", "304", "404", "500"] {
        assert!(
            judge(200, &[("x-brd-status-code", status)], b"").is_ok(),
            "{status}"
        );
    }
    assert!(judge(200, &[("x-brd-status-code", "200")], b"").is_err());
}

#[test]
fn through_the_proxy_the_status_is_the_targets_unless_the_headers_say_more() {
    for status in [200, 404, 403, 429, 502] {
        assert_eq!(judge_proxied(status, &[], b"page").unwrap().status, status);
    }
    let refused = judge_proxied(407, &[], b"").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthorized);
    let kyc = br#"{"error":{"code":"kyc_required"}}"#;
    assert_eq!(
        judge_proxied(403, &[], kyc).unwrap_err().class(),
        Class::Policy
    );
    assert!(judge_proxied(200, &[], b"").is_err());
}

#[test]
fn what_the_vendor_says_about_billing_is_read() {
    let headers = [
        (
            "x-brd-debug",
            "req_id=abc123; bytes_up=10; billed=true; peer_country=de",
        ),
        ("x-brd-error-code", "reject_block"),
    ];
    let refusal = judge(200, &headers, b"").unwrap_err();
    assert_eq!(
        (refusal.billed(), refusal.retry()),
        (Some(true), Retry::Repeat)
    );
}

#[tokio::test]
async fn a_failure_that_is_billed_is_counted_and_not_repeated() {
    let billed =
        failure("reject_block", 502, "blocked").header("x-brd-debug", "billed=true; bytes_down=7");
    let (server, adapter) = start(vec![billed]).await;
    let error = call(&adapter, FetchPage::new("https://example.org/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.requests().len(), 1);
    let usage = adapter.usage();
    assert_eq!(
        (usage.requests, usage.billed, usage.billed_failures),
        (1, 1, 1)
    );
    assert_eq!((usage.unbilled, usage.bytes_down), (0, 7));
}

#[tokio::test]
async fn failures_are_free_and_successes_are_billed_where_nothing_is_said() {
    let script = vec![
        failure("reject_block", 502, "blocked"),
        failure("reject_block", 502, "blocked"),
        Scripted::text(200, "page"),
    ];
    let (_server, adapter) = start(script).await;
    call(
        &adapter,
        FetchPage::new("https://example.org/").format(PageFormat::Html),
    )
    .await
    .unwrap();
    let usage = adapter.usage();
    assert_eq!((usage.requests, usage.billed, usage.unbilled), (3, 1, 2));
    assert_eq!((usage.billed_failures, usage.uncertain), (0, 0));
}

#[tokio::test]
async fn a_zone_that_bills_failures_bills_none_that_are_turned_away() {
    let throttled = Scripted::status(200)
        .header("x-brd-err-code", "client_10110")
        .header("retry-after", "0");
    let server = ScriptedServer::start(vec![throttled, Scripted::text(200, "page")]).await;
    let bills = adapter(&config(&server).with_bills_failures(true));
    let page = FetchPage::new("https://example.org/");
    call(&bills, page.clone()).await.unwrap();
    let usage = bills.usage();
    assert_eq!(
        (usage.billed, usage.billed_failures, usage.unbilled),
        (1, 0, 1)
    );

    let blocked = failure("reject_block", 502, "blocked");
    let server = ScriptedServer::start(vec![blocked]).await;
    let bills = adapter(&config(&server).with_bills_failures(true));
    let error = call(&bills, page).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(bills.usage().billed_failures, 1);
    // The vendor has not said so.
    assert_eq!(Refusal::of(&error).unwrap().billed(), None);
}

#[tokio::test]
async fn what_the_envelope_tells_of_the_request_is_read() {
    let told = "req_id=abc-1; bytes_up=3; bytes_down=7; billed=false";
    let enclosed = |code: &str| {
        let headers = json!({ "X-Brd-Debug": told, "x-brd-error-code": code });
        let body = json!({ "status_code": 200, "headers": headers, "body": "x" });
        Scripted::json(200, body)
    };
    let unlock = Unlock::new("https://example.org/").envelope(Envelope::Json);
    let (_server, adapter) = start(vec![enclosed(""), enclosed("premium")]).await;
    call(&adapter, unlock.clone()).await.unwrap();
    let usage = adapter.usage();
    assert_eq!((usage.bytes_up, usage.bytes_down), (3, 7));
    let error = call(&adapter, unlock).await.unwrap_err();
    assert_eq!(error.request_id(), Some("abc-1"));
    assert_eq!(adapter.usage().bytes_down, 14);
}
