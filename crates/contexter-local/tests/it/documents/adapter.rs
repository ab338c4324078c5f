use std::fs;

use contexter_adapter::{HealthStatus, ServiceAdapter};
use contexter_local::{Folder, LocalDocuments};
use contexter_model::{ErrorKind, FetchDocs, LibraryId, ResolveLibrary};
use contexter_resilience::StandardStack;
use contexter_service::Service;
use tempfile::TempDir;

async fn folder(id: &str) -> (TempDir, Folder) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.md"), format!("# {id}\n")).unwrap();
    let source = Folder::open(folder.path(), Some(id.parse().unwrap()))
        .await
        .unwrap();
    (folder, source)
}

fn everything() -> ResolveLibrary {
    ResolveLibrary {
        name: String::new(),
        limit: 10,
    }
}

fn first_page(library: &str) -> FetchDocs {
    FetchDocs {
        library: library.parse::<LibraryId>().unwrap(),
        cursor: None,
        limit: 10,
    }
}

#[tokio::test]
async fn several_sources_answer_as_one() {
    let (_a, a) = folder("/local/a").await;
    let (_b, b) = folder("/local/b").await;
    let adapter = LocalDocuments::new([a.into(), b.into()], StandardStack::default());
    assert_eq!(adapter.name(), "local_documents");
    let names: Vec<&str> = adapter.capabilities().names().collect();
    assert_eq!(names, ["document_fetching", "library_resolution"]);

    let resolve = adapter.capabilities().handle::<ResolveLibrary>().unwrap();
    let found = resolve.call(everything()).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|library| library.id.as_str()).collect();
    assert_eq!(ids, ["/local/a", "/local/b"]);

    let fetch = adapter.capabilities().handle::<FetchDocs>().unwrap();
    let page = fetch.call(first_page("/local/b")).await.unwrap();
    assert_eq!(page.documents[0].title, "/local/b");

    let error = fetch.call(first_page("/local/c")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "local_documents fetch_docs: no library \"/local/c\""
    );
}

#[tokio::test]
async fn health_tells_how_many_sources_work() {
    let (a_folder, a) = folder("/local/a").await;
    let (b_folder, b) = folder("/local/b").await;
    let adapter = LocalDocuments::new([a.into(), b.into()], StandardStack::default());
    assert!(adapter.health_check().await.is_healthy());
    drop(a_folder);
    let health = adapter.health_check().await;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert!(health.error_message.unwrap().contains("does not exist"));

    let resolve = adapter.capabilities().handle::<ResolveLibrary>().unwrap();
    let found = resolve.call(everything()).await.unwrap();
    assert_eq!(found.len(), 1, "the other source still answers");

    drop(b_folder);
    assert_eq!(adapter.health_check().await.status, HealthStatus::Unhealthy);
    let error = resolve.call(everything()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
