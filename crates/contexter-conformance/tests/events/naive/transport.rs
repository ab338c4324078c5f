//! The transport of one process.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::{
    Confirmation, Connection, DeadLetter, DeadLetterId, DeadLetterQuery, DeadMessage, Source,
    SubscriptionSpec, TransportErrorKind, TransportHealth,
};
use contexter_event_bus::{
    Capabilities, Capability, EventFilter, Gap, History, MessageTransport, RequestError,
    TransportError,
};
use contexter_protocol::{IntegrationEvent, codec};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Flaw;
use super::source::NaiveSource;
use super::state::Broker;

/// How many bytes an event may have.
const LARGEST: usize = 64 * 1024;

/// How long a publication waits for a broker that is down.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct NaiveTransport {
    broker: Arc<Broker>,
    closed: watch::Sender<bool>,
}

impl NaiveTransport {
    pub(super) fn new(broker: &Arc<Broker>) -> Self {
        Self {
            broker: Arc::clone(broker),
            closed: watch::Sender::new(false),
        }
    }

    async fn up(&self) -> Result<(), TransportError> {
        if *self.closed.borrow() {
            return Err(TransportError::closed());
        }
        let mut down = self.broker.down.subscribe();
        let up = down.wait_for(|down| !*down);
        if self.broker.flaw == Flaw::PublishesForEver {
            let _up = up.await;
            return Ok(());
        }
        let late = |_late| TransportError::new(TransportErrorKind::Unavailable, "broker is down");
        let patience = match self.broker.flaw {
            Flaw::PublishesTooLong => PATIENCE * 12,
            _ => PATIENCE,
        };
        tokio::time::timeout(patience, up)
            .await
            .map(drop)
            .map_err(late)
    }

    fn publish_one(&self, event: &Arc<IntegrationEvent>) -> Result<Confirmation, TransportError> {
        let encoded = codec::encode_binary(event).map_err(|error| {
            TransportError::new(TransportErrorKind::TooLarge, error.to_string())
        })?;
        let size = encoded.body.len();
        if size > LARGEST && self.broker.flaw != Flaw::TakesWhatIsTooLarge {
            return Err(TransportError::too_large(size, LARGEST));
        }
        Ok(self
            .broker
            .store(event.event_type(), Ok(Arc::clone(event)), None))
    }
}

#[async_trait]
impl MessageTransport for NaiveTransport {
    fn name(&self) -> &'static str {
        "naive"
    }

    fn capabilities(&self) -> Capabilities {
        [
            Capability::ConsumerGroups,
            Capability::Persistence,
            Capability::Takeover,
            Capability::OrderPerKey,
            Capability::PublishDedupe,
            Capability::StartEarliest,
            Capability::Replay,
            Capability::DurableDeadLetters,
            Capability::Remote,
        ]
        .into_iter()
        .fold(Capabilities::none(), Capabilities::with)
        .with_max_payload(LARGEST)
    }

    async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        // One round trip.
        tokio::task::yield_now().await;
        if self.broker.flaw == Flaw::RefusesBatches && events.len() > 1 {
            let refused = || TransportError::new(TransportErrorKind::Refused, "too many");
            return events.iter().map(|_| Err(refused())).collect();
        }
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            answers.push(match self.up().await {
                Ok(()) => self.publish_one(event),
                Err(error) => Err(error),
            });
        }
        answers
    }

    async fn subscribe(&self, spec: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError> {
        self.up().await?;
        Ok(Arc::new(NaiveSource {
            group: self.broker.join(spec),
            broker: Arc::clone(&self.broker),
            spec: spec.clone(),
            held: Mutex::default(),
            closed: watch::Sender::new(false),
            transport_closed: self.closed.subscribe(),
        }))
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        self.up().await?;
        let mut state = self.broker.state.lock();
        state.last_letter += 1;
        let number = state.last_letter;
        let id = DeadLetterId::new(number.to_string());
        let mut letter = letter.clone().with_id(id.clone());
        if self.broker.flaw == Flaw::CutsLetters {
            letter.error = String::from("it failed");
        }
        if self.broker.flaw == Flaw::ForgetsWhoseLetters {
            letter.instance = None;
        }
        let same = |other: &&DeadLetter| other.message == letter.message;
        if self.broker.flaw == Flaw::MergesLetters
            && let Some(known) = state.letters.values().find(same)
        {
            return Ok(known.id.clone());
        }
        if self.broker.flaw != Flaw::ForgetsLetters {
            state.letters.insert(number, letter);
        }
        Ok(id)
    }

    async fn dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError> {
        let state = self.broker.state.lock();
        let after = query.after.as_ref();
        let after: Option<u64> = after.and_then(|id| id.as_str().parse().ok());
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let letters = state
            .letters
            .range((after, Bound::Unbounded))
            .map(|(_, letter)| letter);
        let wanted = letters.filter(|letter| query.wants(letter));
        Ok(wanted.take(query.limit).cloned().collect())
    }

    async fn remove_dead_letter(&self, id: &DeadLetterId) -> Result<bool, TransportError> {
        let Ok(number) = id.as_str().parse() else {
            return Ok(false);
        };
        Ok(self.broker.state.lock().letters.remove(&number).is_some())
    }

    async fn purge_dead_letters(&self) -> Result<u64, TransportError> {
        Ok(std::mem::take(&mut self.broker.state.lock().letters).len() as u64)
    }

    async fn redeliver(&self, letter: &DeadLetter) -> Result<Confirmation, TransportError> {
        let DeadMessage::Event(event) = &letter.message else {
            return Err(TransportError::new(TransportErrorKind::Refused, "no event"));
        };
        let group = match self.broker.flaw {
            Flaw::RedrivesToEverybody => None,
            _ => Some(letter.redrive_group()),
        };
        Ok(self
            .broker
            .store(event.event_type(), Ok(Arc::clone(event)), group))
    }

    async fn replay(&self, filter: &EventFilter) -> Result<History, TransportError> {
        let state = self.broker.state.lock();
        let after: Option<u64> = filter.wanted_after().and_then(|place| place.parse().ok());
        let first = state.first();
        let is_missing = match after {
            Some(after) => after + 1 < first,
            None => filter.wanted_since().is_some() && first > 1,
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut events, mut last) = (Vec::new(), None);
        for (place, stored) in state.log.range((from, Bound::Unbounded)) {
            if events.len() >= filter.wanted_limit() {
                break;
            }
            last = Some(place.to_string());
            let event = stored
                .message
                .as_ref()
                .ok()
                .filter(|event| filter.wants(event));
            events.extend(event.cloned());
        }
        let shows = is_missing && self.broker.flaw != Flaw::HidesGaps;
        let gap = shows.then(|| Gap::new(None, Some(first.to_string())));
        Ok(History::new(events).with_gap(gap).with_last(last))
    }

    async fn request(
        &self,
        _request: &Arc<IntegrationEvent>,
        within: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        if self.broker.flaw == Flaw::TimesOutUnclaimed {
            return Err(RequestError::Timeout { within });
        }
        Err(TransportError::unsupported(Capability::RequestReply).into())
    }

    async fn health(&self) -> TransportHealth {
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
