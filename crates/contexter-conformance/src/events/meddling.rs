//! A transport around another one, which fails on demand and remembers what it gave.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::{
    Confirmation, DeadLetter, DeadLetterId, DeadLetterQuery, DeliveryToken, Disposition, Incoming,
    RequestSource, Settled, Source, SubscriptionSpec, TransportErrorKind, TransportHealth,
};
use contexter_event_bus::{
    Capabilities, EventFilter, History, MessageTransport, RequestError, TransportError,
};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

type Given = Arc<Mutex<Vec<Weak<IntegrationEvent>>>>;

/// A transport that is the one inside, but for what is said here.
#[derive(Debug)]
pub(crate) struct Meddling {
    inside: Arc<dyn MessageTransport>,
    refuse_letters: AtomicBool,
    refused: AtomicUsize,
    given: Given,
    /// How long a settlement is on its way to the broker.
    way: Duration,
    slowest: Arc<Mutex<Duration>>,
    dead: Arc<AtomicBool>,
}

impl Meddling {
    pub(crate) fn new(inside: Arc<dyn MessageTransport>) -> Self {
        Self {
            inside,
            refuse_letters: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            given: Arc::default(),
            way: Duration::ZERO,
            slowest: Arc::default(),
            dead: Arc::default(),
        }
    }

    /// Lets the way of each settlement to the broker take so long.
    pub(crate) fn with_way(mut self, way: Duration) -> Self {
        self.way = way;
        self
    }

    /// Returns how long the broker took at most to answer a settlement.
    pub(crate) fn slowest_settlement(&self) -> Duration {
        *self.slowest.lock()
    }

    /// Lets the process die that has this transport: from now on nothing that it settles reaches the
    /// broker, nor that it closes.
    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    /// Lets dead letters get no answer.
    pub(crate) fn refuse_letters(&self, refuse: bool) {
        self.refuse_letters.store(refuse, Ordering::SeqCst);
    }

    pub(crate) fn refused_letters(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// Returns how many of the events that it gave are still alive.
    pub(crate) fn alive(&self) -> usize {
        let given = self.given.lock();
        given
            .iter()
            .filter(|event| event.strong_count() > 0)
            .count()
    }
}

#[async_trait]
impl MessageTransport for Meddling {
    fn name(&self) -> &str {
        self.inside.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inside.capabilities()
    }

    async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        self.inside.publish(events).await
    }

    async fn subscribe(&self, spec: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError> {
        let inside = self.inside.subscribe(spec).await?;
        Ok(Arc::new(Remembering {
            inside,
            given: Arc::clone(&self.given),
            way: self.way,
            slowest: Arc::clone(&self.slowest),
            dead: Arc::clone(&self.dead),
        }))
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        if self.refuse_letters.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            let kind = TransportErrorKind::Unconfirmed;
            return Err(TransportError::new(
                kind,
                "no answer, as the scenario wants",
            ));
        }
        self.inside.dead_letter(letter).await
    }

    async fn dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError> {
        self.inside.dead_letters(query).await
    }

    async fn remove_dead_letter(&self, id: &DeadLetterId) -> Result<bool, TransportError> {
        self.inside.remove_dead_letter(id).await
    }

    async fn purge_dead_letters(&self) -> Result<u64, TransportError> {
        self.inside.purge_dead_letters().await
    }

    async fn redeliver(&self, letter: &DeadLetter) -> Result<Confirmation, TransportError> {
        self.inside.redeliver(letter).await
    }

    async fn replay(&self, filter: &EventFilter) -> Result<History, TransportError> {
        self.inside.replay(filter).await
    }

    async fn request(
        &self,
        request: &Arc<IntegrationEvent>,
        within: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        self.inside.request(request, within).await
    }

    async fn respond(
        &self,
        spec: &SubscriptionSpec,
    ) -> Result<Arc<dyn RequestSource>, TransportError> {
        self.inside.respond(spec).await
    }

    async fn health(&self) -> TransportHealth {
        self.inside.health().await
    }

    async fn close(&self) {
        if !self.dead.load(Ordering::SeqCst) {
            self.inside.close().await;
        }
    }
}

#[derive(Debug)]
struct Remembering {
    inside: Arc<dyn Source>,
    given: Given,
    way: Duration,
    slowest: Arc<Mutex<Duration>>,
    dead: Arc<AtomicBool>,
}

impl Remembering {
    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Source for Remembering {
    async fn receive(&self, max: usize) -> Result<Vec<Incoming>, TransportError> {
        let mut some = self.inside.receive(max).await?;
        let mut given = self.given.lock();
        for one in &mut some {
            if let Ok(event) = &mut one.message {
                // A copy, in case a broker in memory keeps the event itself.
                *event = Arc::new(IntegrationEvent::clone(event));
                given.push(Arc::downgrade(event));
            }
        }
        drop(given);
        Ok(some)
    }

    async fn settle(
        &self,
        settlements: &[(DeliveryToken, Disposition)],
    ) -> Vec<Result<Settled, TransportError>> {
        if !self.way.is_zero() {
            sleep(self.way).await;
        }
        if self.is_dead() {
            let lost = || Err(TransportError::closed());
            return settlements.iter().map(|_| lost()).collect();
        }
        let sent = Instant::now();
        let answers = self.inside.settle(settlements).await;
        let mut slowest = self.slowest.lock();
        *slowest = slowest.max(sent.elapsed());
        drop(slowest);
        answers
    }

    fn health(&self) -> TransportHealth {
        self.inside.health()
    }

    async fn close(&self) {
        if !self.is_dead() {
            self.inside.close().await;
        }
    }
}
