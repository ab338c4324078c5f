//! What can be set on a subscription.

use std::future::Future;
use std::time::Duration;

use contexter_service::{Backoff, InvalidConfig};
use serde::{Deserialize, Serialize};

use super::Overflow;
use crate::attempts::Attempts;
use crate::observe::{Observer, Unhandled};
use crate::pattern::Pattern;
use crate::trace::TraceRelation;
use crate::transport::{Start, SubscriptionSpec};

/// A third of it is the pause between renewals, which must not become a busy loop.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);
/// What a dead consumer held is not seen again before; and no clock overflows.
const LONGEST_LEASE: Duration = Duration::from_hours(24);

/// How a subscription queues, handles and retries events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SubscriptionConfig {
    /// The name in receipts, dead letters and logs. Default: the pattern.
    pub name: Option<String>,
    /// The group whose members share the events. Default: none, so the subscription gets all.
    ///
    /// In process, the queue of a group belongs to the bus and outlives its members; the first
    /// member decides on its settings, except concurrency and handler timeout, which are each
    /// member's own. Members with different patterns are in different groups.
    pub group: Option<String>,
    /// Where to begin: a new group of a broker, or a new queue in process. Default
    /// [`Start::New`].
    pub start: Start,
    /// How many events may wait; on a broker, how many may be held unsettled, those that are read
    /// ahead included; how large these may be is [another bound](Self::prefetch_bytes). Default
    /// 1,024.
    pub capacity: usize,
    /// How many bytes the events of a broker may have together that are held unsettled, those that
    /// are read ahead included. Default 64 MiB, at least 1 byte.
    ///
    /// While they have fewer, one more may come: an event that is larger than all of it comes alone.
    /// What has to wait does so at the broker, whatever the [overflow](Self::overflow): that begins
    /// with the capacity. A broker counts what it gives and does not weigh it, so it is asked for as
    /// many as fit by the size of those that came lately, and as long as none came, by the largest
    /// that the transport takes. Where events become larger all at once, the bound is exceeded for
    /// once: on Redis, by one answer; on NATS, where what was asked for may come much later, no more
    /// is asked for than are four times the bound if all of them are of the largest.
    ///
    /// In process it means nothing: events are shared there, and not copied.
    pub prefetch_bytes: usize,
    /// What happens to an event that finds the queue full. Default [`Overflow::Block`].
    ///
    /// On a broker, events wait there with [`Overflow::Block`] and [`Overflow::Reject`]; the other
    /// two drop them for good.
    pub overflow: Overflow,
    /// How many events are handled at once. Default 1.
    pub concurrency: usize,
    /// How often an event is given to the handler before it becomes a dead letter. Default 3. On a
    /// broker, a process that dies counts for [all that it
    /// held](crate#what-kills-its-process).
    pub max_attempts: u32,
    /// How many of the attempts follow each other without a delay, before the event waits. Default
    /// 1: every attempt after the first is delayed.
    ///
    /// On a broker they are made by one consumer, which keeps the event for as long as they take, its
    /// lease renewed, also where the handler [asks for a wait](crate::HandlerError::retryable_after)
    /// between them. The broker counts deliveries only: a consumer that ends before it has made all of
    /// them counts as if it had.
    pub attempts_in_one_go: u32,
    /// The delay before the second attempt; it doubles from then on. Default 1 s.
    #[serde(with = "contexter_service::duration")]
    pub base_delay: Duration,
    /// The longest delay between attempts. Default 60 s.
    #[serde(with = "contexter_service::duration")]
    pub max_delay: Duration,
    /// How long one attempt may take; then it is cancelled and has failed. Default 5 minutes.
    #[serde(with = "contexter_service::duration")]
    pub handler_timeout: Duration,
    /// How long an event of a broker stays with this consumer without a sign of life; it is
    /// renewed for as long as the process lives. Default 30 s, at least 100 ms, at most 24 h: a
    /// longer one counts as that. The members of a group may have different ones, and each keeps
    /// what it renews; what a dead member held goes to the others after its own, or, where the
    /// broker has one for the whole group, after the longest.
    #[serde(with = "contexter_service::duration")]
    pub lease: Duration,
    /// Whether events that were handled before are recognised and not handled again: by the group,
    /// or, without a group, by this subscription for as long as it lives. Default: on a broker yes,
    /// in process no.
    pub deduplicate: Option<bool>,
    /// How the span of an attempt is related to the one that published the event. Default
    /// [`TraceRelation::Link`].
    pub trace: TraceRelation,
    /// Who is told of what no handler has handled. Default: nobody.
    #[serde(skip)]
    pub(crate) observer: Option<Observer>,
}

impl Default for SubscriptionConfig {
    fn default() -> Self {
        Self {
            name: None,
            group: None,
            start: Start::New,
            capacity: 1_024,
            prefetch_bytes: 64 * 1024 * 1024,
            overflow: Overflow::Block,
            concurrency: 1,
            max_attempts: 3,
            attempts_in_one_go: 1,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_mins(1),
            handler_timeout: Duration::from_mins(5),
            lease: Duration::from_secs(30),
            deduplicate: None,
            trace: TraceRelation::Link,
            observer: None,
        }
    }
}

impl SubscriptionConfig {
    /// Sets the name in receipts, dead letters and logs.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes the subscription a member of a group, which shares the events.
    #[must_use]
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets where to begin.
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets how many events may wait, and what happens to one more.
    #[must_use]
    pub fn with_queue(mut self, capacity: usize, overflow: Overflow) -> Self {
        self.capacity = capacity;
        self.overflow = overflow;
        self
    }

    /// Sets how many bytes of a broker's events may be held unsettled.
    #[must_use]
    pub fn with_prefetch_bytes(mut self, bytes: usize) -> Self {
        self.prefetch_bytes = bytes;
        self
    }

    /// Sets how many events are handled at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets how often an event is tried, and the first and the longest delay in between.
    #[must_use]
    pub fn with_attempts(mut self, max: u32, base_delay: Duration, max_delay: Duration) -> Self {
        self.max_attempts = max;
        self.base_delay = base_delay;
        self.max_delay = max_delay;
        self
    }

    /// Sets how many attempts follow each other without a delay.
    #[must_use]
    pub fn with_attempts_in_one_go(mut self, attempts: u32) -> Self {
        self.attempts_in_one_go = attempts;
        self
    }

    /// Sets how long an event of a broker stays with this consumer without a sign of life.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets whether events that were handled before are recognised and not handled again.
    #[must_use]
    pub fn with_deduplication(mut self, on: bool) -> Self {
        self.deduplicate = Some(on);
        self
    }

    /// Sets how the span of an attempt is related to the one that published the event.
    #[must_use]
    pub fn with_trace_relation(mut self, relation: TraceRelation) -> Self {
        self.trace = relation;
        self
    }

    /// Sets who is told of the events that are settled without having been handled: dead letters
    /// of every kind (also of those that never reached the handler, as poison and what cannot be
    /// decoded), and what had expired, was handled before or was dropped by the full queue.
    ///
    /// Each is told once, in the process that has settled it, after that: a dead letter is stored by
    /// then, and on a broker the acknowledgement is on its way. One after the other, in a task of its
    /// own, so that settling never waits for it; what more than 10,000 ends that wait to be told
    /// leave no room for is counted ([`SubscriptionStats::untold`]). A call ends after the
    /// [handler timeout](Self::handler_timeout) at the latest, and a panic stays inside its call. A
    /// drain waits a few seconds for it.
    ///
    /// The members of a group in process share the observer of the first of them, until the last has
    /// left: then it is released, so that it may hold its own bus.
    ///
    /// A process that dies between storing a dead letter and acknowledging its event has the letter
    /// stored, and told, again by whoever gets the event next. Events that a subscription leaves when
    /// it ends are not settled, and not told.
    ///
    /// [`SubscriptionStats::untold`]: crate::SubscriptionStats::untold
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_event_bus::{SubscriptionConfig, Unhandled};
    ///
    /// let config = SubscriptionConfig::default().with_observer(|end: Unhandled| async move {
    ///     let id = end.event().map_or("no event", |event| event.id());
    ///     eprintln!("{}: {id}: {:?}", end.subscription, end.reason);
    /// });
    /// ```
    #[must_use]
    pub fn with_observer<F, Fut>(mut self, observer: F) -> Self
    where
        F: Fn(Unhandled) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.observer = Some(Observer::new(observer));
        self
    }

    /// Sets how long one attempt may take.
    #[must_use]
    pub fn with_handler_timeout(mut self, timeout: Duration) -> Self {
        self.handler_timeout = timeout;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// Returns all faults at once.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let positive = |value: usize| (value == 0).then(|| "must be at least 1, got 0".to_owned());
        InvalidConfig::join([
            InvalidConfig::check([
                ("capacity", positive(self.capacity)),
                ("prefetch_bytes", positive(self.prefetch_bytes)),
                ("concurrency", positive(self.concurrency)),
                (
                    "max_attempts",
                    positive(usize::from(self.max_attempts != 0)),
                ),
                (
                    "attempts_in_one_go",
                    positive(usize::from(self.attempts_in_one_go != 0)),
                ),
                (
                    "group",
                    (self.group.as_deref() == Some("")).then(|| "must not be empty".to_owned()),
                ),
                (
                    "lease",
                    (self.lease < SHORTEST_LEASE).then(|| {
                        format!("must be at least {SHORTEST_LEASE:?}, got {:?}", self.lease)
                    }),
                ),
                (
                    "handler_timeout",
                    (self.handler_timeout.is_zero())
                        .then(|| "must be longer than zero, got 0s".to_owned()),
                ),
            ]),
            self.backoff().map(drop),
        ])
    }

    fn backoff(&self) -> Result<Backoff, InvalidConfig> {
        Backoff::new(self.base_delay, self.max_delay)
    }

    /// Returns what a broker is asked for.
    pub(crate) fn spec(&self, pattern: Pattern, attempts: &Attempts) -> SubscriptionSpec {
        // Where a full queue drops, there must be something left to fetch while it is full.
        let more = match self.overflow {
            Overflow::Block | Overflow::Reject => 0,
            Overflow::DropNewest | Overflow::DropOldest => {
                self.capacity.saturating_add(self.concurrency)
            }
        };
        let mut spec = SubscriptionSpec::new(pattern)
            .with_start(self.start)
            .with_prefetch(self.capacity.saturating_add(more))
            .with_prefetch_bytes(self.prefetch_bytes)
            .with_lease(self.lease.min(LONGEST_LEASE))
            .with_max_deliveries(attempts.deliveries());
        spec.group = self.group.as_deref().map(Into::into);
        spec
    }

    pub(crate) fn attempts(&self) -> Result<Attempts, InvalidConfig> {
        Ok(Attempts {
            max: self.max_attempts,
            in_one_go: self.attempts_in_one_go,
            backoff: self.backoff()?,
        })
    }
}
