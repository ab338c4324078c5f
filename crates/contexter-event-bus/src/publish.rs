//! Publishing: into the queues or to the broker, and on to the outcome.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::rag::DocumentProcessed;
use contexter_protocol::{BuildError, EventPayload, IntegrationEvent};
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, Span};

use crate::bus::{Bus, MAX_WITHIN};
use crate::error::PublishError;
use crate::lanes::{Item, Owner};
use crate::queue::Queue;
use crate::receipt::{Acceptance, Outcome, Receipt, Settlement, Taken};
use crate::route::{Route, check_type};
use crate::stats::{Ledger, Publishing};
use crate::trace::{is_watched, not_sent};
use crate::transport::{Capability, MessageTransport, TransportError, TransportErrorKind};

impl Bus {
    /// Publishes an event without waiting for handlers.
    ///
    /// In process it goes into the queue of every matching subscription. The call waits only for
    /// room in a queue whose policy is to block; the queues of other subscriptions take the event
    /// before. On a broker, it waits for the broker to confirm.
    ///
    /// # Errors
    ///
    /// Returns an error after a drain, if the event type is not made of tokens, and if a broker does
    /// not confirm. A full queue is no error: the receipt says what each one did.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits for room, the subscriptions with room have the
    /// event and the others do not; while it waits for a broker, the event may be stored or not.
    pub async fn publish(
        &self,
        event: impl Into<Arc<IntegrationEvent>>,
    ) -> Result<Receipt, PublishError> {
        let event = event.into();
        if self.transport().is_some() || is_watched() {
            // Boxed, so that the way inside a process that nobody watches stays small.
            return Box::pin(self.publish_watched(event)).await;
        }
        let taken = match self.dispatch(&event, |_| Owner::Nobody) {
            Ok(Dispatched::Everywhere(taken)) => taken,
            Ok(Dispatched::Waiting(waiting)) => waiting.push(None).await,
            Err(error) => {
                self.failed(&Span::none(), &error);
                return Err(error);
            }
        };
        Ok(Receipt { event, taken })
    }

    async fn publish_watched(
        &self,
        mut event: Arc<IntegrationEvent>,
    ) -> Result<Receipt, PublishError> {
        let span = self.sending(std::slice::from_mut(&mut event));
        let outcome = self.put(event).instrument(span.clone()).await;
        if let Err(error) = &outcome {
            self.failed(&span, error);
        }
        outcome
    }

    async fn put(&self, event: Arc<IntegrationEvent>) -> Result<Receipt, PublishError> {
        let taken = match self.transport() {
            None => match self.dispatch(&event, |_| Owner::Nobody)? {
                Dispatched::Everywhere(taken) => taken,
                Dispatched::Waiting(waiting) => waiting.push(None).await,
            },
            Some(transport) => self.send(transport, &event).await?,
        };
        Ok(Receipt { event, taken })
    }

    /// Publishes several events, in their order, and returns what became of each.
    ///
    /// On a broker they go together, in about one round trip.
    ///
    /// # Cancel safety
    ///
    /// As for [`publish`](Self::publish), for each event.
    pub async fn publish_all(
        &self,
        mut events: Vec<Arc<IntegrationEvent>>,
    ) -> Vec<Result<Receipt, PublishError>> {
        let Some(transport) = self.transport() else {
            let mut receipts = Vec::with_capacity(events.len());
            for event in events {
                receipts.push(self.publish(event).await);
            }
            return receipts;
        };
        let span = self.sending(&mut events);
        let Ok(_publishing) = self.begin() else {
            let closed = |_| {
                self.failed(&span, &PublishError::Closed);
                Err(PublishError::Closed)
            };
            return events.iter().map(closed).collect();
        };
        let checked = events.iter().map(|event| check_type(event.event_type()));
        let mut refused: Vec<_> = checked.map(Result::err).collect();
        let good: Vec<_> = events
            .iter()
            .zip(&refused)
            .filter(|(_, error)| error.is_none())
            .map(|(event, _)| Arc::clone(event))
            .collect();
        let answers = transport.publish(&good).instrument(span.clone()).await;
        let mut answers = answers.into_iter();
        let mut answer = |event: Arc<IntegrationEvent>, error: Option<PublishError>| {
            if let Some(error) = error {
                self.failed(&span, &error);
                return Err(error);
            }
            let answer = answers.next().unwrap_or_else(|| Err(no_answer()));
            let confirmation = answer.map_err(PublishError::from);
            let confirmation = confirmation.inspect_err(|error| self.failed(&span, error))?;
            self.inner.ledger.store.count(&event);
            let taken = Taken::Broker(Box::new(confirmation));
            Ok(Receipt { event, taken })
        };
        let errors = refused.iter_mut().map(Option::take);
        let pairs = events.into_iter().zip(errors);
        pairs.map(|(event, error)| answer(event, error)).collect()
    }

    /// Publishes a typed payload, as `source`; its type, subject, key and reference are the
    /// payload's.
    ///
    /// # Errors
    ///
    /// As for [`publish`](Self::publish), and if the payload makes no event.
    pub async fn publish_payload<P: EventPayload + Sync>(
        &self,
        source: &str,
        payload: &P,
    ) -> Result<Receipt, PublishError> {
        let built = IntegrationEvent::of(source, payload)
            .and_then(|builder| builder.build().map_err(BuildError::from));
        let event = built.map_err(|error| {
            let error = PublishError::from(error);
            self.failed(&Span::none(), &error);
            error
        })?;
        self.publish(event).await
    }

    /// Publishes an event and waits until every handler is through with it, retries included.
    ///
    /// What takes longer than `within` goes on, as [`Outcome::Pending`]. Only in process, where
    /// everybody who handles the event is known: [`Capability::Settlement`].
    ///
    /// # Errors
    ///
    /// As for [`publish`](Self::publish), and [`PublishError::Unsupported`] on a broker. A failed
    /// handler is no error: the settlement names it.
    ///
    /// # Cancel safety
    ///
    /// As for [`publish`](Self::publish); handlers go on.
    pub async fn publish_and_settle(
        &self,
        event: impl Into<Arc<IntegrationEvent>>,
        within: Duration,
    ) -> Result<Settlement, PublishError> {
        if self.transport().is_some() {
            let capability = Capability::Settlement;
            let error = PublishError::Unsupported { capability };
            self.failed(&Span::none(), &error);
            return Err(error);
        }
        let mut event = event.into();
        let span = self.sending(std::slice::from_mut(&mut event));
        let deadline = Instant::now() + within.min(MAX_WITHIN);
        let mut waits = Vec::new();
        let dispatched = span.in_scope(|| {
            self.dispatch(&event, |name| {
                let (sender, receiver) = oneshot::channel();
                waits.push((Arc::clone(name), receiver));
                Owner::Publisher(sender)
            })
        });
        let dispatched = dispatched.inspect_err(|error| self.failed(&span, error))?;
        if let Dispatched::Waiting(waiting) = dispatched {
            waiting.push(Some(deadline)).await;
        }
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
        self.publish_payload("document_processor", &payload).await
    }

    #[cold]
    fn failed(&self, span: &Span, error: &PublishError) {
        self.inner.ledger.publish_failures.note(error);
        not_sent(span, error);
    }

    /// Notes that something is on its way to the broker; none after a drain.
    fn begin(&self) -> Result<Publishing<'_>, PublishError> {
        // Under the lock, so that a drain sees either this publication or none.
        let routes = self.inner.routes.read();
        if !routes.open {
            return Err(PublishError::Closed);
        }
        Ok(self.inner.ledger.begin())
    }

    async fn send(
        &self,
        transport: &Arc<dyn MessageTransport>,
        event: &Arc<IntegrationEvent>,
    ) -> Result<Taken, PublishError> {
        check_type(event.event_type())?;
        let _publishing = self.begin()?;
        let answers = transport.publish(std::slice::from_ref(event)).await;
        let answer = answers.into_iter().next();
        let confirmation = answer.unwrap_or_else(|| Err(no_answer()))?;
        self.inner.ledger.store.count(event);
        Ok(Taken::Broker(Box::new(confirmation)))
    }

    /// Gives the event to every queue that has room.
    fn dispatch(
        &self,
        event: &Arc<IntegrationEvent>,
        owner: impl FnMut(&Arc<str>) -> Owner,
    ) -> Result<Dispatched<'_>, PublishError> {
        // The lock is held until every queue has been asked, so that a drain sees either all of
        // this publication or nothing of it.
        let routes = self.inner.routes.read();
        if !routes.open {
            check_type(event.event_type())?;
            return Err(PublishError::Closed);
        }
        if let Some(route) = routes.known(event.event_type()) {
            return Ok(self.fan_out(event, route, owner));
        }
        drop(routes);
        let mut routes = self.inner.routes.write();
        if !routes.open {
            return Err(PublishError::Closed);
        }
        let route = routes.learn(event.event_type())?;
        Ok(self.fan_out(event, &route, owner))
    }

    #[inline]
    fn fan_out(
        &self,
        event: &Arc<IntegrationEvent>,
        route: &Route,
        mut owner: impl FnMut(&Arc<str>) -> Owner,
    ) -> Dispatched<'_> {
        let ledger = &*self.inner.ledger;
        ledger.store.record(event, !route.queues.is_empty());
        let mut rest: Option<Box<NotPlain>> = None;
        for (at, (queue, name)) in route.queues.iter().zip(&*route.names).enumerate() {
            let how = queue.accept(event, owner(name));
            if !matches!(how, Ok(Acceptance::Accepted)) || rest.is_some() {
                rest.get_or_insert_default().note(at, queue, how);
            }
        }
        let names = Arc::clone(&route.names);
        match rest {
            None => Dispatched::Everywhere(Taken::Everywhere(names)),
            Some(rest) => rest.into_dispatched(names, ledger),
        }
    }
}

/// How queues took an event that did not all accept it.
#[derive(Default)]
struct NotPlain {
    each: Vec<Acceptance>,
    full: Vec<(usize, Arc<Queue>, Item)>,
}

impl NotPlain {
    #[cold]
    fn note(&mut self, at: usize, queue: &Arc<Queue>, how: Result<Acceptance, Item>) {
        let how = how.unwrap_or_else(|item| {
            self.full.push((at, Arc::clone(queue), item));
            Acceptance::Rejected
        });
        // Whoever was asked before has accepted.
        self.each.resize(at, Acceptance::Accepted);
        self.each.push(how);
    }

    #[cold]
    fn into_dispatched(self, names: Arc<[Arc<str>]>, ledger: &Ledger) -> Dispatched<'_> {
        let Self { each, full } = self;
        if full.is_empty() {
            return Dispatched::Everywhere(Taken::Each(Box::new((names, each))));
        }
        Dispatched::Waiting(Box::new(WaitingForRoom {
            names,
            each,
            full,
            _publishing: ledger.begin(),
        }))
    }
}

fn no_answer() -> TransportError {
    let message = "transport gave no answer for an event";
    TransportError::new(TransportErrorKind::Protocol, message)
}

/// A publication as far as it goes without waiting.
enum Dispatched<'a> {
    Everywhere(Taken),
    Waiting(Box<WaitingForRoom<'a>>),
}

/// A publication that some queues have no room for.
struct WaitingForRoom<'a> {
    names: Arc<[Arc<str>]>,
    each: Vec<Acceptance>,
    full: Vec<(usize, Arc<Queue>, Item)>,
    _publishing: Publishing<'a>,
}

impl WaitingForRoom<'_> {
    async fn push(mut self: Box<Self>, deadline: Option<Instant>) -> Taken {
        let full = std::mem::take(&mut self.full);
        let push = |(at, queue, item): (usize, Arc<Queue>, Item)| async move {
            (at, queue.push(item, deadline).await)
        };
        for (at, how) in join_all(full.into_iter().map(push)).await {
            if let Some(taken) = self.each.get_mut(at) {
                *taken = how;
            }
        }
        Taken::Each(Box::new((self.names, self.each)))
    }
}
