//! Libraries that have moved, and versions that do not exist.

use contexter_context7::{Form, LegacyEndpoint, ReadLegacy};
use contexter_model::ErrorKind;
use contexter_service::{Again, Sample, Verdict};
use contexter_testkit::Scripted;
use serde_json::json;

use crate::support::{ask, error, found, id, rig};

fn moved(to: &str) -> Scripted {
    Scripted::json(
        301,
        json!({"error": "library_redirected", "message": "Library has moved", "redirectUrl": to}),
    )
    // The header is bait: nothing may follow it.
    .header("location", "http://127.0.0.1:9/elsewhere")
}

fn asked(paths: &[String]) -> Vec<String> {
    paths
        .iter()
        .map(|path| {
            let query = path.split_once("libraryId=").unwrap().1;
            let id = query.split('&').next().unwrap();
            id.replace("%2F", "/").replace("%40", "@")
        })
        .collect()
}

#[tokio::test]
async fn the_new_id_is_asked_and_told() {
    for form in [Form::Json, Form::Text] {
        let rig = rig(vec![moved("/new-owner/new-repo"), found()]).await;
        let outcome = rig.call(ask("/old/repo").form(form)).await;
        assert_eq!(asked(&rig.paths()), ["/old/repo", "/new-owner/new-repo"]);
        assert_eq!(outcome.unwrap().library, id("/new-owner/new-repo"));
    }
}

#[tokio::test]
async fn the_version_goes_along_unless_the_new_id_has_one() {
    for (from, to, then) in [
        ("/old/repo/v1", "/new/repo", "/new/repo/v1"),
        ("/old/repo@v1", "/new/repo", "/new/repo/v1"),
        ("/old/repo/v1", "/new/repo/v1.0", "/new/repo/v1.0"),
        ("/old/repo", "/new/repo/v2", "/new/repo/v2"),
    ] {
        let rig = rig(vec![moved(to), found()]).await;
        rig.call(ask(from)).await.unwrap();
        assert_eq!(asked(&rig.paths()), [from, then]);
    }
}

#[tokio::test]
async fn a_loop_ends_with_an_error_that_says_so() {
    let rig = rig(vec![moved("/b/b"), moved("/a/a")]).await;
    let error = rig.call(ask("/a/a")).await.unwrap_err();
    assert_eq!(rig.paths().len(), 2);
    assert_eq!(error.kind(), ErrorKind::Protocol);
    // One library is broken, not the service.
    assert_eq!(
        (error.sample(), error.again()),
        (Sample::Success, Again::No)
    );
    assert_eq!(
        error.to_string(),
        "context7 fetch_context: /a/a moves in a circle: /b/b has moved to /a/a, which was asked \
         before"
    );
}

#[tokio::test]
async fn a_library_that_moved_to_itself_is_a_loop() {
    let rig = rig(vec![moved("/a/a")]).await;
    assert_eq!(
        rig.call(ask("/a/a")).await.unwrap_err().kind(),
        ErrorKind::Protocol
    );
    assert_eq!(rig.paths().len(), 1);
}

#[tokio::test]
async fn a_version_that_moved_to_itself_is_a_loop() {
    let rig = rig(vec![moved("/a/a/v1")]).await;
    let error = rig
        .call(ask("/a/a/v1").tag_fallback(true))
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "/a/a/v1 moves in a circle: /a/a/v1 has moved to /a/a/v1, which was asked before"
    );
    assert_eq!(rig.paths().len(), 1);
}

#[tokio::test]
async fn three_moves_are_followed_and_a_fourth_is_not() {
    let hops = |count: usize| -> Vec<Scripted> {
        let hops = (0..count).map(|hop| moved(&format!("/hop/{hop}")));
        hops.chain([found()]).collect()
    };
    let three = rig(hops(3)).await;
    assert_eq!(three.call(ask("/a/a")).await.unwrap().library, id("/hop/2"));
    let four = rig(hops(4)).await;
    assert_eq!(
        four.call(ask("/a/a")).await.unwrap_err().message(),
        "/a/a has moved more than 3 times, the last time to /hop/3"
    );
    assert_eq!(four.paths().len(), 4);
}

#[tokio::test]
async fn what_is_no_id_of_a_library_is_not_followed() {
    for (to, shown) in [
        ("https://evil.example/x", "\"https://evil.example/x\""),
        ("//evil.example/x", "\"//evil.example/x\""),
        ("new/repo", "\"new/repo\""),
        ("/a", "\"/a\""),
        ("/a/b/c/d", "\"/a/b/c/d\""),
        ("/a/b?x=1 y", "\"/a/b?x=1 y\""),
        ("", "\"\""),
    ] {
        let rig = rig(vec![moved(to)]).await;
        let error = rig.call(ask("/a/a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(
            error.message(),
            format!("/a/a has moved to {shown}, which is no id of a library (301)")
        );
        assert_eq!(rig.paths().len(), 1);
    }
}

#[tokio::test]
async fn legacy_reads_follow_too() {
    let rig = rig(vec![moved("/new/repo"), Scripted::text(200, "docs")]).await;
    let docs = rig
        .call(ReadLegacy::new(
            id("/old/repo"),
            LegacyEndpoint::V1 { tokens: None },
        ))
        .await
        .unwrap();
    assert_eq!(docs.library, id("/new/repo"));
    assert_eq!(
        rig.paths(),
        ["/api/v1/old/repo?type=txt", "/api/v1/new/repo?type=txt"]
    );
}

fn no_tag() -> Scripted {
    error(404, "tag_not_found", "Available: v1")
}

#[tokio::test]
async fn the_default_version_answers_only_where_the_caller_allows_it() {
    let strict = rig(vec![no_tag(), found()]).await;
    let error = strict.call(ask("/a/b/v9")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(strict.paths().len(), 1);

    for form in ["/a/b/v9", "/a/b@v9"] {
        let lenient = rig(vec![no_tag(), found()]).await;
        let context = lenient.call(ask(form).tag_fallback(true)).await.unwrap();
        assert_eq!(asked(&lenient.paths()), [form, "/a/b"]);
        assert!(context.fell_back);
        assert_eq!(context.library, id("/a/b"));
    }
}

#[tokio::test]
async fn there_is_one_fallback_and_none_for_other_refusals() {
    let rig_twice = rig(vec![no_tag(), no_tag()]).await;
    let error = rig_twice
        .call(ask("/a/b/v9").tag_fallback(true))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(rig_twice.paths().len(), 2);
    let unknown = rig(vec![error_404(), found()]).await;
    assert!(
        unknown
            .call(ask("/a/b/v9").tag_fallback(true))
            .await
            .is_err()
    );
    assert_eq!(unknown.paths().len(), 1);
}

fn error_404() -> Scripted {
    error(404, "library_not_found", "unknown")
}

#[tokio::test]
async fn a_moved_library_without_the_version_falls_back_too() {
    let rig = rig(vec![moved("/new/b"), no_tag(), found()]).await;
    let context = rig.call(ask("/a/b/v9").tag_fallback(true)).await.unwrap();
    assert_eq!(asked(&rig.paths()), ["/a/b/v9", "/new/b/v9", "/new/b"]);
    assert!(context.fell_back);
}

#[tokio::test]
async fn a_version_that_leads_to_its_own_library_does_not_exist() {
    for from in ["/a/b/v1", "/a/b@v1"] {
        let strict = rig(vec![moved("/a/b"), found()]).await;
        let error = strict.call(ask(from)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            (error.sample(), error.again()),
            (Sample::Success, Again::No)
        );
        assert_eq!(
            error.to_string(),
            format!(
                "context7 fetch_context: {from} has no such version: the service names /a/b instead"
            )
        );
        assert_eq!(strict.paths().len(), 1);

        let lenient = rig(vec![moved("/a/b"), found()]).await;
        let context = lenient.call(ask(from).tag_fallback(true)).await.unwrap();
        assert_eq!(asked(&lenient.paths()), [from, "/a/b"]);
        assert!(context.fell_back);
        assert_eq!(context.library, id("/a/b"));
    }
    let request = ReadLegacy::new(id("/a/b/v1"), LegacyEndpoint::V1 { tokens: None });
    let script = || vec![moved("/a/b"), Scripted::text(200, "docs")];
    let error = rig(script()).await.call(request.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let legacy = rig(script()).await;
    let docs = legacy.call(request.tag_fallback(true)).await.unwrap();
    assert_eq!((docs.library, docs.fell_back), (id("/a/b"), true));
}

#[tokio::test]
async fn a_version_that_its_library_lost_on_the_way_does_not_exist() {
    let script = || vec![moved("/new/b"), moved("/new/b"), found()];
    let strict = rig(script()).await;
    let error = strict.call(ask("/old/b/v1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.message(),
        "/new/b/v1 has no such version: the service names /new/b instead"
    );
    let lenient = rig(script()).await;
    let context = lenient
        .call(ask("/old/b/v1").tag_fallback(true))
        .await
        .unwrap();
    assert_eq!(
        asked(&lenient.paths()),
        ["/old/b/v1", "/new/b/v1", "/new/b"]
    );
    assert!(context.fell_back);
}

#[tokio::test]
async fn a_version_that_finds_no_room_in_the_new_id_is_not_dropped_in_silence() {
    let long = format!("/new/{}", "b".repeat(490));
    let strict = rig(vec![moved(&long), found()]).await;
    let error = strict.call(ask("/a/b/version-1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(strict.paths().len(), 1);
    let lenient = rig(vec![moved(&long), found()]).await;
    let context = lenient
        .call(ask("/a/b/version-1").tag_fallback(true))
        .await
        .unwrap();
    assert!(context.fell_back);
    assert_eq!(context.library, id(&long));
}

#[tokio::test]
async fn the_version_of_a_name_with_a_scope_goes_along_behind_its_mark() {
    let rig = rig(vec![moved("/npm/@babel/core"), found()]).await;
    rig.call(ask("/babel/babel/v7")).await.unwrap();
    assert_eq!(
        asked(&rig.paths()),
        ["/babel/babel/v7", "/npm/@babel/core@v7"]
    );
}
