//! The key is nowhere but in the header of a request.

use contexter_adapter::ServiceAdapter;
use contexter_context7::answer::{Answer, Judge};
use contexter_context7::{Config, Context7Adapter, Form, SearchLibraries};
use contexter_http::{Client, Proxy};
use contexter_model::{Error, ErrorKind};
use contexter_service::Service as _;
use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::json;

use crate::support::{KEY, ask, plain, rig};

fn assert_no_key(shown: &str) {
    assert!(!shown.contains(KEY), "{shown}");
    assert!(!shown.contains("hidden"), "{shown}");
}

fn assert_clean(error: &Error) {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        assert_no_key(&format!("{error} {error:?}"));
        cause = error.source();
    }
    let line = error.to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(!line.contains('?'), "no query string: {line}");
}

#[tokio::test]
async fn no_error_repeats_the_key_even_where_the_service_does() {
    let says = |status: u16| {
        Scripted::json(
            status,
            json!({
                "error": format!("bad key {KEY}"),
                "message": format!("Invalid key {KEY}, not ctx7sk-another-one."),
                "redirectUrl": format!("{KEY} is no id"),
            }),
        )
        .header("x-request-id", KEY)
    };
    for status in [200, 202, 301, 400, 401, 402, 403, 404, 429, 500] {
        let rig = rig(vec![says(status)]).await;
        for form in [Form::Json, Form::Text] {
            let error = rig.call(ask("/a/b").form(form)).await.unwrap_err();
            assert_clean(&error);
            assert!(!error.to_string().contains("another-one"), "{error}");
        }
    }
    let rig = rig(vec![
        Scripted::close(),
        Scripted::text(200, KEY),
        Scripted::status(200).header("content-type", KEY).body("{"),
        Scripted::raw(format!("{KEY}\r\n\r\n")),
    ])
    .await;
    for _ in 0..4 {
        assert_clean(&rig.call(ask("/a/b")).await.unwrap_err());
    }
}

#[tokio::test]
async fn nothing_that_is_shown_holds_the_key() {
    let rig = rig(vec![Scripted::json(
        401,
        json!({"error": "invalid_api_key"}),
    )])
    .await;
    rig.call(SearchLibraries::new("x")).await.unwrap_err();
    assert_no_key(&format!("{:?}", rig.adapter));
    assert_no_key(&format!("{:?}", rig.adapter.snapshot()));
    assert_no_key(&format!("{:?}", rig.adapter.health_check().await));
    assert_no_key(&format!("{:?}", plain()));
    assert_no_key(&serde_json::to_string(&plain()).unwrap());
}

#[test]
fn a_key_goes_to_no_other_machine_in_the_clear() {
    let config = Config::new(KEY).with_base_url("http://context7.example/api");
    let error = Context7Adapter::new(config).unwrap_err();
    assert_clean(&error);
    let config =
        Config::new("ctx7sk-line\nbreak-hidden").with_base_url("https://context7.example/api");
    assert_clean(&Context7Adapter::new(config).unwrap_err());
}

#[tokio::test]
async fn no_password_of_the_callers_own_client_is_repeated() {
    const PASSWORD: &str = "proxy_passw0rd";

    let says = json!({ "error": PASSWORD, "message": format!("no {PASSWORD}, go") });
    let server = ScriptedServer::start(vec![Scripted::json(400, says)]).await;
    let proxy = Proxy::new("http://127.0.0.1:9")
        .unwrap()
        .basic_auth("user", PASSWORD)
        .except("127.0.0.1");
    let http = Client::new(&contexter_http::Config::default().proxy(proxy)).unwrap();
    let config = plain().with_base_url(format!("{}/api", server.base_url()));
    let stack = config.stack().build().unwrap();
    let adapter = Context7Adapter::with_http(config, &http, stack).unwrap();
    let search = adapter.capabilities().handle::<SearchLibraries>().unwrap();
    let error = search.call(SearchLibraries::new("x")).await.unwrap_err();
    assert!(error.message().ends_with("no [redacted], go"), "{error}");
    assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
}

#[test]
fn a_key_in_the_place_of_a_code_or_of_an_id_is_told_as_that() {
    let judge = Judge::new(&Config::new("key_of_0urs"));
    let body = br#"{"error": "key_of_0urs"}"#;
    let failure = judge.failure(&Answer::new(400, body), "/a/b");
    assert_eq!(failure.code(), None);
    assert_eq!(
        failure.error().message(),
        "the request about /a/b was refused (400): [redacted]"
    );

    let body = br#"{"error": "library_redirected", "redirectUrl": "/key_of_0urs/b"}"#;
    let failure = judge.failure(&Answer::new(301, body), "/a/b");
    assert_eq!(failure.moved(), None);
    assert_eq!(failure.error().kind(), ErrorKind::Protocol);
    assert_eq!(
        failure.error().message(),
        "/a/b has moved to \"/[redacted]/b\", which repeats a key and is not asked for \
         (301)"
    );
}
