//! One consumer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{
    Connection, DeliveryToken, Disposition, Incoming, Settled, Source, SubscriptionSpec,
    TransportHealth,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::Flaw;
use super::state::{Broker, Room};

#[derive(Debug)]
pub(super) struct NaiveSource {
    pub(super) broker: Arc<Broker>,
    pub(super) spec: SubscriptionSpec,
    pub(super) group: String,
    /// The messages that it holds unsettled, and how large they are.
    pub(super) held: Mutex<HashMap<DeliveryToken, usize>>,
    pub(super) closed: watch::Sender<bool>,
    pub(super) transport_closed: watch::Receiver<bool>,
}

impl NaiveSource {
    /// Returns how many messages may come, and how many bytes.
    fn free(&self, max: usize) -> Room {
        let held = self.held.lock();
        let (events, bytes) = match self.broker.flaw {
            Flaw::IgnoresPrefetch => (usize::MAX, self.spec.prefetch_bytes),
            Flaw::GivesOneAtATime => (1, self.spec.prefetch_bytes),
            Flaw::IgnoresPrefetchBytes => (self.spec.prefetch, usize::MAX),
            _ => (self.spec.prefetch, self.spec.prefetch_bytes),
        };
        Room {
            events: events.saturating_sub(held.len()).min(max),
            bytes: bytes.saturating_sub(held.values().sum()),
        }
    }

    fn is_over(&self) -> bool {
        let lost =
            self.broker.flaw == Flaw::EndsWithTheConnection && *self.broker.losses.borrow() > 0;
        *self.closed.borrow() || *self.transport_closed.borrow() || lost
    }
}

#[async_trait]
impl Source for NaiveSource {
    async fn receive(&self, max: usize) -> Result<Vec<Incoming>, TransportError> {
        let mut closed = self.closed.subscribe();
        let mut transport_closed = self.transport_closed.clone();
        let mut down = self.broker.down.subscribe();
        loop {
            let mut changed = std::pin::pin!(self.broker.changed.notified());
            changed.as_mut().enable();
            if self.is_over() {
                return Err(TransportError::closed());
            }
            let up = !*down.borrow_and_update();
            let free = self.free(if up { max } else { 0 });
            let until = match self.broker.fetch(&self.group, &self.spec, free) {
                Ok(given) => {
                    let sizes = given.iter().map(|one| (one.token, one.size));
                    self.held.lock().extend(sizes);
                    let ends = self.broker.flaw == Flaw::EndsAtUnreadable;
                    if ends && given.iter().any(|one| one.message.is_err()) {
                        self.closed.send_replace(true);
                        return Err(TransportError::closed());
                    }
                    return Ok(given);
                }
                Err(until) => until.filter(|_| free.is_some()),
            };
            let due = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = due => {}
                _ = down.changed() => {}
                _ = closed.wait_for(|closed| *closed) => {}
                _ = transport_closed.wait_for(|closed| *closed) => {}
            }
        }
    }

    async fn settle(
        &self,
        settlements: &[(DeliveryToken, Disposition)],
    ) -> Vec<Result<Settled, TransportError>> {
        sleep(Duration::from_millis(1)).await;
        let settle = |one: &(DeliveryToken, Disposition)| {
            let settled = self.broker.settle(&self.group, &self.spec, *one);
            if one.1 != Disposition::InProgress {
                self.held.lock().remove(&one.0);
            }
            Ok(settled)
        };
        let answers = settlements.iter().map(settle).collect();
        self.broker.changed.notify_waiters();
        answers
    }

    fn health(&self) -> TransportHealth {
        let up = !*self.broker.down.borrow() && self.broker.flaw != Flaw::StaysIll;
        TransportHealth::new(if up {
            Connection::Up
        } else {
            Connection::Reconnecting
        })
    }

    async fn close(&self) {
        self.closed.send_replace(true);
    }
}
