//! What every source of documents and of pages promises.

use std::collections::BTreeSet;

use contexter_adapter::ServiceAdapter;
use contexter_model::{ErrorKind, FetchDocs, FetchPage, LibraryId, ResolveLibrary};

use crate::ask;

/// No source holds so many pages of documents in these tests.
const MANY: usize = 1_000;

/// `name` is a library that the source has.
pub(crate) async fn source(adapter: &dyn ServiceAdapter, name: &str) {
    let request = ResolveLibrary {
        name: name.to_owned(),
        limit: 5,
    };
    let found = ask(adapter, request).await.unwrap();
    assert!((1..=5).contains(&found.len()), "{found:?}");
    let library = found[0].id.clone();

    let mut paths = BTreeSet::new();
    let mut cursor = None;
    for _ in 0..MANY {
        let request = FetchDocs {
            library: library.clone(),
            cursor: cursor.clone(),
            limit: 3,
        };
        let again = request.clone();
        let page = ask(adapter, request).await.unwrap();
        assert!(page.documents.len() <= 3, "{}", page.documents.len());
        for document in &page.documents {
            assert!(!document.text.trim().is_empty(), "{}", document.path);
            assert!(
                paths.insert(document.path.clone()),
                "twice: {}",
                document.path
            );
        }
        if cursor.is_none() {
            assert_eq!(ask(adapter, again).await.unwrap(), page, "a fixed order");
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(cursor, None, "the pages never end");
    assert!(!paths.is_empty(), "{library} has no documents");

    let request = FetchDocs {
        library: unknown(),
        cursor: None,
        limit: 3,
    };
    let error = ask(adapter, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(error.service(), Some(adapter.name()));
}

fn unknown() -> LibraryId {
    "/contexter-no-such-owner/no-such-library".parse().unwrap()
}

/// `url` is a page that is there.
pub(crate) async fn pages(adapter: &dyn ServiceAdapter, url: &str) {
    let page = ask(adapter, FetchPage::new(url)).await.unwrap();
    assert_eq!(page.url, url);
    assert_eq!(page.status, 200);
    assert!(!page.text.trim().is_empty());
    for refused in [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "ftp://example.org/",
        "no address",
    ] {
        let error = ask(adapter, FetchPage::new(refused)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{refused}: {error}");
    }
}
