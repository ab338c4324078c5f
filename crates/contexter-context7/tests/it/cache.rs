//! Answers that are kept, by all that makes them differ.

use std::time::Duration;

use contexter_context7::{
    CacheSettings, Config, Content, FetchContext, Form, SearchContext, SearchLibraries,
};
use contexter_model::{ErrorKind, ResolveLibrary};
use contexter_testkit::Scripted;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::{ask, documentation, error, found, id, plain, rig_with};

const PATIENCE: Duration = Duration::from_secs(20);

fn keeping() -> Config {
    plain().with_cache(CacheSettings::new())
}

#[tokio::test]
async fn the_same_question_is_asked_once() {
    let rig = rig_with(vec![found()], keeping()).await;
    let first = rig.call(ask("/a/b")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(rig.call(ask("/a/b")).await.unwrap(), first);
    }
    assert_eq!(rig.paths().len(), 1);
}

#[tokio::test]
async fn library_version_query_form_and_speed_each_make_another_question() {
    let rig = rig_with(vec![found()], keeping()).await;
    let questions = [
        ask("/a/b"),
        ask("/a/c"),
        ask("/a/b/v1"),
        FetchContext::new(id("/a/b"), "why"),
        ask("/a/b").form(Form::Text),
        ask("/a/b").fast(true),
        ask("/a/b/v1").tag_fallback(true),
    ];
    for round in 1..=2 {
        for question in &questions {
            rig.call(question.clone()).await.unwrap();
        }
        assert_eq!(rig.paths().len(), questions.len(), "round {round}");
    }
}

#[tokio::test]
async fn what_the_service_does_not_see_makes_no_other_question() {
    let rig = rig_with(vec![found()], keeping()).await;
    let long = "q".repeat(600);
    for same in [
        vec![
            ask("/a/b").max_tokens(1),
            ask("/a/b"),
            ask("/a/b").max_tokens(100),
            ask("/a/b").tag_fallback(true),
            FetchContext::new(id("/a/b"), " how\n"),
        ],
        vec![ask("/a/b/v1"), ask("/a/b@v1")],
        vec![
            FetchContext::new(id("/a/b"), long.as_str()),
            FetchContext::new(id("/a/b"), &long[..500]),
        ],
    ] {
        let before = rig.paths().len();
        for question in same {
            let max_tokens = question.max_tokens;
            let context = rig.call(question).await.unwrap();
            let snippets = context.content.snippets().unwrap();
            let all = (1, 1);
            let expected = match max_tokens {
                Some(1) => (0, 0),
                Some(100) => (1, 0),
                _ => all,
            };
            assert_eq!((snippets.code.len(), snippets.info.len()), expected);
        }
        assert_eq!(rig.paths().len(), before + 1);
    }
    let before = rig.paths().len();
    rig.call(SearchContext::new("how").max_tokens(1))
        .await
        .unwrap();
    let whole = rig.call(SearchContext::new("how")).await.unwrap();
    assert!(!whole.is_empty());
    assert_eq!(rig.paths().len(), before + 1);
}

#[tokio::test]
async fn searches_are_kept_and_shared_with_the_resolution_of_names() {
    let results = Scripted::json(200, json!({"results": [{"id": "/a/b"}]}));
    let rig = rig_with(vec![results, found()], keeping()).await;
    rig.call(SearchLibraries::new("b")).await.unwrap();
    let resolve = ResolveLibrary {
        name: "b".to_owned(),
        limit: 3,
    };
    assert_eq!(rig.call(resolve).await.unwrap().len(), 1);
    assert_eq!(rig.paths().len(), 1);
    for _ in 0..2 {
        rig.call(SearchContext::new("b")).await.unwrap();
    }
    assert_eq!(rig.paths().len(), 2);
}

#[tokio::test]
async fn documentation_that_is_being_prepared_is_not_kept() {
    let rig = rig_with(
        vec![error(202, "library_not_finalized", "wait"), found()],
        keeping(),
    )
    .await;
    let error = rig.call(ask("/a/b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotReady);
    assert!(rig.call(ask("/a/b")).await.is_ok());
}

#[tokio::test]
async fn what_says_nothing_is_not_kept_for_long() {
    let brief = keeping().with_cache(
        CacheSettings::new()
            .with_fresh_for(Duration::from_millis(1))
            .with_stale_if_error_for(Duration::from_hours(1)),
    );
    let rig = rig_with(vec![Scripted::text(200, " "), found()], brief).await;
    let text = || ask("/a/b").form(Form::Text);
    assert_eq!(
        rig.call(text()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    // It stands for a moment, and then the service is asked again.
    while rig.call(text()).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn old_documentation_stands_in_for_a_service_that_cannot_answer() {
    let brief = keeping().with_cache(CacheSettings::new().with_fresh_for(Duration::from_nanos(1)));
    let rig = rig_with(
        vec![
            Scripted::text(200, "documentation"),
            Scripted::status(503),
            error(402, "spending_limit_exceeded", "no"),
            error(404, "library_not_found", "gone"),
        ],
        brief,
    )
    .await;
    let text = || ask("/a/b").form(Form::Text);
    for _ in 0..3 {
        let context = rig.call(text()).await.unwrap();
        assert_eq!(context.content, Content::Text("documentation".to_owned()));
    }
    // That it is gone is an answer.
    assert_eq!(
        rig.call(text()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(rig.paths().len(), 4);
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_question() {
    let rig = rig_with(vec![found().delay(Duration::from_millis(200))], keeping()).await;
    let calls = (0..8).map(|_| rig.call(ask("/a/b")));
    let outcomes = futures_util::future::join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(rig.paths().len(), 1);
}

#[tokio::test]
async fn whatever_an_answer_holds_counts_against_the_bound() {
    let long = "x".repeat(100 << 10);
    let mut with_rules = documentation();
    with_rules["rules"]["libraryTeam"] = json!([long.as_str()]);
    let mut with_file = documentation();
    with_file["codeSnippets"][0]["sourceFile"] = json!(long);
    let mut with_pieces = documentation();
    let piece = with_pieces["infoSnippets"][0].clone();
    with_pieces["infoSnippets"] = vec![piece; 500].into();
    for (answer, is_kept) in [
        (documentation(), true),
        (with_rules, false),
        (with_file, false),
        (with_pieces, false),
    ] {
        let small = keeping().with_cache(CacheSettings::new().with_max_kib(64));
        let rig = rig_with(vec![Scripted::json(200, answer)], small).await;
        rig.call(ask("/a/b")).await.unwrap();
        if is_kept {
            rig.call(ask("/a/b")).await.unwrap();
            assert_eq!(rig.paths().len(), 1);
            continue;
        }
        // The cache looks at what does not fit a moment later.
        let deadline = Instant::now() + PATIENCE;
        while rig.paths().len() == 1 {
            assert!(Instant::now() < deadline, "it is kept");
            rig.call(ask("/a/b")).await.unwrap();
            sleep(Duration::from_millis(5)).await;
        }
    }
}
