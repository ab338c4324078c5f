//! Drives documents through the flow and reports how it went.

mod embed;
mod remove;
mod tidy;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_discovery::Discovery;
use contexter_event_bus::Bus;
use contexter_model::{
    Count, CountTokens, Delete, EnsureCollection, Flush, LibraryId, Optimize, Upsert,
};
use contexter_service::{Handle, Service as _};
use contexter_storage::Storage;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::collection::{Finder, open_collection};
use super::commit::{Committer, Store};
use super::failure::{is_closed, reason_of};
use super::flow::{Subscriptions, publish, source, subscribe};
use super::ledger::{Claim, Ledger};
use super::prepare::Cutter;
use super::report::Progress;
use super::room::Room;
use super::run::LibraryRun;
use super::settings::IngestionSettings;
use super::steps::Steps;
use super::tidying::Tidying;
use super::tracker::Tracker;
use crate::IntegrationError;
use crate::embedding::EmbeddingService;

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
/// of other indexes may share the bus. An index has one ingestion at a time. Dropping it ends the
/// subscriptions; what was not durable by then is done again by the next run.
pub struct Ingestion {
    environment: Environment,
    settings: IngestionSettings,
    profile: String,
    /// The `source` of its events.
    source: String,
    /// The correlation of each library whose first half is done and whose second is to come.
    correlations: Mutex<BTreeMap<LibraryId, String>>,
    cutter: Cutter,
    store: Store,
    committer: Arc<Committer>,
    tracker: Arc<Tracker>,
    tidying: Arc<Tidying>,
    progress: Arc<watch::Sender<Progress>>,
    optimize: Handle<Optimize>,
    _subscriptions: Subscriptions,
    /// The last to go: another ingestion may begin then.
    _claim: Claim,
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
    /// emptied: the documents are indexed again, with the vectors that are still stored. So is one
    /// that describes another collection, or that of another [store](IngestionSettings::store). What the
    /// collection holds of a library that the ledger does not know is removed when the first document of
    /// it is indexed; until then it can be found.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if another ingestion of this index is open in this process (its
    /// source is [`LedgerError::InUse`](super::LedgerError::InUse)) or the ledger was opened for reading
    /// only, no healthy store is registered, the existing collection belongs to another embedding
    /// space, or the broker of the bus does not take the subscriptions within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future opens nothing; the ledger may describe the collection by then.
    pub async fn open(
        environment: Environment,
        settings: IngestionSettings,
    ) -> Result<Self, IntegrationError> {
        let claim = environment.ledger.claim().map_err(|error| {
            IntegrationError::new("open", "cannot write the index").with_source(error)
        })?;
        let find = Finder(&environment.discovery);
        let store = Store {
            collection: settings.collection.clone(),
            place: settings.place(),
            upsert: find.handle::<Upsert>()?,
            delete: find.handle::<Delete>()?,
            flush: find.handle::<Flush>()?,
            count: find.handle::<Count>()?,
        };
        let ensure = find.handle::<EnsureCollection>()?;
        let optimize = find.handle::<Optimize>()?;
        open_collection(&environment, &ensure, &store).await?;

        let cutter = Cutter::new(settings.division, Arc::clone(&environment.tokens));
        let profile = format!(
            "{} {} {}",
            environment.embedding.space().id,
            settings.division,
            settings.bm25,
        );
        let tracker = Arc::new(Tracker::default());
        let (ledger, known) = (Arc::clone(&environment.ledger), Arc::clone(&tracker));
        let committer = Arc::new(Committer::new(store.clone(), ledger, known));
        let (progress, _) = watch::channel(Progress::default());
        let progress = Arc::new(progress);
        let source = source(&environment.ledger);
        let tidying = Arc::new(Tidying::default());
        let steps = Steps {
            storage: environment.storage.clone(),
            ledger: Arc::clone(&environment.ledger),
            embedding: environment.embedding.clone(),
            committer: Arc::clone(&committer),
            tracker: Arc::clone(&tracker),
            tidying: Arc::clone(&tidying),
            room: Room::default(),
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
            store,
            committer,
            tracker,
            tidying,
            progress,
            optimize,
            _subscriptions: subscriptions,
            _claim: claim,
        })
    }

    /// Returns how far the ingestion has come, now and at every change.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
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

/// Lists a document whose first event could not be published; fails if no other's could be, either.
fn give_up(
    run: &mut LibraryRun,
    library: &LibraryId,
    path: String,
    error: IntegrationError,
) -> Result<(), IntegrationError> {
    if is_closed(&error) {
        return Err(error);
    }
    run.give_up(library, path, reason_of(&error));
    Ok(())
}

/// Makes the correlation of a run. No other has the same, also if it begins within the same second.
fn correlation(prefix: &str, library: &LibraryId) -> String {
    let second = jiff::Timestamp::now().as_second();
    let unique = Uuid::new_v4().as_fields().0;
    format!("{prefix}_{library}_{second}_{unique:08x}")
}
