//! The first half of an ingestion: the words.

use std::collections::BTreeSet;

use contexter_model::{DocsPage, Document, FetchDocs, LibraryId};
use contexter_protocol::rag::DocumentIngested;
use contexter_service::Service as _;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::{Ingestion, correlation, give_up, sensible};
use crate::IntegrationError;
use crate::ingest::collection::Finder;
use crate::ingest::failure::{failure, reason_of};
use crate::ingest::prepare::{Prepared, prepare};
use crate::ingest::report::ProcessingStarted;
use crate::ingest::run::LibraryRun;
use crate::ingest::tracker::{Half, Part, Reason};

/// Documents asked for in one call of a source; sources may return fewer.
const PAGE: usize = 64;
/// Documents chunked at the same time; more than cores, since storing them waits for the disk.
const PREPARING: usize = 4;

impl Ingestion {
    /// Makes the documentation of a library findable by its words: the first half of the flow.
    ///
    /// Returns when every document is durable in the index or listed as skipped. Documents that
    /// did not change are not touched; documents that vanished from the source are removed. It
    /// begins when no [tidying](Self::remove_unreferenced) goes on or waits.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if no healthy source offers documents, fetching fails, the bus is
    /// closed, or document after document fails because something that all need is out of service,
    /// such as a full disk, or a broker that does not answer. What was indexed by then stays; nothing
    /// is removed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the flow: what a step is working on comes to its end, and the other
    /// documents are passed over. Running again goes on.
    pub async fn process_library_documentation(
        &self,
        library: &LibraryId,
    ) -> Result<ProcessingStarted, IntegrationError> {
        let _not_tidying = self.tidying.run().await;
        let correlation_id = correlation("lib_proc", library);
        let outcome = self.ingest(library, &correlation_id).await;
        if outcome.is_ok() {
            let mut correlations = self.correlations.lock();
            correlations.insert(library.clone(), correlation_id.clone());
        }
        if let Err(error) = &outcome {
            let failed = failure(library.as_str(), None, error.step(), error);
            let _ = self.publish(&failed, &correlation_id).await;
        }
        outcome.map_err(|error| error.with_correlation_id(correlation_id))
    }

    async fn ingest(
        &self,
        library: &LibraryId,
        correlation_id: &str,
    ) -> Result<ProcessingStarted, IntegrationError> {
        let (service, fetch) = Finder(&self.environment.discovery).named::<FetchDocs>()?;
        let part = Part {
            run: correlation_id,
            half: Half::Words,
        };
        let mut run = LibraryRun::new(part, &self.tracker);
        let mut cursor = None;
        self.progress
            .send_modify(|progress| progress.library = Some(library.clone()));
        loop {
            let request = FetchDocs {
                library: library.clone(),
                cursor,
                limit: PAGE,
            };
            let DocsPage {
                documents,
                skipped,
                next,
            } = fetch.call(request).await.map_err(|error| {
                IntegrationError::new("fetch", format!("cannot fetch {library}"))
                    .with_service(service.clone())
                    .with_source(error)
            })?;
            run.skip(skipped);
            self.ingest_page(documents, correlation_id, &mut run)
                .await?;
            sensible(&run, "index", library)?;
            match next {
                Some(at) => cursor = Some(at),
                None => break,
            }
        }
        run.finish().await;
        sensible(&run, "index", library)?;
        let removed = self.remove_vanished(library, &run).await?;
        let to_embed = self.chunks_to_embed(library);
        self.progress
            .send_modify(|progress| progress.chunks_to_embed += to_embed);
        let document_count = self.environment.ledger.library_entries(library).len() as u64;
        Ok(ProcessingStarted {
            status: "processing_started",
            library_id: library.clone(),
            document_count,
            correlation_id: correlation_id.to_owned(),
            changed: run.changed,
            unchanged: run.unchanged,
            removed,
            skipped: run.skipped,
        })
    }

    async fn ingest_page(
        &self,
        documents: Vec<Document>,
        correlation_id: &str,
        run: &mut LibraryRun,
    ) -> Result<(), IntegrationError> {
        let mut prepared = stream::iter(documents)
            .map(|document| {
                let (library, path) = (document.library.clone(), document.path.clone());
                let cutter = self.cutter.clone();
                let (ledger, storage) = (&self.environment.ledger, &self.environment.storage);
                async move {
                    let outcome = prepare(document, cutter, &self.profile, ledger, storage).await;
                    (library, path, outcome)
                }
            })
            .buffered(PREPARING);
        while let Some((library, path, outcome)) = prepared.next().await {
            self.progress
                .send_modify(|progress| progress.documents_seen += 1);
            if matches!(outcome, Ok(Prepared::Empty)) {
                // Not seen: what it held before is removed.
                run.refuse(path, Reason::new("holds no text"));
                continue;
            }
            run.seen.insert(path.clone());
            match outcome {
                Ok(Prepared::Unchanged | Prepared::Empty) => run.unchanged += 1,
                Ok(Prepared::Changed {
                    document,
                    chunks,
                    chunk_count,
                }) => {
                    let outcome = run.expect(&library, &path);
                    let payload = DocumentIngested {
                        library_id: library.to_string(),
                        path: path.clone(),
                        document,
                        chunks,
                        chunk_count,
                        profile: Some(self.profile.clone()),
                    };
                    match self.publish(&payload, correlation_id).await {
                        Ok(()) => run.wait_for(path, outcome).await,
                        Err(error) => give_up(run, &library, path, error)?,
                    }
                }
                Err(error) => run.refuse(path, reason_of(&*error)),
            }
            if run.is_in_vain().is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Removes what the ledger knows of a library and its source no longer has.
    ///
    /// A source without any document is more likely not there, such as a disk that is not mounted,
    /// than emptied: nothing is removed then. [`remove_library`](Self::remove_library) does so.
    async fn remove_vanished(
        &self,
        library: &LibraryId,
        run: &LibraryRun,
    ) -> Result<u64, IntegrationError> {
        if run.seen.is_empty() && run.skipped.is_empty() {
            return Ok(0);
        }
        let ledger = &self.environment.ledger;
        let indexed = ledger.library_entries(library).into_iter().map(|e| e.path);
        let vanished: BTreeSet<String> = indexed
            .chain(ledger.unfinished(library))
            .filter(|path| !run.covers(path))
            .collect();
        let removed = vanished.len() as u64;
        self.remove(library, vanished).await?;
        Ok(removed)
    }
}
