//! Web pages as documents: what is blocked or empty is listed and never indexed.

use contexter_adapter::ServiceAdapter as _;
use contexter_brightdata::{BrightDataAdapter, WebLibrary};
use contexter_model::{
    DocsPage, ErrorKind, FetchDocs, Format, LibraryId, PageFormat, ResolveLibrary,
};
use contexter_testkit::{Scripted, ScriptedServer};

use super::fixture::{adapter, call, config, failure};

fn id() -> LibraryId {
    "/web/book".parse().unwrap()
}

async fn library(
    library: WebLibrary,
    script: Vec<Scripted>,
) -> (ScriptedServer, BrightDataAdapter) {
    let server = ScriptedServer::start(script).await;
    let adapter = adapter(&config(&server).with_libraries([library]));
    (server, adapter)
}

fn fetch(cursor: Option<String>, limit: usize) -> FetchDocs {
    FetchDocs {
        library: id(),
        cursor,
        limit,
    }
}

fn markdown(text: &str) -> Scripted {
    Scripted::status(200)
        .header("content-type", "text/markdown")
        .body(text)
}

fn paths(page: &DocsPage) -> Vec<&str> {
    page.documents
        .iter()
        .map(|document| document.path.as_str())
        .collect()
}

#[tokio::test]
async fn each_page_is_a_document_under_a_path_that_stays() {
    let urls = [
        "https://example.org/",
        "https://example.org/guide/intro/",
        "https://example.org:8443/guide?page=2&key=s3cret",
        "http://example.org/guide",
    ];
    let pages = WebLibrary::new(id(), urls).title("The Book");
    let (_server, adapter) = library(pages, vec![markdown("# Intro\n\nText")]).await;
    let page = call(&adapter, fetch(None, 10)).await.unwrap();
    assert_eq!(page.next, None);
    let expected = [
        "example.org",
        "example.org/guide/intro",
        "example.org~8443/guide~",
        "example.org/guide~http",
    ];
    for (path, expected) in paths(&page).iter().zip(expected) {
        assert!(path.starts_with(expected), "{path}");
        assert!(!path.contains("s3cret"), "{path}");
    }
    let document = &page.documents[0];
    assert_eq!(
        (document.title.as_str(), document.format),
        ("Intro", Format::Markdown)
    );
    assert_eq!(document.library, id());
    let again = call(&adapter, fetch(None, 10)).await.unwrap();
    assert_eq!(paths(&again), paths(&page));
}

#[tokio::test]
async fn blocked_and_empty_pages_are_skipped_with_the_reason() {
    let urls = ["https://example.org/page"];
    for (script, reason) in [
        (
            failure("reject_block", 502, "x"),
            "captcha or block page detected (reject_block, status 502)",
        ),
        (
            Scripted::status(200),
            "the answer is empty, which is what a blocked page looks like (status 200)",
        ),
        (
            failure("unheard_of", 502, "x"),
            "the request failed for a reason that is not known (unheard_of, status 502)",
        ),
        (
            Scripted::status(200).header("x-brd-err-code", "policy_20050"),
            "the target is blocked by policy (policy_20050, status 502)",
        ),
        (
            Scripted::text(200, "nope").header("x-brd-status-code", "404"),
            "the page answers 404 (status 404)",
        ),
    ] {
        let (_server, adapter) = library(WebLibrary::new(id(), urls), vec![script]).await;
        let page = call(&adapter, fetch(None, 10)).await.unwrap();
        assert_eq!(page.documents, []);
        assert_eq!(page.skipped.len(), 1, "{reason}");
        assert_eq!(page.skipped[0].path, "example.org/page");
        assert_eq!(
            page.skipped[0].reason,
            format!("https://example.org/page: {reason}")
        );
        assert_eq!(page.next, None);
    }
}

#[tokio::test]
async fn html_becomes_markdown_and_a_page_without_text_is_skipped() {
    let urls = ["https://example.org/page"];
    let html = |body: &str| {
        Scripted::status(200)
            .header("content-type", "text/html")
            .body(body)
    };
    let pages = || WebLibrary::new(id(), urls).format(PageFormat::Html);
    let text =
        "<html><head><title>The title</title></head><body><h2>Head</h2><p>Text</p></body></html>";
    let (server, adapter) = library(pages(), vec![html(text)]).await;
    let page = call(&adapter, fetch(None, 10)).await.unwrap();
    let document = &page.documents[0];
    assert_eq!(document.title, "The title");
    assert!(
        document.text.contains("## Head") && !document.text.contains('<'),
        "{document:?}"
    );
    assert!(server.requests()[0].json().get("data_format").is_none());

    let scripts = "<html><body><script>block()</script></body></html>";
    let (_server, adapter) = library(pages(), vec![html(scripts)]).await;
    let page = call(&adapter, fetch(None, 10)).await.unwrap();
    assert_eq!(page.documents, []);
    assert!(
        page.skipped[0].reason.contains("the page holds no text"),
        "{:?}",
        page.skipped
    );
}

#[tokio::test]
async fn pages_come_in_order_and_none_is_fetched_twice() {
    let urls: Vec<String> = (0..10)
        .map(|n| format!("https://example.org/{n}"))
        .collect();
    let (server, adapter) = library(WebLibrary::new(id(), urls), vec![markdown("text")]).await;
    let mut cursor = None;
    let mut seen = Vec::new();
    loop {
        let page = call(&adapter, fetch(cursor, 3)).await.unwrap();
        assert!(page.documents.len() <= 3);
        seen.extend(paths(&page).into_iter().map(str::to_owned));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let all: Vec<String> = (0..10).map(|n| format!("example.org/{n}")).collect();
    assert_eq!(seen, all);
    assert_eq!(server.requests().len(), 10);
}

#[tokio::test]
async fn what_ails_the_account_fails_the_call_and_skips_nothing() {
    let urls = ["https://example.org/a", "https://example.org/b"];
    for (script, kind) in [
        (
            Scripted::text(401, "Auth method is not supported"),
            ErrorKind::Unauthorized,
        ),
        (
            Scripted::text(400, "zone \"web_unlocker1\" not found"),
            ErrorKind::Invalid,
        ),
        (
            Scripted::status(200).header("x-brd-err-code", "client_10100"),
            ErrorKind::QuotaExhausted,
        ),
        (Scripted::status(503), ErrorKind::Unavailable),
    ] {
        let (_server, adapter) = library(WebLibrary::new(id(), urls), vec![script]).await;
        let error = call(&adapter, fetch(None, 10)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn trouble_in_the_middle_returns_what_there_is_and_fails_the_next_call() {
    let urls = ["https://example.org/a", "https://example.org/b"];
    let down = Scripted::text(401, "Auth method is not supported");
    let (_server, adapter) = library(WebLibrary::new(id(), urls), vec![markdown("a"), down]).await;
    // One at a time, so that the script meets the pages in their order.
    let page = call(&adapter, fetch(None, 1)).await.unwrap();
    assert_eq!(paths(&page), ["example.org/a"]);
    let error = call(&adapter, fetch(page.next, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

#[tokio::test]
async fn libraries_are_resolved_by_name() {
    let pages = WebLibrary::new(id(), ["https://example.org/"]).title("The Book");
    let (server, adapter) = library(pages, vec![markdown("x")]).await;
    let ask = |name: &str| ResolveLibrary {
        name: name.to_owned(),
        limit: 5,
    };
    for name in ["", "book", "BOOK", "bo", "the book", "/web/book"] {
        let found = call(&adapter, ask(name)).await.unwrap();
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(
            (found[0].id.clone(), found[0].title.as_str()),
            (id(), "The Book")
        );
    }
    assert_eq!(call(&adapter, ask("other")).await.unwrap(), []);
    let mut unknown = fetch(None, 1);
    unknown.library = "/web/none".parse().unwrap();
    assert_eq!(
        call(&adapter, unknown).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let bad = fetch(Some("x".to_owned()), 1);
    assert_eq!(
        call(&adapter, bad).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert!(server.requests().is_empty());
    assert!(adapter.capabilities().contains("document_fetching"));
}
