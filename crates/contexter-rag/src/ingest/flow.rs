//! From events to steps: subscriptions, failures and what is published next.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{Bus, Delivery, HandlerError, Subscription, SubscriptionConfig};
use contexter_model::LibraryId;
use contexter_protocol::rag::{
    DocumentIngested, EmbeddingCompleted, EmbeddingRequested, ProcessingCompleted,
    ProcessingFailed, ProcessingStatus, VectorIndexRequested, VectorIndexed,
};
use contexter_protocol::{EventPayload, IntegrationEvent};
use contexter_storage::StorageError;

use super::commit::CommitError;
use super::ledger::Ledger;
use super::lost::Lost;
use super::steps::{Failure, Steps};
use super::tracker::{Outcome, Reason};
use crate::IntegrationError;

/// How often a step is tried before its document is given up. The calls inside have retries of
/// their own; this is for what they cannot mend, such as a full disk that somebody clears.
const ATTEMPTS: u32 = 2;
/// Documents that one step works on at the same time: enough to fill a commit group, or a batch
/// of the embedder.
const COMMITTING: usize = 256;
const EMBEDDING: usize = 64;
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// A step is given up after this time. Embedding the longest documents on slow machines takes
/// minutes; what takes longer hangs.
const STEP_TIMEOUT: Duration = Duration::from_hours(1);
/// What the `source` of the flow's events begins with; the name of the index follows.
const SOURCE: &str = "contexter/ingestion";
/// What the groups of the flow begin with; the names of the step and of the index follow.
const GROUP: &str = "contexter-rag";

/// The `source` of the events of one index, by which they are told from those of others that share
/// the bus.
pub(super) fn source(ledger: &Ledger) -> String {
    format!("{SOURCE}/{}", ledger.index())
}

/// An event about one document, and what is done at it.
pub(super) trait Step: EventPayload + Sync {
    /// The name of the step in errors and dead letters.
    const NAME: &'static str;
    /// How many documents it works on at the same time.
    const CONCURRENCY: usize = COMMITTING;

    fn document(&self) -> (&str, &str);

    /// Returns whether there is anything to do when a dead letter of an earlier run is redriven.
    ///
    /// # Errors
    ///
    /// Returns an error if doing it would undo what was done since.
    fn is_left(&self, _ledger: &Ledger) -> Result<bool, Failure> {
        Ok(true)
    }

    fn run(&self, flow: &Flow) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl Step for DocumentIngested {
    const NAME: &'static str = "index_words";

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    fn is_left(&self, ledger: &Ledger) -> Result<bool, Failure> {
        let library = self.library_id.parse()?;
        match ledger.entry(&library, &self.path) {
            None => Ok(true),
            Some(entry) if entry.chunks == self.chunks => Ok(false),
            Some(_other) => Err(
                "the index has another version of the document, and the next run \
                 takes the one that its source has then"
                    .into(),
            ),
        }
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        flow.steps.index_words(self).await?;
        flow.settle(self, Ok(()));
        Ok(())
    }
}

impl Step for EmbeddingRequested {
    const NAME: &'static str = "embed";
    const CONCURRENCY: usize = EMBEDDING;

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        let completed = flow.steps.embed(self).await?;
        flow.publish(&completed).await
    }
}

impl Step for EmbeddingCompleted {
    const NAME: &'static str = "request_index";

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        let requested = VectorIndexRequested {
            library_id: self.library_id.clone(),
            path: self.path.clone(),
            document: self.document,
            chunks: self.chunks,
            embeddings: self.embeddings,
            space_id: self.space_id.clone(),
            chunk_count: self.chunk_count,
        };
        flow.publish(&requested).await
    }
}

impl Step for VectorIndexRequested {
    const NAME: &'static str = "index";

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        let indexed = flow.steps.index_vectors(self).await?;
        flow.publish(&indexed).await
    }
}

impl Step for VectorIndexed {
    const NAME: &'static str = "complete";

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        let completed = ProcessingCompleted {
            library_id: self.library_id.clone(),
            path: self.path.clone(),
            status: ProcessingStatus::Success,
            completion_time: jiff::Timestamp::now(),
        };
        flow.publish(&completed).await?;
        flow.settle(self, Ok(()));
        Ok(())
    }
}

/// One delivery of an event: the steps, and the event that the next one follows from.
pub(super) struct Flow {
    steps: Arc<Steps>,
    bus: Bus,
    cause: Arc<IntegrationEvent>,
}

impl Flow {
    async fn publish<P: EventPayload>(&self, payload: &P) -> Result<(), Failure> {
        let event = IntegrationEvent::of(&self.steps.source, payload)?
            .caused_by(&self.cause)
            .build()?;
        self.bus.publish(event).await?;
        Ok(())
    }

    /// The run that the event is part of.
    fn run(&self) -> &str {
        self.cause.correlation_id().unwrap_or_default()
    }

    /// Says how a document ended.
    fn settle<P: Step>(&self, event: &P, outcome: Outcome) {
        let (library, path) = event.document();
        let tracker = &self.steps.tracker;
        tracker.settle(library, path, Some(self.run()), outcome);
    }
}

/// The subscriptions of the steps. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Subscriptions {
    bus: Bus,
    pub(super) all: Vec<Subscription>,
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        let ended = std::mem::take(&mut self.all);
        let groups: Vec<_> = ended
            .iter()
            .filter_map(|subscription| subscription.group().map(str::to_owned))
            .collect();
        drop(ended);
        for group in groups {
            // In process nobody takes up what is left: the next run does it all the same.
            let _left = self.bus.forget_group(&group);
        }
    }
}

/// Subscribes every step.
pub(super) fn subscribe(bus: &Bus, steps: &Arc<Steps>) -> Result<Subscriptions, IntegrationError> {
    let subscriptions = [
        subscribe_step::<DocumentIngested>(bus, steps),
        subscribe_step::<EmbeddingRequested>(bus, steps),
        subscribe_step::<EmbeddingCompleted>(bus, steps),
        subscribe_step::<VectorIndexRequested>(bus, steps),
        subscribe_step::<VectorIndexed>(bus, steps),
    ];
    let mut subscribed = Subscriptions {
        bus: bus.clone(),
        all: Vec::new(),
    };
    for subscription in subscriptions {
        subscribed.all.push(subscription?);
    }
    Ok(subscribed)
}

fn subscribe_step<P: Step>(
    bus: &Bus,
    steps: &Arc<Steps>,
) -> Result<Subscription, IntegrationError> {
    let lost = Lost {
        tracker: Arc::clone(&steps.tracker),
        source: steps.source.clone(),
        bus: bus.clone(),
    };
    let config = SubscriptionConfig::default()
        .with_name(P::NAME)
        // A group, so that a broker keeps a redriven letter while no process of this index is there.
        .with_group(format!("{GROUP}.{}.{}", P::NAME, steps.ledger.index()))
        .with_observer(move |end| lost.clone().note(P::NAME, end))
        .with_concurrency(P::CONCURRENCY)
        .with_attempts(ATTEMPTS, RETRY_DELAY, RETRY_DELAY)
        .with_handler_timeout(STEP_TIMEOUT);
    let (steps, publisher) = (Arc::clone(steps), bus.clone());
    bus.subscribe_to(config, move |event: P, delivery: Delivery| {
        let flow = Flow {
            steps: Arc::clone(&steps),
            bus: publisher.clone(),
            cause: Arc::clone(delivery.event()),
        };
        handle(event, delivery, flow)
    })
    .map_err(|error| {
        IntegrationError::new("open", format!("cannot subscribe to {}", P::TYPE)).with_source(error)
    })
}

async fn handle<P: Step>(event: P, delivery: Delivery, flow: Flow) -> Result<(), HandlerError> {
    if flow.cause.source() != flow.steps.source {
        // Another ingestion has its documents, and takes the same event.
        return Ok(());
    }
    if !is_wanted(&event, &delivery, &flow).map_err(HandlerError::permanent)? {
        tracing::debug!(event.id = flow.cause.id(), "event of a run that has ended");
        return Ok(());
    }
    let Err(error) = event.run(&flow).await else {
        return Ok(());
    };
    let (library, path) = event.document();
    if delivery.is_last_attempt() {
        let failed = failure(library, Some(path), P::NAME, &*error);
        let reason = Reason {
            text: failed.error.clone(),
            out_of_service: is_out_of_service(&*error),
        };
        flow.settle(&event, Err(reason));
        if let Err(unheard) = flow.publish(&failed).await {
            tracing::warn!(step = P::NAME, error = %unheard, "a failure could not be announced");
        }
    }
    Err(HandlerError::retryable(error))
}

/// Returns whether a step is to be done: its document is under way, or somebody has redriven it.
///
/// The rest was left at the broker by a run that was killed. The next run puts in again whatever
/// did not come through.
fn is_wanted<P: Step>(event: &P, delivery: &Delivery, flow: &Flow) -> Result<bool, Failure> {
    let (library, path) = event.document();
    let library: LibraryId = library.parse()?;
    let (tracker, run) = (&flow.steps.tracker, flow.run());
    if tracker.expects(&library, path, run) {
        return Ok(true);
    }
    Ok(delivery.is_redriven()
        && event.is_left(&flow.steps.ledger)?
        && tracker.adopt(&library, path, run))
}

/// Describes a failure, with all its causes in one line.
pub(super) fn failure(
    library: &str,
    path: Option<&str>,
    step: &str,
    error: &(dyn std::error::Error + 'static),
) -> ProcessingFailed {
    let causes = causes(error);
    let text: Vec<String> = causes.iter().map(ToString::to_string).collect();
    let text = text.join(": ");
    let kind = causes
        .iter()
        .find_map(|cause| cause.downcast_ref().map(contexter_model::Error::kind));
    ProcessingFailed {
        library_id: library.to_owned(),
        path: path.map(str::to_owned),
        step: step.to_owned(),
        error: text,
        error_type: kind
            .map_or("integration", contexter_model::ErrorKind::as_str)
            .to_owned(),
    }
}

/// Returns whether documents fail for something that has nothing to do with them: a service that
/// cannot be reached, a disk that is full.
pub(super) fn is_out_of_service(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).into_iter().any(|cause| {
        let kind = cause.downcast_ref().map(contexter_model::Error::kind);
        let io = cause.downcast_ref().map(std::io::Error::kind);
        kind == Some(contexter_model::ErrorKind::Unavailable)
            || io == Some(std::io::ErrorKind::StorageFull)
            || matches!(cause.downcast_ref(), Some(StorageError::Full { .. }))
    })
}

/// Returns an error and its causes, outermost first.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Vec<&'a (dyn std::error::Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        // What the documents of a group share stands behind a pointer of its own.
        let error = match error.downcast_ref::<CommitError>() {
            Some(shared) => &**shared,
            None => error,
        };
        causes.push(error);
        next = error.source();
    }
    causes
}

/// Publishes the first event of a flow.
pub(super) async fn publish<P: EventPayload>(
    bus: &Bus,
    source: &str,
    payload: &P,
    correlation_id: &str,
) -> Result<(), Failure> {
    let event = IntegrationEvent::of(source, payload)?
        .correlation_id(correlation_id)
        .build()?;
    bus.publish(event).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use contexter_model::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_failed_group_tells_its_kind_through_the_pointer_that_its_documents_share() {
        let full = Error::new(ErrorKind::Unavailable, "no space left");
        let shared: CommitError = Arc::new(full);
        let error: Failure = shared.into();
        assert!(is_out_of_service(&*error));
        let failed = failure("/a/b", None, "index", &*error);
        assert_eq!(
            (&*failed.error, &*failed.error_type),
            ("no space left", "unavailable")
        );
    }

    #[test]
    fn what_a_document_holds_puts_nothing_out_of_service() {
        let cause = std::io::Error::new(std::io::ErrorKind::InvalidData, "half a letter");
        let error = Error::new(ErrorKind::Invalid, "not text").with_source(cause);
        assert!(!is_out_of_service(&error));
        assert_eq!(
            failure("/a/b", None, "index", &error).error,
            "not text: half a letter"
        );
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert!(is_out_of_service(&full));
    }
}
