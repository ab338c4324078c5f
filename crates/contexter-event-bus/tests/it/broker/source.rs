//! What a subscription gets of the broker, and who asks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::*;
use contexter_protocol::IntegrationEvent;
use tokio::time::{Instant, sleep_until};

use super::{Broker, Pending, State};
use crate::support::typed;

#[derive(Debug)]
pub(super) struct FakeSource {
    pub(super) broker: Arc<Broker>,
    pub(super) spec: SubscriptionSpec,
    pub(super) group: Arc<str>,
    pub(super) closed: AtomicBool,
}

impl FakeSource {
    /// Returns what can be delivered now, or when to look again.
    fn fetch(&self, max: usize) -> Result<Vec<Incoming>, Option<Instant>> {
        let max = match self.broker.at_once.load(Ordering::SeqCst) {
            0 => max,
            at_once => max.min(at_once),
        };
        let now = Instant::now();
        let mut state = self.broker.state.lock();
        let State { log, groups, .. } = &mut *state;
        let group = groups.get_mut(&*self.group).unwrap();
        let overdue: Vec<u64> = group
            .pending
            .iter()
            .filter(|(_, pending)| pending.until <= now)
            .map(|(token, _)| *token)
            .collect();
        for token in overdue {
            let at = group.pending.remove(&token).unwrap().at;
            group.ready.push_back((at, now));
        }
        while group.next < log.len() {
            let at = group.next;
            group.next += 1;
            let wanted = match &log[at].message {
                Ok(event) => self.spec.pattern.matches(event.event_type()),
                Err(_) => true,
            };
            if wanted {
                group.ready.push_back((at, now));
            }
        }
        let mut got = Vec::new();
        let mut later = VecDeque::new();
        while got.len() < max {
            let Some((at, due)) = group.ready.pop_front() else {
                break;
            };
            if due > now {
                later.push_back((at, due));
                continue;
            }
            let token = self.broker.tokens.fetch_add(1, Ordering::SeqCst);
            let over = self.broker.read_ahead.load(Ordering::SeqCst);
            let until = now + self.spec.lease - Duration::from_millis(over);
            group.pending.insert(token, Pending { at, until });
            let count = group.counts.entry(at).or_default();
            *count += 1;
            let stored = log[at].clone();
            let id = format!("log:{at}");
            let incoming = Incoming::new(stored.message, DeliveryToken(token), id)
                .with_delivery_count(*count)
                .with_size(self.broker.size.load(Ordering::SeqCst))
                .with_redrive_group(stored.redrive_group);
            got.push(incoming);
        }
        group.ready.extend(later);
        if got.is_empty() {
            let due = group.ready.iter().map(|(_, due)| *due);
            return Err(due.chain(group.pending.values().map(|p| p.until)).min());
        }
        Ok(got)
    }
}

#[async_trait]
impl Source for FakeSource {
    async fn receive(&self, max: usize) -> Result<Vec<Incoming>, TransportError> {
        self.broker.may_panic("receive");
        loop {
            let changed = self.broker.changed.notified();
            if self.closed.load(Ordering::SeqCst) || self.broker.closed.load(Ordering::SeqCst) {
                return Err(TransportError::closed());
            }
            match self.fetch(max) {
                Ok(got) => return Ok(got),
                Err(None) => changed.await,
                Err(Some(until)) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(until) => {}
                },
            }
        }
    }

    async fn settle(
        &self,
        settlements: &[(DeliveryToken, Disposition)],
    ) -> Vec<Result<Settled, TransportError>> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.broker.answers().await;
        self.broker.may_panic("settle");
        let now = Instant::now();
        let mut state = self.broker.state.lock();
        let group = state.groups.get_mut(&*self.group).unwrap();
        let settle = |(token, disposition): &(DeliveryToken, Disposition)| {
            let live = group.pending.get(&token.0).is_some_and(|p| p.until > now);
            if !live {
                return Ok(Settled::Refused);
            }
            match disposition {
                Disposition::Ack => {
                    let at = group.pending.remove(&token.0).unwrap().at;
                    group.acked.push(at);
                }
                Disposition::Nack { after } => {
                    let at = group.pending.remove(&token.0).unwrap().at;
                    group.ready.push_back((at, now + *after));
                }
                Disposition::Return => {
                    let at = group.pending.remove(&token.0).unwrap().at;
                    *group.counts.get_mut(&at).unwrap() -= 1;
                    group.ready.push_back((at, now));
                }
                Disposition::InProgress => {
                    group.pending.get_mut(&token.0).unwrap().until = now + self.spec.lease;
                }
                _ => unreachable!("all that there are"),
            }
            Ok(Settled::Done)
        };
        let answers = settlements.iter().map(settle).collect();
        drop(state);
        self.broker.changed.notify_waiters();
        answers
    }

    fn health(&self) -> TransportHealth {
        TransportHealth::new(Connection::Up)
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.broker.changed.notify_waiters();
    }
}

/// Gets one request, and does not come to an end.
#[derive(Debug, Default)]
pub(super) struct OneRequest {
    given: AtomicBool,
}

#[async_trait]
impl RequestSource for OneRequest {
    async fn receive(&self, _: usize) -> Result<Vec<IncomingRequest>, TransportError> {
        if self.given.swap(true, Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let request = Arc::new(typed("a.c", 0));
        let token = RequestToken("somebody".into());
        Ok(vec![IncomingRequest::new(request, token)])
    }

    async fn reply(
        &self,
        _: RequestToken,
        _: &Arc<IntegrationEvent>,
    ) -> Result<(), TransportError> {
        Ok(())
    }

    fn health(&self) -> TransportHealth {
        TransportHealth::new(Connection::Up)
    }

    async fn close(&self) {
        std::future::pending::<()>().await;
    }
}
