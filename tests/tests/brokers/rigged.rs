//! A transport that says of chosen events that they were delivered too often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::{
    Capabilities, Confirmation, DeadLetter, DeadLetterId, DeadLetterQuery, DeliveryToken,
    Disposition, Incoming, MessageTransport, RequestError, RequestSource, Settled, Source,
    SubscriptionSpec, TransportError, TransportHealth,
};
use contexter_event_bus::{EventFilter, History};
use contexter_protocol::IntegrationEvent;

/// The events of one type about the document of one path.
#[derive(Debug)]
pub(crate) struct Rigged {
    pub(crate) inner: Arc<dyn MessageTransport>,
    pub(crate) event_type: &'static str,
    pub(crate) path: &'static str,
    pub(crate) on: Arc<AtomicBool>,
}

#[async_trait]
impl MessageTransport for Rigged {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        self.inner.publish(events).await
    }

    async fn subscribe(&self, spec: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError> {
        Ok(Arc::new(RiggedSource {
            inner: self.inner.subscribe(spec).await?,
            event_type: self.event_type,
            path: self.path,
            on: Arc::clone(&self.on),
        }))
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        self.inner.dead_letter(letter).await
    }

    async fn dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError> {
        self.inner.dead_letters(query).await
    }

    async fn remove_dead_letter(&self, id: &DeadLetterId) -> Result<bool, TransportError> {
        self.inner.remove_dead_letter(id).await
    }

    async fn purge_dead_letters(&self) -> Result<u64, TransportError> {
        self.inner.purge_dead_letters().await
    }

    async fn redeliver(&self, letter: &DeadLetter) -> Result<Confirmation, TransportError> {
        self.inner.redeliver(letter).await
    }

    async fn replay(&self, filter: &EventFilter) -> Result<History, TransportError> {
        self.inner.replay(filter).await
    }

    async fn request(
        &self,
        request: &Arc<IntegrationEvent>,
        within: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        self.inner.request(request, within).await
    }

    async fn respond(
        &self,
        spec: &SubscriptionSpec,
    ) -> Result<Arc<dyn RequestSource>, TransportError> {
        self.inner.respond(spec).await
    }

    async fn health(&self) -> TransportHealth {
        self.inner.health().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[derive(Debug)]
struct RiggedSource {
    inner: Arc<dyn Source>,
    event_type: &'static str,
    path: &'static str,
    on: Arc<AtomicBool>,
}

#[async_trait]
impl Source for RiggedSource {
    async fn receive(&self, max: usize) -> Result<Vec<Incoming>, TransportError> {
        let mut messages = self.inner.receive(max).await?;
        for message in &mut messages {
            let chosen = message.message.as_ref().is_ok_and(|event| {
                event.event_type() == self.event_type && event.data()["path"] == self.path
            });
            if chosen && self.on.load(Ordering::SeqCst) {
                message.delivery_count = 99;
            }
        }
        Ok(messages)
    }

    async fn settle(
        &self,
        settlements: &[(DeliveryToken, Disposition)],
    ) -> Vec<Result<Settled, TransportError>> {
        self.inner.settle(settlements).await
    }

    fn health(&self) -> TransportHealth {
        self.inner.health()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
