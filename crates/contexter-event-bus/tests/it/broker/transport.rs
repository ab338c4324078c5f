//! The broker as a transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::*;
use contexter_event_bus::{EventFilter, History};
use contexter_protocol::IntegrationEvent;

use super::source::{FakeSource, OneRequest};
use super::{Broker, Group};

/// The transport of one process; several share a broker.
#[derive(Debug)]
pub(crate) struct Fake(pub(crate) Arc<Broker>);

#[async_trait]
impl MessageTransport for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::none().with(Capability::ConsumerGroups)
    }

    async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        self.0.may_panic("publish");
        let store = |event: &Arc<IntegrationEvent>| {
            if self.0.closed.load(Ordering::SeqCst) {
                return Err(TransportError::closed());
            }
            if self.0.unavailable.load(Ordering::SeqCst) {
                let kind = TransportErrorKind::Unavailable;
                return Err(TransportError::new(kind, "down"));
            }
            let left = self.0.fail_next.load(Ordering::SeqCst);
            if left > 0 {
                self.0.fail_next.store(left - 1, Ordering::SeqCst);
                let kind = TransportErrorKind::Unconfirmed;
                return Err(TransportError::new(kind, "no answer"));
            }
            // The types of what this broker does not take.
            let refusal = match event.event_type() {
                "fake.too_large" => Some(TransportErrorKind::TooLarge),
                "fake.refused" => Some(TransportErrorKind::Refused),
                _ => None,
            };
            if let Some(kind) = refusal {
                return Err(TransportError::new(kind, "not that one"));
            }
            Ok(self.0.store(event, None))
        };
        events.iter().map(store).collect()
    }

    async fn subscribe(&self, spec: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError> {
        self.0.may_panic("subscribe");
        if self.0.unavailable.load(Ordering::SeqCst) {
            let kind = TransportErrorKind::Unavailable;
            return Err(TransportError::new(kind, "down"));
        }
        let group = spec.group.clone().unwrap_or_else(|| "alone".into());
        let mut state = self.0.state.lock();
        let end = state.log.len();
        let next = if spec.start == Start::Earliest {
            0
        } else {
            end
        };
        state.groups.entry(group.to_string()).or_insert(Group {
            next,
            ..Group::default()
        });
        Ok(Arc::new(FakeSource {
            broker: Arc::clone(&self.0),
            spec: spec.clone(),
            group,
            closed: AtomicBool::new(false),
        }))
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        self.0.may_panic("dead_letter");
        if self.0.refuse_dead_letters.load(Ordering::SeqCst) {
            let kind = TransportErrorKind::Unconfirmed;
            return Err(TransportError::new(kind, "no answer"));
        }
        let slow = self.0.slow_letters.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(slow)).await;
        let mut state = self.0.state.lock();
        state.next_letter += 1;
        let number = state.next_letter;
        let id = DeadLetterId::new(number.to_string());
        state
            .letters
            .insert(number, letter.clone().with_id(id.clone()));
        Ok(id)
    }

    async fn dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError> {
        let found = {
            let state = self.0.state.lock();
            let wanted = state.letters.values().filter(|letter| query.wants(letter));
            wanted.take(query.limit).cloned().collect()
        };
        let slow = self.0.slow_lists.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(slow)).await;
        Ok(found)
    }

    async fn remove_dead_letter(&self, id: &DeadLetterId) -> Result<bool, TransportError> {
        let left = self.0.fail_removals.load(Ordering::SeqCst);
        if left > 0 {
            self.0.fail_removals.store(left - 1, Ordering::SeqCst);
            let kind = TransportErrorKind::Unavailable;
            return Err(TransportError::new(kind, "down"));
        }
        let slow = self.0.slow_removals.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(slow)).await;
        let number = id.as_str().parse().unwrap();
        Ok(self.0.state.lock().letters.remove(&number).is_some())
    }

    async fn purge_dead_letters(&self) -> Result<u64, TransportError> {
        Ok(std::mem::take(&mut self.0.state.lock().letters).len() as u64)
    }

    async fn redeliver(&self, letter: &DeadLetter) -> Result<Confirmation, TransportError> {
        let event = letter.event().expect("a test redrives events");
        Ok(self.0.store(event, Some(letter.redrive_group())))
    }

    async fn replay(&self, filter: &EventFilter) -> Result<History, TransportError> {
        let state = self.0.state.lock();
        let events = state
            .log
            .iter()
            .filter_map(|stored| stored.message.clone().ok());
        Ok(History::new(events.filter(|e| filter.wants(e)).collect()))
    }

    async fn respond(
        &self,
        _: &SubscriptionSpec,
    ) -> Result<Arc<dyn RequestSource>, TransportError> {
        if self.0.hangs.load(Ordering::SeqCst) {
            return Ok(Arc::new(OneRequest::default()));
        }
        Err(TransportError::unsupported(Capability::RequestReply))
    }

    async fn health(&self) -> TransportHealth {
        TransportHealth::new(Connection::Up)
    }

    async fn close(&self) {
        self.0.answers().await;
        self.0.closed.store(true, Ordering::SeqCst);
    }
}
