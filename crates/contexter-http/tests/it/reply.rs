//! Reading a reply.

use std::time::Duration;

use contexter_http::{Api, Auth, Client, Config, Reply};
use contexter_model::ErrorKind;
use contexter_testkit::{Scripted, ScriptedServer};
use serde::Deserialize;
use serde_json::{Value, json};

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    Reply::new(status, headers.iter().copied(), body.to_owned()).unwrap()
}

#[derive(Debug, Deserialize, PartialEq)]
struct Vector {
    values: Vec<f32>,
}

#[test]
fn json_is_read_whatever_its_content_type() {
    let expected = Vector { values: vec![1.0] };
    for headers in [
        &[][..],
        &[("content-type", "text/html")],
        &[("content-type", "application/json")],
    ] {
        let read: Vector = reply(200, headers, r#"{"values":[1]}"#).json().unwrap();
        assert_eq!(read, expected);
    }
    let marked: Vector = reply(200, &[], "\u{feff}{\"values\":[1]}").json().unwrap();
    assert_eq!(marked, expected);
}

#[test]
fn what_is_not_the_json_expected_says_where_but_not_what() {
    for (body, message) in [
        ("", "the body is empty, expected json (text/html, 200 OK)"),
        (
            " \n",
            "the body is empty, expected json (text/html, 200 OK)",
        ),
        (
            "<html>s3cret</html>",
            "the body is not the json expected: expected value at line 1 column 1 \
             (text/html, 200 OK)",
        ),
        (
            r#"{"values":[1,"#,
            "the body is not the json expected: EOF while parsing a value at line 1 column 13 \
             (text/html, 200 OK)",
        ),
        (
            r#"{"values":"s3cret"}"#,
            "the body is not the json expected: invalid type: string \"…\", expected a sequence \
             at line 1 column 18 (text/html, 200 OK)",
        ),
        (
            "{}",
            "the body is not the json expected: missing field `values` at line 1 column 2 \
             (text/html, 200 OK)",
        ),
    ] {
        let reply = reply(
            200,
            &[("content-type", "text/html"), ("cf-ray", "8a-FRA")],
            body,
        );
        let error = reply.json::<Vector>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(error.message(), message);
        assert_eq!(error.request_id(), Some("8a-FRA"));
        assert!(
            !crate::shown::everything(&error).contains("s3cret"),
            "{error:?}"
        );
    }
}

#[test]
fn nesting_without_end_is_refused() {
    let error = reply(200, &[], &"[".repeat(100_000))
        .json::<Value>()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[test]
fn what_is_no_text_is_against_the_protocol() {
    let reply = Reply::new(200, [], &b"ab\xff\xfe"[..]).unwrap();
    let error = reply.text().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(
        error.message(),
        "the body is no text: not utf-8 at byte 2 of 4 (no content type, 200 OK)"
    );
    assert_eq!(reply.bytes(), &b"ab\xff\xfe"[..]);
}

#[test]
fn the_id_of_a_request_is_found_under_its_many_names() {
    for name in ["x-request-id", "request-id", "x-amzn-requestid", "cf-ray"] {
        assert_eq!(
            reply(200, &[(name, "id-1")], "").request_id(),
            Some("id-1"),
            "{name}"
        );
    }
    let both = [("cf-ray", "ray"), ("x-request-id", "id")];
    assert_eq!(reply(200, &both, "").request_id(), Some("id"));
    let long = "x".repeat(129);
    for id in ["", " ", "two words", &long] {
        assert_eq!(
            reply(200, &[("x-request-id", id)], "").request_id(),
            None,
            "{id:?}"
        );
    }
}

#[test]
fn waits_and_quotas_are_read() {
    let reply = reply(
        429,
        &[
            ("retry-after", "7"),
            ("ratelimit-limit", "60"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "30"),
        ],
        "",
    );
    assert_eq!(reply.retry_after(), Some(Duration::from_secs(7)));
    let quota = reply.rate_limit();
    assert_eq!((quota.limit, quota.remaining), (Some(60), Some(0)));
    assert_eq!(quota.reset, Some(Duration::from_secs(30)));
}

#[test]
fn an_error_has_the_kind_of_its_status_and_what_the_service_said() {
    let reply = reply(
        429,
        &[
            ("retry-after", "7"),
            ("x-request-id", "id-1"),
            ("x-a", "\u{7f}"),
        ],
        "",
    );
    let error = reply.error(" slow\r\n down ");
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.message(), "answered 429 Too Many Requests: slow down");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(error.request_id(), Some("id-1"));
    let error = reply.error_of(ErrorKind::QuotaExhausted, "");
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
    assert_eq!(
        error.to_string(),
        "answered 429 Too Many Requests (request id-1)"
    );
    assert_eq!(
        Reply::new(299, [], "").unwrap().error("").message(),
        "answered 299"
    );
    assert_eq!(
        Reply::new(99, [], "").unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn an_error_names_service_and_operation_or_else_the_url() {
    let script = vec![Scripted::json(404, json!({ "detail": "no such thing" }))];
    let server = ScriptedServer::start(script).await;
    let client = Client::new(&Config::default()).unwrap();
    let api = Api::new(&client, &server.base_url(), Auth::None).unwrap();
    let reply = api.get("x").query("key", "s3cret").send().await.unwrap();
    assert_eq!(
        reply.error("no such thing").to_string(),
        format!(
            "{}/x answered 404 Not Found: no such thing",
            server.base_url()
        )
    );
    let api = api.with_service("example");
    let reply = api.get("x").operation("find").send().await.unwrap();
    assert_eq!(
        reply.error("no such thing").to_string(),
        "example find: answered 404 Not Found: no such thing"
    );
}

#[test]
fn a_body_is_not_shown() {
    let reply = reply(
        200,
        &[
            ("set-cookie", "id=s3cret"),
            ("x-api-key", "s3cret"),
            ("x-a", "b"),
        ],
        "s3cret",
    );
    let shown = format!("{reply:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("\"x-a\": \"b\""), "{shown}");
    let headers: Vec<_> = reply.headers().filter(|(name, _)| *name == "x-a").collect();
    assert_eq!(headers, [("x-a", "b".into())]);
}

#[test]
fn a_header_that_is_no_ascii_is_there_all_the_same() {
    let reply = reply(200, &[("x-a", "caf\u{e9}")], "");
    assert_eq!(reply.header("x-a"), None);
    let headers: Vec<_> = reply.headers().collect();
    assert_eq!(headers, [("x-a", "caf\u{e9}".into())]);
}
