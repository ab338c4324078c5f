//! Panics of what a bus is given, kept where they happen: a transport, a store, a propagator.
//!
//! Without this, a panic would end the task that has called it, and with it a worker, the receiving
//! or the settling of a subscription, while everything looks healthy.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::{IntegrationEvent, TraceContext};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tracing::Span;

use crate::dedupe::{Begin, DedupeKey, DedupeStore, DeliveryId};
use crate::event_store::{EventFilter, History};
use crate::text::{one_line, panic_message};
use crate::trace::TracePropagator;
use crate::transport::{
    Capabilities, Confirmation, Connection, DeadLetter, DeadLetterId, DeadLetterQuery,
    DeliveryToken, Disposition, Incoming, IncomingRequest, MessageTransport, RequestError,
    RequestSource, RequestToken, Settled, Source, SubscriptionSpec, TransportError,
    TransportErrorKind, TransportHealth,
};

/// Something whose panics are caught.
pub(crate) struct Contained<T: ?Sized> {
    inner: Arc<T>,
    /// Why the last call that could fail panicked, if it did.
    panic: Mutex<Option<String>>,
}

impl<T: ?Sized> Contained<T> {
    pub(crate) fn new(inner: Arc<T>) -> Self {
        Self {
            inner,
            panic: Mutex::default(),
        }
    }

    /// Runs a call; a panic is an error, which may have done anything.
    async fn run<F: Future>(&self, name: &str, call: F) -> Result<F::Output, TransportError> {
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(output) => {
                if self.panic.lock().is_some() {
                    *self.panic.lock() = None;
                }
                Ok(output)
            }
            Err(panic) => Err(self.panicked(name, &*panic)),
        }
    }

    fn panicked(&self, name: &str, panic: &(dyn Any + Send)) -> TransportError {
        let message = one_line(&format!("{name} panicked: {}", panic_message(panic)));
        tracing::error!("{message}");
        *self.panic.lock() = Some(message.clone());
        TransportError::new(TransportErrorKind::Unconfirmed, message)
    }

    /// Runs a call that has nothing to await.
    fn now<O>(&self, name: &str, call: impl FnOnce() -> O) -> Result<O, TransportError> {
        catch_unwind(AssertUnwindSafe(call)).map_err(|panic| self.panicked(name, &*panic))
    }

    /// The health of a connection whose last call has panicked is not what it says itself.
    fn health_of(&self, says: impl FnOnce() -> TransportHealth) -> TransportHealth {
        let last = self.panic.lock().clone();
        let message = match (last, self.now("health", says)) {
            (None, Ok(health)) => return health,
            (Some(message), _) => message,
            (None, Err(error)) => error.to_string(),
        };
        TransportHealth::new(Connection::Reconnecting).with_last_error(Some(message))
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Contained<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl MessageTransport for Contained<dyn MessageTransport> {
    fn name(&self) -> &str {
        let name = self.now("name", || self.inner.name());
        name.unwrap_or("unknown")
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = self.now("capabilities", || self.inner.capabilities());
        capabilities.unwrap_or_else(|_panic| Capabilities::none())
    }

    async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        let call = async { self.inner.publish(events).await };
        match self.run("publish", call).await {
            Ok(answers) => answers,
            Err(error) => each(events.len(), &error),
        }
    }

    async fn subscribe(&self, spec: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError> {
        let call = async { self.inner.subscribe(spec).await };
        let source = self.run("subscribe", call).await??;
        Ok(Arc::new(Contained::new(source)))
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        let call = async { self.inner.dead_letter(letter).await };
        self.run("dead_letter", call).await?
    }

    async fn dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError> {
        let call = async { self.inner.dead_letters(query).await };
        self.run("dead_letters", call).await?
    }

    async fn remove_dead_letter(&self, id: &DeadLetterId) -> Result<bool, TransportError> {
        let call = async { self.inner.remove_dead_letter(id).await };
        self.run("remove_dead_letter", call).await?
    }

    async fn purge_dead_letters(&self) -> Result<u64, TransportError> {
        let call = async { self.inner.purge_dead_letters().await };
        self.run("purge_dead_letters", call).await?
    }

    async fn redeliver(&self, letter: &DeadLetter) -> Result<Confirmation, TransportError> {
        let call = async { self.inner.redeliver(letter).await };
        self.run("redeliver", call).await?
    }

    async fn replay(&self, filter: &EventFilter) -> Result<History, TransportError> {
        let call = async { self.inner.replay(filter).await };
        self.run("replay", call).await?
    }

    async fn request(
        &self,
        request: &Arc<IntegrationEvent>,
        within: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        let call = async { self.inner.request(request, within).await };
        self.run("request", call).await?
    }

    async fn respond(
        &self,
        spec: &SubscriptionSpec,
    ) -> Result<Arc<dyn RequestSource>, TransportError> {
        let call = async { self.inner.respond(spec).await };
        let source = self.run("respond", call).await??;
        Ok(Arc::new(Contained::new(source)))
    }

    async fn health(&self) -> TransportHealth {
        match self
            .run("health", async { self.inner.health().await })
            .await
        {
            Ok(health) => health,
            Err(error) => TransportHealth::new(Connection::Reconnecting)
                .with_last_error(Some(error.to_string())),
        }
    }

    async fn close(&self) {
        // What it says is in the log.
        let _panic = self.run("close", async { self.inner.close().await }).await;
    }
}

#[async_trait]
impl Source for Contained<dyn Source> {
    async fn receive(&self, max: usize) -> Result<Vec<Incoming>, TransportError> {
        let call = async { self.inner.receive(max).await };
        self.run("receive", call).await?
    }

    async fn settle(
        &self,
        settlements: &[(DeliveryToken, Disposition)],
    ) -> Vec<Result<Settled, TransportError>> {
        let call = async { self.inner.settle(settlements).await };
        match self.run("settle", call).await {
            Ok(answers) => answers,
            Err(error) => each(settlements.len(), &error),
        }
    }

    fn health(&self) -> TransportHealth {
        self.health_of(|| self.inner.health())
    }

    async fn close(&self) {
        let _panic = self.run("close", async { self.inner.close().await }).await;
    }
}

#[async_trait]
impl RequestSource for Contained<dyn RequestSource> {
    async fn receive(&self, max: usize) -> Result<Vec<IncomingRequest>, TransportError> {
        let call = async { self.inner.receive(max).await };
        self.run("receive", call).await?
    }

    async fn reply(
        &self,
        to: RequestToken,
        reply: &Arc<IntegrationEvent>,
    ) -> Result<(), TransportError> {
        let call = async { self.inner.reply(to, reply).await };
        self.run("reply", call).await?
    }

    fn health(&self) -> TransportHealth {
        self.health_of(|| self.inner.health())
    }

    async fn close(&self) {
        let _panic = self.run("close", async { self.inner.close().await }).await;
    }
}

#[async_trait]
impl DedupeStore for Contained<dyn DedupeStore> {
    async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        lease: Duration,
    ) -> Result<Begin, TransportError> {
        let call = async { self.inner.begin(key, by, lease).await };
        self.run("begin", call).await?
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        let call = async { self.inner.done(key).await };
        self.run("done", call).await?
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        let call = async { self.inner.release(key, by).await };
        self.run("release", call).await?
    }

    fn outlives_processes(&self) -> bool {
        let outlives = self.now("outlives_processes", || self.inner.outlives_processes());
        outlives.unwrap_or(false)
    }
}

impl TracePropagator for Contained<dyn TracePropagator> {
    fn context(&self, span: &Span) -> Option<TraceContext> {
        self.now("context", || self.inner.context(span)).ok()?
    }

    fn link(&self, span: &Span, to: &TraceContext) {
        let _panic = self.now("link", || self.inner.link(span, to));
    }

    fn parent(&self, span: &Span, of: &TraceContext) {
        let _panic = self.now("parent", || self.inner.parent(span, of));
    }
}

/// The same error for each.
fn each<T>(count: usize, error: &TransportError) -> Vec<Result<T, TransportError>> {
    let same = || Err(TransportError::new(error.kind(), error.to_string()));
    std::iter::repeat_with(same).take(count).collect()
}
