//! Publishing: into the queues, and on to the outcome.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::rag::DocumentProcessed;
use contexter_protocol::{BuildError, IntegrationEvent};
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::bus::{Bus, MAX_WITHIN};
use crate::error::PublishError;
use crate::lanes::Item;
use crate::pattern::is_event_type;
use crate::receipt::{Acceptance, Outcome, Receipt, Settlement};
use crate::stats::Ledger;

impl Bus {
    /// Publishes an event to every matching subscription, without waiting for their handlers.
    ///
    /// It waits only for room in a queue whose policy is to block. The queues of other
    /// subscriptions take the event before.
    ///
    /// # Errors
    ///
    /// Returns an error after a drain has begun, and if the event type is not made of tokens. A
    /// full queue is no error: the receipt says what each one did.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits for room, the subscriptions with room have the
    /// event and the others do not.
    pub async fn publish(
        &self,
        event: impl Into<Arc<IntegrationEvent>>,
    ) -> Result<Receipt, PublishError> {
        let event = event.into();
        let taken = self.dispatch(&event, None, |_| None).await?;
        Ok(Receipt {
            event,
            deliveries: taken,
        })
    }

    /// Publishes an event and waits until every handler is through with it, retries included.
    ///
    /// What takes longer than `within` goes on, as [`Outcome::Pending`].
    ///
    /// # Errors
    ///
    /// As for [`publish`](Self::publish). A failed handler is no error: the settlement names it.
    ///
    /// # Cancel safety
    ///
    /// As for [`publish`](Self::publish); handlers go on.
    pub async fn publish_and_settle(
        &self,
        event: impl Into<Arc<IntegrationEvent>>,
        within: Duration,
    ) -> Result<Settlement, PublishError> {
        let event = event.into();
        let deadline = Instant::now() + within.min(MAX_WITHIN);
        let mut waits = Vec::new();
        self.dispatch(&event, Some(deadline), |name| {
            let (sender, receiver) = oneshot::channel();
            waits.push((Arc::clone(name), receiver));
            Some(sender)
        })
        .await?;
        let settle = |(name, receiver)| async move {
            let outcome = match timeout_at(deadline, receiver).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_dropped)) => Outcome::Abandoned,
                Err(_elapsed) => Outcome::Pending,
            };
            (name, outcome)
        };
        let outcomes = join_all(waits.into_iter().map(settle)).await;
        Ok(Settlement { event, outcomes })
    }

    /// Publishes that every document of a library is through (`document.processed`).
    ///
    /// # Errors
    ///
    /// As for [`publish`](Self::publish), and if the library id contains control characters.
    pub async fn publish_document_processed(
        &self,
        library_id: &str,
        document_count: usize,
        processing_time: Duration,
    ) -> Result<Receipt, PublishError> {
        let payload = DocumentProcessed {
            library_id: library_id.to_owned(),
            document_count,
            processing_time_seconds: processing_time.as_secs_f64(),
        };
        let event = IntegrationEvent::of("document_processor", &payload)?
            .build()
            .map_err(BuildError::from)?;
        self.publish(event).await
    }

    async fn dispatch(
        &self,
        event: &Arc<IntegrationEvent>,
        deadline: Option<Instant>,
        mut waiter: impl FnMut(&Arc<str>) -> Option<oneshot::Sender<Outcome>>,
    ) -> Result<Vec<(Arc<str>, Acceptance)>, PublishError> {
        if !is_event_type(event.event_type()) {
            return Err(PublishError::InvalidType {
                event_type: event.event_type().chars().take(80).collect(),
            });
        }
        let ledger = &*self.inner.ledger;
        let (queues, _publishing) = {
            let routes = self.inner.routes.read();
            if !routes.open {
                return Err(PublishError::Closed);
            }
            // Under the lock, so that a drain sees either this publication or none.
            ledger.begin();
            (Arc::clone(&routes.queues), Publishing(ledger))
        };
        ledger.store.record(event);
        ledger.published.add(1);
        let mut taken = Vec::new();
        let mut full = Vec::new();
        for queue in queues.iter() {
            if !queue.pattern.matches(event.event_type()) {
                continue;
            }
            let item = Item::new(Arc::clone(event), waiter(&queue.name));
            let acceptance = queue.try_push(item).unwrap_or_else(|item| {
                full.push((taken.len(), queue, item));
                Acceptance::Rejected
            });
            taken.push((Arc::clone(&queue.name), acceptance));
        }
        if taken.is_empty() {
            ledger.without_subscriber.add(1);
        }
        let pushes = full
            .into_iter()
            .map(|(at, queue, item)| async move { (at, queue.push(*item, deadline).await) });
        for (at, acceptance) in join_all(pushes).await {
            if let Some((_, how)) = taken.get_mut(at) {
                *how = acceptance;
            }
        }
        Ok(taken)
    }
}

/// Ends what [`Ledger::begin`] began, also when the future that holds it is dropped.
struct Publishing<'a>(&'a Ledger);

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
