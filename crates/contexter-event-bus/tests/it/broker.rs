//! A broker in memory, with leases, that can be made to fail.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::*;
use contexter_event_bus::{EventFilter, History};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::support::typed;

#[derive(Debug, Default)]
pub(crate) struct Broker {
    state: Mutex<State>,
    changed: Notify,
    tokens: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) refuse_dead_letters: AtomicBool,
    pub(crate) unavailable: AtomicBool,
    /// Whether nothing that is settled or closed gets an answer.
    pub(crate) hangs: AtomicBool,
    /// How long storing a dead letter takes, in milliseconds.
    pub(crate) slow_letters: AtomicU64,
    /// How long dead letters are on their way to whoever has asked for them, in milliseconds.
    pub(crate) slow_lists: AtomicU64,
    /// How long removing one takes, in milliseconds.
    pub(crate) slow_removals: AtomicU64,
    /// How many removals of dead letters from now on get no answer.
    pub(crate) fail_removals: AtomicU64,
    /// How many publications from now on get no answer.
    pub(crate) fail_next: AtomicU64,
    /// How many bytes each message has, as far as the broker says.
    pub(crate) size: AtomicUsize,
    /// How many messages are given at once at most, if not 0.
    pub(crate) at_once: AtomicUsize,
    /// The call that panics, and how often from now on.
    panics: Mutex<Option<(&'static str, usize)>>,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<Stored>,
    groups: HashMap<String, Group>,
    letters: BTreeMap<u64, DeadLetter>,
    next_letter: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    message: Result<Arc<IntegrationEvent>, Undecodable>,
    redrive_group: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Group {
    /// What may be delivered, and from when on.
    ready: VecDeque<(usize, Instant)>,
    next: usize,
    pending: HashMap<u64, Pending>,
    counts: HashMap<usize, u32>,
    acked: Vec<usize>,
}

#[derive(Debug)]
struct Pending {
    at: usize,
    until: Instant,
}

impl Broker {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Makes the next calls of this name panic.
    pub(crate) fn panic_in(&self, call: &'static str, times: usize) {
        *self.panics.lock() = Some((call, times));
    }

    #[expect(clippy::panic, reason = "it is what a test asks for")]
    fn may_panic(&self, call: &str) {
        let mut panics = self.panics.lock();
        if let Some((name, times)) = &mut *panics
            && *name == call
            && *times > 0
        {
            *times -= 1;
            drop(panics);
            panic!("as asked");
        }
    }

    /// Waits for ever while it hangs.
    async fn answers(&self) {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// Stores bytes that are no event.
    pub(crate) fn store_garbage(&self, body: &[u8]) {
        let raw = RawMessage::new(vec![("x".to_owned(), b"\xff".to_vec())], body.to_vec());
        let message = Err(Undecodable::new("no event", raw));
        self.state.lock().log.push(Stored {
            message,
            redrive_group: None,
        });
        self.changed.notify_waiters();
    }

    pub(crate) fn acked(&self, group: &str) -> usize {
        self.state.lock().groups[group].acked.len()
    }

    pub(crate) fn unsettled(&self, group: &str) -> usize {
        self.state.lock().groups[group].pending.len()
    }

    pub(crate) fn max_count(&self, group: &str) -> u32 {
        let state = self.state.lock();
        state.groups[group]
            .counts
            .values()
            .copied()
            .max()
            .unwrap_or(0)
    }

    /// Makes the group get everything again that somebody holds, as if whoever holds it had died.
    pub(crate) fn forget_consumers(&self, group: &str) {
        let mut state = self.state.lock();
        let group = state.groups.get_mut(group).unwrap();
        let mut held: Vec<_> = group.pending.drain().map(|(_, one)| one.at).collect();
        held.sort_unstable();
        for at in held {
            group.ready.push_back((at, Instant::now()));
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// How often the group was given more than it may be: each but the first.
    pub(crate) fn redeliveries(&self, group: &str) -> u32 {
        let state = self.state.lock();
        let counts = state.groups[group].counts.values();
        counts.map(|count| count - 1).sum()
    }

    /// Takes a message away from whoever holds it; the group gets it again after some time.
    pub(crate) fn lose(&self, group: &str, at: usize, after: Duration) {
        let mut state = self.state.lock();
        let group = state.groups.get_mut(group).unwrap();
        let held = group.pending.len();
        group.pending.retain(|_, pending| pending.at != at);
        assert_eq!(group.pending.len(), held - 1, "it is held by somebody");
        group.ready.push_back((at, Instant::now() + after));
    }

    fn store(&self, event: &Arc<IntegrationEvent>, group: Option<Arc<str>>) -> Confirmation {
        let mut state = self.state.lock();
        state.log.push(Stored {
            message: Ok(Arc::clone(event)),
            redrive_group: group,
        });
        let place = state.log.len();
        drop(state);
        self.changed.notify_waiters();
        Confirmation::new(place.to_string()).with_sequence(place as u64)
    }
}

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

#[derive(Debug)]
struct FakeSource {
    broker: Arc<Broker>,
    spec: SubscriptionSpec,
    group: Arc<str>,
    closed: AtomicBool,
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
            let until = now + self.spec.lease;
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
struct OneRequest {
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
