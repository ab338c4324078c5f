//! The key is nowhere but in the header of a request.

use contexter_adapter::ServiceAdapter;
use contexter_context7::{Config, Context7Adapter, Form, SearchLibraries};
use contexter_model::Error;
use contexter_testkit::Scripted;
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
