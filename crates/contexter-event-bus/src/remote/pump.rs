//! From the broker into the queue.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use contexter_service::Backoff;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};

use super::{Leased, Ready, Remote};
use crate::handler::FailureKind;
use crate::lanes::{Item, Owner};
use crate::observe::{Unhandled, UnhandledReason};
use crate::queue::Queue;
use crate::receipt::Acceptance;
use crate::text::one_line;
use crate::transport::{
    DeadLetter, DeadLetterId, DeadMessage, Disposition, Incoming, Source, TransportError,
    TransportErrorKind,
};

/// The pause after a source has failed; sources mend their connections themselves, so this is rare.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a little room waits for more, so that events are not fetched one by one.
const GATHERING: Duration = Duration::from_millis(5);

/// Gives the queue what the source gives, until it is told to stop or the source is closed.
pub(crate) async fn pump(remote: Arc<Remote>, queue: Arc<Queue>) {
    let _intake = Intake(&remote);
    let mut closing = remote.closing.subscribe();
    let source = tokio::select! {
        biased;
        _ = closing.wait_for(|closing| *closing) => return,
        source = remote.connect() => source,
    };
    let Some(source) = source else { return };
    loop {
        let received = tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => break,
            received = remote.receive(&*source) => received,
        };
        match received {
            // Not broken off: what was received is either in the queue or given back.
            Ok(messages) => {
                let came = Came::now();
                for message in remote.hold(messages, came.at) {
                    remote.take_in(&queue, message, came).await;
                }
            }
            Err(error) if error.kind() == TransportErrorKind::Closed => break,
            Err(error) => {
                tracing::warn!(subscription = &*queue.name, %error, "cannot receive events");
                let closed = closing.wait_for(|closing| *closing);
                if timeout(PAUSE, closed).await.is_ok() {
                    break;
                }
            }
        }
    }
    source.close().await;
}

/// When messages came that came together, by both clocks.
#[derive(Clone, Copy)]
struct Came {
    at: Instant,
    time: Timestamp,
}

impl Came {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            time: Timestamp::now(),
        }
    }
}

/// A pump that may still take something in.
struct Intake<'r>(&'r Remote);

impl Drop for Intake<'_> {
    fn drop(&mut self) {
        self.0.intake_is_over();
    }
}

impl Remote {
    /// Subscribes at the broker, for as long as it takes; none if it refuses for good.
    async fn connect(&self) -> Option<Arc<dyn Source>> {
        let mut delays = Backoff::new(PAUSE / 10, PAUSE * 10).ok()?.delays();
        loop {
            let error = match self.transport.subscribe(&self.spec).await {
                Ok(source) => {
                    let source = self.source.get_or_init(|| source);
                    self.state.send_replace(Ready::Up);
                    return Some(Arc::clone(source));
                }
                Err(error) => error,
            };
            tracing::warn!(pattern = %self.spec.pattern, %error, "cannot subscribe at the broker");
            if !error.kind().is_transient() {
                self.state.send_replace(Ready::Failed(error.to_string()));
                return None;
            }
            self.state
                .send_replace(Ready::Connecting(Some(error.to_string())));
            sleep(delays.next().unwrap_or(PAUSE)).await;
        }
    }

    async fn receive(&self, source: &dyn Source) -> Result<Vec<Incoming>, TransportError> {
        let room = self.wait_for_room().await;
        source.receive(room).await
    }

    /// Waits until more messages may be held, and returns how many.
    async fn wait_for_room(&self) -> usize {
        let mut patient = true;
        loop {
            let changed = self.room.notified();
            let free = self.free(&self.held.lock());
            if free >= self.worth_it() || (free > 0 && !patient) {
                return free;
            }
            if free == 0 {
                changed.await;
            } else {
                patient = timeout(GATHERING, changed).await.is_ok();
            }
        }
    }

    /// Takes in a message that is held.
    async fn take_in(&self, queue: &Queue, message: Incoming, came: Came) {
        let Incoming {
            message,
            token: _held,
            delivery_count,
            id,
            redrive_group,
            size: _held_too,
        } = message;
        if redrive_group
            .as_ref()
            .is_some_and(|mark| !queue.is_marked(mark))
        {
            self.ack(&id, None);
            return;
        }
        let event = match message {
            Ok(event) => event,
            // Whoever has it now makes it a dead letter.
            Err(_undecodable) if !self.holds(&id) => {
                self.give_up(&id);
                return;
            }
            Err(undecodable) => {
                let message = DeadMessage::Raw(undecodable.raw);
                let fault = (FailureKind::Undecodable, one_line(&undecodable.error));
                self.refuse(queue, &id, delivery_count, message, fault)
                    .await;
                return;
            }
        };
        if let Some(fault) = self.clock_skew(&event, came.time) {
            let message = DeadMessage::Event(event);
            let fault = (FailureKind::ClockSkew, fault);
            self.refuse(queue, &id, delivery_count, message, fault)
                .await;
            return;
        }
        let leased = Leased {
            id: Arc::clone(&id),
            delivery_count,
            redriven: redrive_group.is_some(),
        };
        let mut item = Item::new(event, Owner::Broker(leased));
        item.more().attempt = queue.attempts.first_of(delivery_count);
        match self.push(queue, item).await {
            Acceptance::Closed | Acceptance::Rejected => self.return_untouched(&id),
            // What was dropped for want of room is acknowledged by now.
            _ => {}
        }
    }

    /// Puts an item into the queue.
    ///
    /// The queue is full only when what is in it is not held: events whose lease has run out, which are
    /// soon passed over, replayed ones, and letters. So this waits, because what goes back would come
    /// after what is newer, and count as tried.
    async fn push(&self, queue: &Queue, item: Item) -> Acceptance {
        let item = match queue.try_push(item) {
            Ok(acceptance) => return acceptance,
            Err(full) => full,
        };
        let mut closing = self.closing.subscribe();
        tokio::select! {
            biased;
            acceptance = queue.push(item, None) => acceptance,
            _ = closing.wait_for(|closing| *closing) => Acceptance::Closed,
        }
    }

    fn clock_skew(&self, event: &IntegrationEvent, came: Timestamp) -> Option<String> {
        let ahead = Duration::try_from(event.time()?.duration_since(came)).ok()?;
        let limit = self.max_clock_skew;
        (ahead > limit).then(|| {
            format!("made {ahead:?} in the future by this clock, at most {limit:?} are allowed")
        })
    }

    /// Makes a message a dead letter that no handler is to see.
    async fn refuse(
        &self,
        queue: &Queue,
        id: &Arc<str>,
        delivery_count: u32,
        message: DeadMessage,
        (kind, error): (FailureKind, String),
    ) {
        tracing::warn!(
            subscription = &*queue.name,
            origin = &**id,
            failure = kind.as_str(),
            error,
            "message became a dead letter"
        );
        let now = Timestamp::now();
        let letter = DeadLetter {
            id: DeadLetterId::unassigned(),
            message,
            subscription: Arc::clone(&queue.name),
            group: Arc::clone(queue.group_name()),
            pattern: queue.redrive_pattern(),
            instance: self.instance.clone(),
            origin: Some(id.to_string()),
            attempts: 0,
            kind,
            error,
            first_failed: now,
            last_failed: now,
        };
        if let Some(stored) = self.bury(&letter).await {
            let promise = {
                let mut state = queue.state.lock();
                state.count(&queue.tally, |stats| stats.dead_lettered += 1);
                state.promise()
            };
            queue.tally.dead_lettered(kind);
            self.ack(id, None);
            queue.observe_with(promise, |queue| Unhandled {
                subscription: Arc::clone(&queue.name),
                group: queue.group.clone(),
                message: letter.message,
                origin: Some(Arc::clone(id)),
                attempts: 0,
                reason: UnhandledReason::DeadLettered {
                    id: stored,
                    kind,
                    error: letter.error,
                },
            });
        } else {
            let after = queue.attempts.delay_after(delivery_count);
            self.let_go(self.held.lock(), id, Disposition::Nack { after }, None);
        }
    }
}
