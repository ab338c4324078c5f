//! A test collection as a document source: each of its documents is indexed whole.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use contexter_adapter::{Capabilities, HealthStatus, ServiceAdapter, ServiceHealth};
use contexter_model::{DocsPage, Document, Error, ErrorKind, FetchDocs, Format, LibraryId};
use contexter_rag::evaluation::{self, CorpusDocument, read_corpus};
use contexter_service::Service;

/// Reads `corpus.jsonl` of a folder in BEIR form.
#[derive(Clone)]
struct Corpus {
    folder: Arc<PathBuf>,
    library: LibraryId,
    /// The open file and its position, so that pages are read on, not from the start.
    reader: Arc<Mutex<Option<(usize, evaluation::Corpus)>>>,
    /// Documents without text, which are left out.
    blank: Arc<AtomicUsize>,
}

impl Service<FetchDocs> for Corpus {
    type Response = DocsPage;
    type Error = Error;

    async fn call(&self, req: FetchDocs) -> Result<DocsPage, Error> {
        let corpus = self.clone();
        tokio::task::spawn_blocking(move || corpus.page(&req))
            .await
            .map_err(|panicked| Error::new(ErrorKind::Unexpected, panicked.to_string()))?
    }
}

impl Corpus {
    fn page(&self, req: &FetchDocs) -> Result<DocsPage, Error> {
        let invalid =
            |error: &dyn std::error::Error| Error::new(ErrorKind::Invalid, error.to_string());
        let start: usize = match &req.cursor {
            Some(cursor) => cursor.parse().map_err(|error| invalid(&error))?,
            None => 0,
        };
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut position, mut corpus) = match reader.take() {
            Some(open) if open.0 == start => open,
            _ => (
                0,
                read_corpus(&self.folder).map_err(|error| invalid(&error))?,
            ),
        };
        let mut page = DocsPage::default();
        for document in corpus.by_ref() {
            let CorpusDocument {
                id, title, text, ..
            } = document.map_err(|error| invalid(&error))?;
            position += 1;
            if position <= start {
                continue;
            }
            if title.trim().is_empty() && text.trim().is_empty() {
                self.blank.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            page.documents.push(Document {
                library: self.library.clone(),
                path: id,
                title,
                format: Format::Plain,
                text,
            });
            if page.documents.len() >= req.limit {
                page.next = Some(position.to_string());
                *reader = Some((position, corpus));
                break;
            }
        }
        Ok(page)
    }
}

/// The collection as the registry sees it.
pub(crate) struct CorpusAdapter {
    capabilities: Capabilities,
    blank: Arc<AtomicUsize>,
}

impl CorpusAdapter {
    pub(crate) fn new(folder: PathBuf, library: LibraryId) -> Self {
        let corpus = Corpus {
            folder: Arc::new(folder),
            library,
            reader: Arc::default(),
            blank: Arc::default(),
        };
        Self {
            blank: Arc::clone(&corpus.blank),
            capabilities: Capabilities::new().with::<FetchDocs>(corpus),
        }
    }

    /// Counts the documents that were left out because they hold no text.
    pub(crate) fn blank(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.blank)
    }
}

#[async_trait]
impl ServiceAdapter for CorpusAdapter {
    fn name(&self) -> &'static str {
        "test_collection"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn health_check(&self) -> ServiceHealth {
        ServiceHealth::new(
            HealthStatus::Healthy,
            std::time::Duration::ZERO,
            jiff::Timestamp::now(),
        )
    }
}
