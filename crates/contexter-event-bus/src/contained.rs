//! Panics of what a bus is given, kept where they happen: a transport, a store, a propagator.
//!
//! Without this, a panic would end the task that has called it, and with it a worker, the receiving
//! or the settling of a subscription, while everything looks healthy.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::{IntegrationEvent, TraceContext};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tracing::Span;

use crate::dedupe::{Begin, DedupeKey, DedupeStore, DeliveryId};
use crate::history::{EventFilter, History};
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
}

/// A connection whose panics are caught, and kept for its health.
pub(crate) struct Connected<T: ?Sized> {
    inner: Arc<T>,
    last: LastPanic,
}

/// Why the last call panicked, if it did.
#[derive(Default)]
struct LastPanic {
    /// Whether there is one, so that nearly all calls need no lock to know that there is none.
    any: AtomicBool,
    message: Mutex<Option<String>>,
}

impl LastPanic {
    fn set(&self, last: Option<String>) {
        let mut message = self.message.lock();
        self.any.store(last.is_some(), Ordering::Release);
        *message = last;
    }

    fn forget(&self) {
        if self.any.load(Ordering::Acquire) {
            self.set(None);
        }
    }

    fn get(&self) -> Option<String> {
        let any = self.any.load(Ordering::Acquire);
        any.then(|| self.message.lock().clone()).flatten()
    }
}

/// Runs a call; a panic is an error, which may have done anything.
async fn run<F: Future>(name: &str, call: F) -> Result<F::Output, TransportError> {
    let caught = AssertUnwindSafe(call).catch_unwind().await;
    caught.map_err(|panic| panicked(name, &*panic))
}

/// Runs a call that has nothing to await.
fn now<O>(name: &str, call: impl FnOnce() -> O) -> Result<O, TransportError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| panicked(name, &*panic))
}

fn panicked(name: &str, panic: &(dyn Any + Send)) -> TransportError {
    let message = one_line(&format!("{name} panicked: {}", panic_message(panic)));
    tracing::error!("{message}");
    TransportError::new(TransportErrorKind::Unconfirmed, message)
}

fn away(error: String) -> TransportHealth {
    TransportHealth::new(Connection::Reconnecting).with_last_error(Some(error))
}

impl<T: ?Sized> Contained<T> {
    pub(crate) fn new(inner: Arc<T>) -> Self {
        Self { inner }
    }
}

impl<T: ?Sized> Connected<T> {
    pub(crate) fn new(inner: Arc<T>) -> Self {
        let last = LastPanic::default();
        Self { inner, last }
    }

    /// Runs a call that needs the connection: its health is what this says last.
    async fn run<F: Future>(&self, name: &str, call: F) -> Result<F::Output, TransportError> {
        let outcome = run(name, call).await;
        match &outcome {
            Ok(_) => self.last.forget(),
            Err(panic) => self.last.set(Some(panic.to_string())),
        }
        outcome
    }

    /// The health of a connection whose last call has panicked is not what it says itself.
    fn health_of(&self, says: impl FnOnce() -> TransportHealth) -> TransportHealth {
        match self.last.get() {
            Some(panic) => away(panic),
            None => now("health", says).unwrap_or_else(|panic| away(panic.to_string())),
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Contained<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Connected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl MessageTransport for Connected<dyn MessageTransport> {
    fn name(&self) -> &str {
        let name = now("name", || self.inner.name());
        name.unwrap_or("unknown")
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = now("capabilities", || self.inner.capabilities());
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
        Ok(Arc::new(Connected::new(source)))
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
        Ok(Arc::new(Connected::new(source)))
    }

    async fn health(&self) -> TransportHealth {
        if let Some(panic) = self.last.get() {
            return away(panic);
        }
        let health = run("health", async { self.inner.health().await }).await;
        health.unwrap_or_else(|panic| away(panic.to_string()))
    }

    async fn close(&self) {
        // What it says is in the log.
        let _panic = self.run("close", async { self.inner.close().await }).await;
    }
}

#[async_trait]
impl Source for Connected<dyn Source> {
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
impl RequestSource for Connected<dyn RequestSource> {
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
        run("begin", call).await?
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        let call = async { self.inner.done(key).await };
        run("done", call).await?
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        let call = async { self.inner.release(key, by).await };
        run("release", call).await?
    }

    fn outlives_processes(&self) -> bool {
        let outlives = now("outlives_processes", || self.inner.outlives_processes());
        outlives.unwrap_or(false)
    }
}

impl TracePropagator for Contained<dyn TracePropagator> {
    fn context(&self, span: &Span) -> Option<TraceContext> {
        now("context", || self.inner.context(span)).ok()?
    }

    fn link(&self, span: &Span, to: &TraceContext) {
        let _panic = now("link", || self.inner.link(span, to));
    }

    fn parent(&self, span: &Span, of: &TraceContext) {
        let _panic = now("parent", || self.inner.parent(span, of));
    }
}

/// The same error for each.
fn each<T>(count: usize, error: &TransportError) -> Vec<Result<T, TransportError>> {
    let same = || Err(TransportError::new(error.kind(), error.to_string()));
    std::iter::repeat_with(same).take(count).collect()
}
