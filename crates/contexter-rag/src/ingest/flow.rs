//! From events to steps: subscriptions, failures and what is published next.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{Bus, Delivery, HandlerError, Subscription, SubscriptionConfig};
use contexter_model::LibraryId;
use contexter_protocol::rag::{
    DocumentIngested, EmbeddingCompleted, EmbeddingRequested, VectorIndexRequested, VectorIndexed,
};
use contexter_protocol::{EventPayload, IntegrationEvent};

use super::events::Step;
use super::failure::{Mismatch, failure, reason_of};
use super::ledger::Ledger;
use super::lost::Lost;
use super::steps::{Failure, Steps};
use super::tracker::{Outcome, Part};
use crate::IntegrationError;

/// How often a step is tried before its document is given up. The calls inside have retries of
/// their own; this is for what they cannot mend, such as a full disk that somebody clears.
const ATTEMPTS: u32 = 2;
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

/// One delivery of an event: the steps, and the event that the next one follows from.
pub(super) struct Flow {
    pub(super) steps: Arc<Steps>,
    bus: Bus,
    cause: Arc<IntegrationEvent>,
}

impl Flow {
    pub(super) async fn publish<P: EventPayload>(&self, payload: &P) -> Result<(), Failure> {
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
    pub(super) fn settle<P: Step>(&self, event: &P, outcome: Outcome) {
        let (library, path) = event.document();
        let its = (Some(self.run()), P::HALF);
        self.steps.tracker.settle(library, path, its, outcome);
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
        half: P::HALF,
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
    let is_permanent = error.is::<Mismatch>();
    if is_permanent || delivery.is_last_attempt() {
        let failed = failure(library, Some(path), P::NAME, &*error);
        flow.settle(&event, Err(reason_of(&*error)));
        if let Err(unheard) = flow.publish(&failed).await {
            tracing::warn!(step = P::NAME, error = %unheard, "a failure could not be announced");
        }
    }
    Err(if is_permanent {
        HandlerError::permanent(error)
    } else {
        HandlerError::retryable(error)
    })
}

/// Returns whether a step is to be done: its document is under way, or somebody has redriven it.
///
/// The rest was left at the broker by a run that was killed. The next run puts in again whatever
/// did not come through.
fn is_wanted<P: Step>(event: &P, delivery: &Delivery, flow: &Flow) -> Result<bool, Failure> {
    let (library, path) = event.document();
    let library: LibraryId = library.parse()?;
    let tracker = &flow.steps.tracker;
    let part = Part {
        run: flow.run(),
        half: P::HALF,
    };
    if tracker.expects(&library, path, part) {
        return Ok(true);
    }
    Ok(delivery.is_redriven()
        && event.is_left(&flow.steps.ledger)?
        && tracker.adopt(&library, path, part))
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
