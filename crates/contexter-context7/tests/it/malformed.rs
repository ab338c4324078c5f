//! Replies that are not what they say they are.

use contexter_adapter::ServiceAdapter;
use contexter_context7::{Form, LegacyEndpoint, ReadLegacy, SearchContext, SearchLibraries};
use contexter_model::{Error, ErrorKind, FetchDocs, ResolveLibrary};
use contexter_testkit::Scripted;
use serde_json::json;

use crate::support::{ask, documentation, id, rig};

fn json_reply(body: &str) -> Scripted {
    Scripted::status(200)
        .header("content-type", "application/json")
        .body(body)
}

async fn context(reply: Scripted, form: Form) -> Error {
    let rig = rig(vec![reply]).await;
    let outcome = rig.call(ask("/a/b").form(form)).await;
    assert_eq!(rig.paths().len(), 1);
    outcome.unwrap_err()
}

#[tokio::test]
async fn a_body_that_is_no_documentation_is_an_error_of_the_protocol() {
    for (reply, message) in [
        (
            json_reply("{\"codeSnippets\": ["),
            "the reply (200, application/json) is no JSON: EOF while parsing a list at line 1 \
             column 18",
        ),
        (
            json_reply("[]"),
            "the reply (200, application/json) holds neither codeSnippets nor infoSnippets",
        ),
        (
            json_reply("null"),
            "the reply (200, application/json) holds neither codeSnippets nor infoSnippets",
        ),
        (
            json_reply("{}"),
            "the reply (200, application/json) holds neither codeSnippets nor infoSnippets",
        ),
        (
            json_reply("{\"codeSnippets\": {}}"),
            "the reply (200, application/json) holds codeSnippets, which is no list",
        ),
        (
            json_reply("{\"codeSnippets\": [1, {}], \"infoSnippets\": [{\"content\": \" \"}]}"),
            "the reply (200, application/json) holds 3 snippets, and none has content",
        ),
        (
            Scripted::status(200).body("plain words"),
            "the reply (200, no content type) is no JSON: expected value at line 1 column 1",
        ),
        (
            Scripted::status(200).body(&b"\xff\xfe{}"[..]),
            "the reply (200, no content type) is no JSON: expected value at line 1 column 1",
        ),
    ] {
        let error = context(reply, Form::Json).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{message}");
        assert_eq!(error.message(), message);
    }
    let error = context(Scripted::status(200).body(&b"\xff\xfe"[..]), Form::Text).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("is no UTF-8 text"), "{error}");
}

#[tokio::test]
async fn deep_nesting_is_an_error_and_not_the_end() {
    let error = context(json_reply(&"[".repeat(100_000)), Form::Json).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_page_of_html_is_never_documentation() {
    let pages = [
        Scripted::status(200)
            .header("content-type", "text/html")
            .body("just a moment…"),
        Scripted::status(200)
            .header("content-type", "text/plain")
            .body("\n <!doctype HTML><html>502</html>"),
        Scripted::status(200).body("<HTML lang=en>challenge</HTML>"),
        Scripted::status(200).body("\u{feff}<!doctype html>challenge"),
        Scripted::status(200).body("\u{85}\u{0}<html>challenge"),
    ];
    for page in pages {
        for form in [Form::Json, Form::Text] {
            let error = context(page.clone(), form).await;
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(error.message().contains("is a page of HTML"), "{error}");
            assert!(!error.message().contains("challenge"), "{error}");
        }
        let rig = rig(vec![page]).await;
        let fetch = FetchDocs {
            library: id("/a/b"),
            cursor: None,
            limit: 10,
        };
        assert_eq!(
            rig.call(fetch).await.unwrap_err().kind(),
            ErrorKind::Protocol
        );
        let error = rig.call(SearchLibraries::new("x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn an_error_in_the_clothes_of_a_success_is_an_error() {
    let body = json!({"error": "internal_error", "message": "Oops"});
    for form in [Form::Json, Form::Text] {
        let error = context(Scripted::json(200, body.clone()), form).await;
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(
            error.message(),
            "the service answered out of turn (200 internal_error): Oops"
        );
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_an_answer() {
    let marked = format!("\u{feff}{}", documentation());
    let rig = rig(vec![
        json_reply(&marked),
        Scripted::text(200, "\u{feff}text"),
    ])
    .await;
    let context = rig.call(ask("/a/b")).await.unwrap();
    assert_eq!(context.content.snippets().unwrap().code.len(), 1);
    let context = rig.call(ask("/a/b").form(Form::Text)).await.unwrap();
    assert_eq!(context.content.text(), Some("text"));
}

#[tokio::test]
async fn an_empty_body_means_that_there_is_nothing() {
    for body in ["", " \n\t", "\u{feff}\u{a0}"] {
        for form in [Form::Json, Form::Text] {
            let reply = Scripted::status(200).body(body);
            let error = context(reply, form).await;
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert_eq!(
                error.message(),
                "/a/b is unknown or not finalized: the reply is empty"
            );
        }
    }
}

#[tokio::test]
async fn odd_entries_cost_only_themselves() {
    let mut reply = documentation();
    reply["codeSnippets"]
        .as_array_mut()
        .unwrap()
        .extend([json!(7), json!({"codeList": [{"code": 1}]})]);
    reply["infoSnippets"][0]["contentTokens"] = json!("many");
    reply["rules"] = json!([1]);
    let rig = rig(vec![
        Scripted::json(200, reply),
        Scripted::json(
            200,
            json!({"results": [
                {"id": "no-slash"}, {"title": "no id"}, null,
                {"id": "/a/b", "stars": 1.0, "versions": [1, "v1"], "lastUpdateDate": "soon",
                 "totalTokens": 1e300, "state": 4, "trustScore": "high"}
            ]}),
        ),
    ])
    .await;
    let context = rig.call(ask("/a/b")).await.unwrap();
    let snippets = context.content.snippets().unwrap();
    assert_eq!((snippets.code.len(), snippets.unreadable), (1, 2));
    assert_eq!(snippets.info[0].tokens, None);
    let found = rig.call(SearchLibraries::new("b")).await.unwrap();
    assert_eq!((found.libraries.len(), found.unreadable), (1, 3));
    let library = &found.libraries[0];
    assert_eq!(library.stars, Some(1));
    assert_eq!(library.versions, ["v1"]);
    assert_eq!(
        (library.last_update, library.total_tokens, &library.state),
        (None, None, &None)
    );
}

#[tokio::test]
async fn what_holds_no_results_is_an_error() {
    for body in [
        json!({"results": 1}),
        json!({"results": [{"title": "no id"}, []]}),
        json!([[]]),
        json!({}),
        json!("x"),
    ] {
        let rig = rig(vec![Scripted::json(200, body)]).await;
        let error = rig.call(SearchLibraries::new("x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn results_of_which_none_can_be_read_are_no_failure_of_the_service() {
    let body = json!({"results": [{"id": "x"}, {"id": "/a/b@1/2"}, {"title": "no id"}]});
    let rig = rig(vec![Scripted::json(200, body)]).await;
    for _ in 0..20 {
        let found = rig.call(SearchLibraries::new("x")).await.unwrap();
        assert_eq!((found.libraries.len(), found.unreadable), (0, 3));
    }
    let resolve = ResolveLibrary {
        name: "x".to_owned(),
        limit: 3,
    };
    assert!(rig.call(resolve).await.unwrap().is_empty());
    let state = rig.adapter.snapshot().breaker_state;
    assert_eq!(state.as_deref(), Some("closed"));
    assert!(rig.adapter.health_check().await.is_healthy());
    assert_eq!(rig.paths().len(), 21);
}

#[tokio::test]
async fn packages_with_a_scope_are_found_and_read() {
    let results = json!({"results": [{"id": "/npm/@babel/core", "versions": ["7.0.0"]}]});
    let rig = rig(vec![
        Scripted::json(200, results),
        Scripted::json(200, documentation()),
    ])
    .await;
    let found = rig.call(SearchLibraries::new("babel")).await.unwrap();
    assert_eq!(found.unreadable, 0);
    let library = &found.libraries[0];
    assert_eq!(
        (library.id.as_str(), library.title.as_str()),
        ("/npm/@babel/core", "@babel/core")
    );
    let context = rig.call(ask(library.id.as_str())).await.unwrap();
    assert_eq!(context.library, library.id);
    let path = &rig.paths()[1];
    assert!(
        path.contains("libraryId=%2Fnpm%2F%40babel%2Fcore&"),
        "{path}"
    );
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_worth_another_call() {
    let body = documentation().to_string();
    for reply in [
        Scripted::close(),
        json_reply(&body).truncated(),
        json_reply(&body).reset_after(10),
        Scripted::raw("HTTP/1.1 200"),
    ] {
        let error = context(reply, Form::Json).await;
        assert!(
            matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Protocol),
            "{error:?}"
        );
        assert_eq!(error.service(), Some("context7"));
    }
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let huge = "x".repeat(17 << 20);
    let error = context(Scripted::text(200, huge), Form::Text).await;
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn every_call_survives_every_odd_reply() {
    let replies = || {
        vec![
            json_reply("{"),
            json_reply("[[[]]]"),
            json_reply("{\"error\": 5}"),
            json_reply("{\"error\": {\"code\": \"x\", \"message\": 3}}"),
            json_reply("{\"redirectUrl\": \"/a/b\"}"),
            Scripted::status(301).body("{\"redirectUrl\": 7}"),
            Scripted::status(202).body("<html>"),
            Scripted::status(429).body("{\"retryAfterSeconds\": -1}"),
            Scripted::status(429).body("{\"retryAfterSeconds\": 1e400}"),
            Scripted::status(599).body(&b"\xff"[..]),
        ]
    };
    for reply in replies() {
        let rig = rig(vec![reply]).await;
        let endpoint = LegacyEndpoint::V1 { tokens: None };
        assert!(rig.call(ask("/a/b")).await.is_err());
        assert!(rig.call(SearchContext::new("x")).await.is_err());
        assert!(
            rig.call(ReadLegacy::new(id("/a/b"), endpoint).form(Form::Json))
                .await
                .is_err()
        );
        let _ = rig.call(SearchLibraries::new("x")).await;
        let _ = rig.call(ask("/a/b").form(Form::Text)).await;
    }
}
