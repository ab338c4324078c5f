//! A whole library as documents.

use std::collections::BTreeSet;

use contexter_context7::{CacheSettings, Config, DocsConfig};
use contexter_model::{DocsPage, ErrorKind, FetchDocs, Format};
use contexter_testkit::Scripted;
use serde_json::{Value, json};

use crate::support::{Rig, documentation, error, found, id, plain, rig, rig_with};

fn fetch(cursor: Option<&str>, limit: usize) -> FetchDocs {
    FetchDocs {
        library: id("/tokio-rs/tokio"),
        cursor: cursor.map(str::to_owned),
        limit,
    }
}

fn about(topics: &[&str]) -> Config {
    plain()
        .with_cache(CacheSettings::new())
        .with_docs(DocsConfig::new().with_topics(topics.iter().copied()))
}

/// An answer with prose on each of these pages.
fn pages(names: &[&str]) -> Scripted {
    let info: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "pageId": format!("https://docs.example/{name}"),
                "breadcrumb": format!("{name} > Part"),
                "content": format!("About {name}.")
            })
        })
        .collect();
    Scripted::json(200, json!({"codeSnippets": [], "infoSnippets": info}))
}

async fn all(rig: &Rig, limit: usize) -> Vec<DocsPage> {
    let mut pages = Vec::new();
    let mut cursor = None;
    loop {
        let page = rig.call(fetch(cursor.as_deref(), limit)).await.unwrap();
        cursor.clone_from(&page.next);
        pages.push(page);
        if cursor.is_none() {
            return pages;
        }
        assert!(pages.len() < 100, "the pages have no end");
    }
}

#[tokio::test]
async fn snippets_become_the_documents_that_they_are_from() {
    let rig = rig(vec![found()]).await;
    let page = rig.call(fetch(None, 10)).await.unwrap();
    assert_eq!(page.next, None);
    assert!(page.skipped.is_empty());
    let [readme, topics] = page.documents.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(readme.library, id("/tokio-rs/tokio"));
    assert_eq!(readme.path, "README.md");
    assert_eq!(readme.title, "Tutorial");
    assert_eq!(readme.format, Format::Markdown);
    assert_eq!(
        readme.text,
        "# Tutorial\n\n## Spawn a task\n\nRuns a future in the background.\n\n\
         ```rust\ntokio::spawn(async {});\n```\n"
    );
    assert_eq!(topics.path, "tokio.rs/tokio/topics");
    assert_eq!(topics.title, "Topics");
    assert_eq!(
        topics.text,
        "# Topics\n\n## Shutdown\n\nTell every task, then wait for all.\n"
    );
    // What owners want readers to heed is no documentation.
    assert!(!readme.text.contains("be brief"));
}

#[tokio::test]
async fn every_topic_is_asked_once_however_many_pages_are_read() {
    let rig = rig_with(
        vec![pages(&["a", "c"]), pages(&["b", "c"]), pages(&["d"])],
        about(&["one", "two", "three"]),
    )
    .await;
    let read = all(&rig, 1).await;
    let paths: Vec<&str> = read
        .iter()
        .flat_map(|page| &page.documents)
        .map(|document| document.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "docs.example/a",
            "docs.example/b",
            "docs.example/c",
            "docs.example/d"
        ]
    );
    let asked: BTreeSet<String> = rig.paths().into_iter().collect();
    assert_eq!(rig.paths().len(), 3);
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|path| path.contains("type=json")));
}

#[tokio::test]
async fn every_page_size_gives_the_same_documents() {
    let mut seen = Vec::new();
    for limit in [0, 1, 2, 3, 100] {
        let rig = rig_with(vec![pages(&["a", "b", "c", "d", "e"])], about(&["one"])).await;
        let documents: Vec<_> = all(&rig, limit)
            .await
            .into_iter()
            .flat_map(|page| page.documents)
            .collect();
        seen.push(documents);
    }
    assert_eq!(seen[0].len(), 5);
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_topic_without_documentation_is_passed_over() {
    let rig = rig_with(
        vec![
            error(404, "no_snippets_found", "Nothing"),
            pages(&["a"]),
            pages(&[]),
        ],
        about(&["one", "two", "three"]),
    )
    .await;
    let page = rig.call(fetch(None, 10)).await.unwrap();
    assert_eq!(page.documents.len(), 1);
}

#[tokio::test]
async fn a_library_without_any_documentation_is_not_found() {
    let rig = rig_with(vec![pages(&[])], about(&["one", "two"])).await;
    let error = rig.call(fetch(None, 10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "context7 fetch_docs: /tokio-rs/tokio has no documentation on any of 2 topics"
    );
}

#[tokio::test]
async fn an_unknown_library_costs_one_call() {
    let rig = rig_with(
        vec![error(404, "library_not_found", "unknown")],
        about(&["one", "two", "three"]),
    )
    .await;
    let error = rig.call(fetch(None, 10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(rig.paths().len(), 1);
}

#[tokio::test]
async fn half_of_a_library_is_none_and_asking_again_goes_on() {
    let rig = rig_with(
        vec![pages(&["a"]), Scripted::status(500), pages(&["b"])],
        about(&["one", "two"]),
    )
    .await;
    let error = rig.call(fetch(None, 10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let page = rig.call(fetch(None, 10)).await.unwrap();
    assert_eq!(page.documents.len(), 2);
    // The topic that had been answered was not asked again.
    assert_eq!(rig.paths().len(), 3);
}

#[tokio::test]
async fn documents_belong_to_the_library_that_was_asked_for_also_where_it_has_moved() {
    let moved = Scripted::json(
        301,
        json!({"error": "library_redirected", "redirectUrl": "/new/tokio"}),
    );
    let rig = rig(vec![moved, found()]).await;
    let page = rig.call(fetch(None, 10)).await.unwrap();
    assert_eq!(page.documents[0].library, id("/tokio-rs/tokio"));
}

#[tokio::test]
async fn the_version_of_a_library_is_not_swapped_unless_configured() {
    let script = || {
        vec![
            error(404, "tag_not_found", "Available: v1"),
            Scripted::json(200, documentation()),
        ]
    };
    let versioned = || FetchDocs {
        library: id("/tokio-rs/tokio/v9"),
        cursor: None,
        limit: 10,
    };
    let strict = rig(script()).await;
    assert_eq!(
        strict.call(versioned()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let config = plain().with_docs(
        DocsConfig::new()
            .with_topics(["one"])
            .with_tag_fallback(true),
    );
    let lenient = rig_with(script(), config).await;
    let page = lenient.call(versioned()).await.unwrap();
    assert_eq!(page.documents[0].library, id("/tokio-rs/tokio/v9"));
}

#[tokio::test]
async fn no_more_tokens_are_taken_than_configured() {
    let config = plain().with_docs(DocsConfig::new().with_topics(["one"]).with_max_tokens(100));
    let rig = rig_with(vec![found()], config).await;
    let page = rig.call(fetch(None, 10)).await.unwrap();
    let paths: Vec<_> = page.documents.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(paths, ["README.md"]);
}
