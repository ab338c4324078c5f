//! Drives documents through the flow and reports how it went.

mod embed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_discovery::Discovery;
use contexter_event_bus::Bus;
use contexter_model::{
    Count, CountTokens, Delete, DocsPage, Document, EnsureCollection, FetchDocs, Flush, LibraryId,
    Optimize, Upsert,
};
use contexter_protocol::rag::DocumentIngested;
use contexter_service::{Handle, Service as _};
use contexter_storage::Storage;
use futures_util::StreamExt as _;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::collection::{Finder, open_collection};
use super::commit::{Committer, Store, Write};
use super::flow::{Subscriptions, failure, is_out_of_service, publish, source, subscribe};
use super::ledger::Ledger;
use super::prepare::{Cutter, Prepared, prepare};
use super::report::{ProcessingStarted, Progress};
use super::run::{LibraryRun, UNDER_WAY};
use super::settings::IngestionSettings;
use super::steps::Steps;
use super::tracker::{Reason, Tracker};
use crate::IntegrationError;
use crate::embedding::EmbeddingService;

/// Documents asked for in one call of a source; sources may return fewer.
const PAGE: usize = 64;
/// Documents chunked at the same time; more than cores, since storing them waits for the disk.
const PREPARING: usize = 4;

/// How long the broker of the bus may take for the subscriptions.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What an ingestion works with.
#[derive(Clone)]
pub struct Environment {
    /// Carries the events.
    pub bus: Bus,
    /// Finds the document source and the vector store.
    pub discovery: Discovery,
    /// Keeps documents, chunks and vectors.
    pub storage: Storage,
    /// Knows what is indexed.
    pub ledger: Arc<Ledger>,
    /// Embeds chunks.
    pub embedding: EmbeddingService,
    /// Counts tokens as the embedder does.
    pub tokens: Arc<dyn CountTokens>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// The document processing of the specification, on whatever services are registered.
///
/// It owns the subscriptions of the flow, and handles the events of its own index only: ingestions
/// of other indexes may share the bus. Dropping it ends the subscriptions; what was not durable by
/// then is done again by the next run.
pub struct Ingestion {
    environment: Environment,
    settings: IngestionSettings,
    profile: String,
    /// The `source` of its events.
    source: String,
    /// The correlation of each library whose first half is done and whose second is to come.
    correlations: Mutex<BTreeMap<LibraryId, String>>,
    cutter: Cutter,
    committer: Arc<Committer>,
    tracker: Arc<Tracker>,
    progress: Arc<watch::Sender<Progress>>,
    optimize: Handle<Optimize>,
    _subscriptions: Subscriptions,
}

impl fmt::Debug for Ingestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingestion")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Ingestion {
    /// Prepares the collection and subscribes the steps of the flow.
    ///
    /// A ledger that promises more than the store holds, because somebody removed the store, is
    /// emptied: the documents are indexed again, with the vectors that are still stored.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if no healthy store is registered, the existing collection
    /// belongs to another embedding space, or the broker of the bus does not take the subscriptions
    /// within 30 seconds.
    pub async fn open(
        environment: Environment,
        settings: IngestionSettings,
    ) -> Result<Self, IntegrationError> {
        let find = Finder(&environment.discovery);
        let store = Store {
            collection: settings.collection.clone(),
            upsert: find.handle::<Upsert>()?,
            delete: find.handle::<Delete>()?,
            flush: find.handle::<Flush>()?,
        };
        let ensure = find.handle::<EnsureCollection>()?;
        let count = find.handle::<Count>()?;
        let optimize = find.handle::<Optimize>()?;
        open_collection(&environment, &settings, &ensure, &count).await?;

        let cutter = Cutter::new(settings.division, Arc::clone(&environment.tokens));
        let profile = format!(
            "{} {} {}",
            environment.embedding.space().id,
            settings.division,
            settings.bm25,
        );
        let tracker = Arc::new(Tracker::default());
        let (ledger, known) = (Arc::clone(&environment.ledger), Arc::clone(&tracker));
        let committer = Arc::new(Committer::new(store, ledger, known));
        let (progress, _) = watch::channel(Progress::default());
        let progress = Arc::new(progress);
        let source = source(&environment.ledger);
        let steps = Steps {
            storage: environment.storage.clone(),
            ledger: Arc::clone(&environment.ledger),
            embedding: environment.embedding.clone(),
            committer: Arc::clone(&committer),
            tracker: Arc::clone(&tracker),
            progress: Arc::clone(&progress),
            bm25: settings.bm25,
            profile: profile.clone(),
            source: source.clone(),
        };
        let subscriptions = subscribe(&environment.bus, &Arc::new(steps))?;
        let deadline = Instant::now() + READY_WITHIN;
        for subscription in &subscriptions.all {
            let failed = |why: &str| {
                let name = subscription.name();
                IntegrationError::new("open", format!("cannot subscribe {name}{why}"))
            };
            match timeout_at(deadline, subscription.ready()).await {
                Ok(ready) => ready.map_err(|error| failed("").with_source(error))?,
                Err(_elapsed) => {
                    let why = format!(": the broker took longer than {READY_WITHIN:?}");
                    return Err(failed(&why));
                }
            }
        }
        Ok(Self {
            environment,
            settings,
            profile,
            source,
            correlations: Mutex::default(),
            cutter,
            committer,
            tracker,
            progress,
            optimize,
            _subscriptions: subscriptions,
        })
    }

    /// Returns how far the ingestion has come, now and at every change.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Makes the documentation of a library findable by its words: the first half of the flow.
    ///
    /// Returns when every document is durable in the index or listed as skipped. Documents that
    /// did not change are not touched; documents that vanished from the source are removed.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if no healthy source offers documents, fetching fails, or
    /// document after document fails because something that all need is out of service, such as a
    /// full disk. What was indexed by then stays; nothing is removed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the flow after the documents under way; running again goes on.
    pub async fn process_library_documentation(
        &self,
        library: &LibraryId,
    ) -> Result<ProcessingStarted, IntegrationError> {
        let correlation_id = format!("lib_proc_{library}_{}", jiff::Timestamp::now().as_second());
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
        let mut run = LibraryRun::new(library, &self.tracker);
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
            self.ingest_page(documents, correlation_id, &mut run).await;
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
    ) {
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
                    let outcome = self.tracker.expect(&library, &path, correlation_id);
                    let payload = DocumentIngested {
                        library_id: library.to_string(),
                        path: path.clone(),
                        document,
                        chunks,
                        chunk_count,
                    };
                    match self.publish(&payload, correlation_id).await {
                        Ok(()) => run.wait_for(path, outcome).await,
                        Err(error) => self.give_up(&library, path, &error, run),
                    }
                }
                Err(error) => run.refuse(path, reason_of(&*error)),
            }
            if run.is_in_vain().is_some() {
                return;
            }
        }
    }

    /// Lists a document whose first event could not be published.
    fn give_up(
        &self,
        library: &LibraryId,
        path: String,
        error: &IntegrationError,
        run: &mut LibraryRun,
    ) {
        let reason = reason_of(error);
        self.tracker
            .settle(library.as_str(), &path, None, Err(reason.clone()));
        run.refuse(path, reason);
    }

    /// Removes what the ledger knows of a library and its source no longer has.
    ///
    /// A source without any document is more likely not there, such as a disk that is not mounted,
    /// than emptied: nothing is removed then.
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
        let mut removals = stream::iter(&vanished)
            .map(|path| {
                let (library, path) = (library.clone(), path.clone());
                self.committer.commit(Write::Remove { library, path })
            })
            .buffer_unordered(UNDER_WAY);
        while let Some(outcome) = removals.next().await {
            outcome.map_err(|error| {
                IntegrationError::new("index", format!("cannot remove documents of {library}"))
                    .with_source(error)
            })?;
        }
        Ok(vanished.len() as u64)
    }

    /// Deletes stored blobs that no indexed document refers to any more, and returns how many.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if the storage fails.
    pub async fn remove_unreferenced(&self) -> Result<u64, IntegrationError> {
        let failed =
            |error| IntegrationError::new("tidy", "cannot delete stored blobs").with_source(error);
        let needed = self.environment.ledger.retain_needed();
        let storage = &self.environment.storage;
        let mut blobs = std::pin::pin!(storage.list());
        let mut removed = 0;
        while let Some(blob) = blobs.next().await {
            let blob = blob.map_err(failed)?;
            if !needed.contains(&blob) {
                storage.delete(&blob).await.map_err(failed)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Builds the store's indexes; worth it after many documents.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if the store fails.
    pub async fn optimize(&self) -> Result<(), IntegrationError> {
        let request = Optimize {
            collection: self.settings.collection.clone(),
        };
        self.optimize.call(request).await.map_err(|error| {
            IntegrationError::new("index", "cannot optimize the collection").with_source(error)
        })
    }

    async fn publish<P: contexter_protocol::EventPayload>(
        &self,
        payload: &P,
        correlation_id: &str,
    ) -> Result<(), IntegrationError> {
        publish(&self.environment.bus, &self.source, payload, correlation_id)
            .await
            .map_err(|error| {
                IntegrationError::new("publish", format!("cannot publish {}", P::TYPE))
                    .with_correlation_id(correlation_id)
                    .with_source(error)
            })
    }
}

/// Fails if going on makes no sense.
fn sensible(
    run: &LibraryRun,
    step: &'static str,
    library: &LibraryId,
) -> Result<(), IntegrationError> {
    match run.is_in_vain() {
        Some(reason) => Err(IntegrationError::new(
            step,
            format!("gave up on {library}: {reason}"),
        )),
        None => Ok(()),
    }
}

/// Describes why a document could not be prepared or announced.
fn reason_of(error: &(dyn std::error::Error + 'static)) -> Reason {
    Reason {
        text: error.to_string(),
        out_of_service: is_out_of_service(error),
    }
}
