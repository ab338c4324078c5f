//! What several test modules use.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{Bus, Delivery, HandlerError, SubscriptionConfig};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Semaphore;

/// Longer than anything a test waits for; time is paused, so it costs nothing.
pub(crate) const LONG: Duration = Duration::from_hours(1);

/// An event of the type `a.b` with a number.
pub(crate) fn event(number: usize) -> IntegrationEvent {
    typed("a.b", number)
}

pub(crate) fn typed(kind: &str, number: usize) -> IntegrationEvent {
    IntegrationEvent::builder("test", kind)
        .data(json!(number))
        .build()
        .unwrap()
}

pub(crate) fn keyed(key: &str, number: usize) -> IntegrationEvent {
    IntegrationEvent::builder("test", "a.b")
        .partition_key(key)
        .data(json!(number))
        .build()
        .unwrap()
}

pub(crate) fn number(event: &IntegrationEvent) -> usize {
    usize::try_from(event.data().as_u64().unwrap()).unwrap()
}

/// The default settings; time is paused, so their waits cost nothing.
pub(crate) fn config() -> SubscriptionConfig {
    SubscriptionConfig::default()
}

/// What handlers saw, in order: number and attempt.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(usize, u32)>>>);

impl Seen {
    pub(crate) fn note(&self, delivery: &Delivery) {
        let entry = (number(delivery.event()), delivery.attempt());
        self.0.lock().push(entry);
    }

    pub(crate) fn all(&self) -> Vec<(usize, u32)> {
        self.0.lock().clone()
    }

    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.0.lock().iter().map(|(number, _)| *number).collect()
    }
}

/// A handler that notes every delivery and succeeds.
pub(crate) fn noting(
    seen: &Seen,
) -> impl Fn(Delivery) -> std::future::Ready<Result<(), HandlerError>> + use<> {
    let seen = seen.clone();
    move |delivery| {
        seen.note(&delivery);
        std::future::ready(Ok(()))
    }
}

/// A handler that notes every delivery and then waits for a permit of `gate`.
pub(crate) fn gated(
    seen: &Seen,
    gate: &Arc<Semaphore>,
) -> impl Fn(Delivery) -> std::pin::Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>> + use<>
{
    let (seen, gate) = (seen.clone(), Arc::clone(gate));
    move |delivery| {
        seen.note(&delivery);
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            gate.acquire()
                .await
                .map_err(HandlerError::retryable)?
                .forget();
            Ok(())
        })
    }
}

/// Lets every task that can run do so, without moving the time.
pub(crate) async fn quiet() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn publish_all(bus: &Bus, numbers: std::ops::Range<usize>) {
    for number in numbers {
        bus.publish(event(number)).await.unwrap();
    }
}
