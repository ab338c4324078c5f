//! Document sources.

mod adapter;
mod cargo_lock;
mod folder;
mod formats;
mod robustness;

use contexter_model::{Document, Error, FetchDocs, LibraryId, Skipped};
use contexter_service::Service;

/// Everything that a source has, and how many pages it took.
pub(crate) struct All {
    pub(crate) documents: Vec<Document>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) pages: usize,
}

impl All {
    pub(crate) fn paths(&self) -> Vec<&str> {
        self.documents.iter().map(|d| d.path.as_str()).collect()
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        let found = self.documents.iter().find(|d| d.path == path);
        &found
            .unwrap_or_else(|| panic!("no {path} in {:?}", self.paths()))
            .text
    }

    pub(crate) fn title(&self, path: &str) -> &str {
        let found = self.documents.iter().find(|d| d.path == path);
        &found
            .unwrap_or_else(|| panic!("no {path} in {:?}", self.paths()))
            .title
    }

    pub(crate) fn reason(&self, path: &str) -> &str {
        let found = self.skipped.iter().find(|s| s.path == path);
        &found
            .unwrap_or_else(|| panic!("{path} not in {:?}", self.skipped))
            .reason
    }
}

/// Fetches page by page.
pub(crate) async fn fetch_all<S>(source: &S, library: &LibraryId, limit: usize) -> All
where
    S: Service<FetchDocs, Response = contexter_model::DocsPage, Error = Error>,
{
    let mut all = All {
        documents: Vec::new(),
        skipped: Vec::new(),
        pages: 0,
    };
    let mut cursor = None;
    loop {
        let request = FetchDocs {
            library: library.clone(),
            cursor,
            limit,
        };
        let page = source.call(request).await.unwrap();
        assert!(page.documents.len() <= limit, "a page keeps to its limit");
        all.documents.extend(page.documents);
        all.skipped.extend(page.skipped);
        all.pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}
