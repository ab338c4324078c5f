//! One consumer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{
    Connection, DeliveryToken, Disposition, Incoming, Settled, Source, SubscriptionSpec,
    TransportHealth,
};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::Flaw;
use super::state::Broker;

#[derive(Debug)]
pub(super) struct NaiveSource {
    pub(super) broker: Arc<Broker>,
    pub(super) spec: SubscriptionSpec,
    pub(super) group: String,
    /// How many messages it holds unsettled.
    pub(super) held: AtomicUsize,
    pub(super) closed: watch::Sender<bool>,
    pub(super) transport_closed: watch::Receiver<bool>,
}

impl NaiveSource {
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
            let free = match self.broker.flaw {
                Flaw::IgnoresPrefetch => max,
                _ => self
                    .spec
                    .prefetch
                    .saturating_sub(self.held.load(Ordering::SeqCst))
                    .min(max),
            };
            let up = !*down.borrow_and_update();
            let until = match self
                .broker
                .fetch(&self.group, &self.spec, if up { free } else { 0 })
            {
                Ok(given) => {
                    self.held.fetch_add(given.len(), Ordering::SeqCst);
                    let ends = self.broker.flaw == Flaw::EndsAtUnreadable;
                    if ends && given.iter().any(|one| one.message.is_err()) {
                        self.closed.send_replace(true);
                        return Err(TransportError::closed());
                    }
                    return Ok(given);
                }
                Err(until) => until.filter(|_| up && free > 0),
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
                let less = |held: usize| Some(held.saturating_sub(1));
                let _fewer = self
                    .held
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
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
