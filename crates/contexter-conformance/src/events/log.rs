//! What handlers saw, and waiting for it.

use std::collections::HashSet;
use std::future::{Future, Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{Delivery, HandlerError};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::Verdict;
use crate::events::stage::LEASE;
use crate::verdict::Checked;

/// How long anything may take that is to happen, on a busy machine. What moves meanwhile has that
/// long again each time, so that the speed of the machine is no part of a rule.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long one step may take in all, however it moves.
const LONGEST: Duration = Duration::from_mins(4);

tokio::task_local! {
    static STRESSED: Duration;
}

/// Waits longer than usual within `future`, which makes the machine busy.
pub(crate) async fn under_stress<F: Future>(patience: Duration, future: F) -> F::Output {
    STRESSED.scope(patience, future).await
}

fn patience() -> Duration {
    STRESSED.try_with(|patience| *patience).unwrap_or(PATIENCE)
}

/// How long is watched for what must not happen.
pub(crate) const WATCH: Duration = Duration::from_millis(150);

/// One call of a handler.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) event: Arc<IntegrationEvent>,
    pub(crate) attempt: u32,
    /// Whose handler it was.
    pub(crate) who: usize,
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn number(&self) -> u64 {
        number(&self.event)
    }
}

/// The number that the suite puts into the data of an event.
pub(crate) fn number(event: &IntegrationEvent) -> u64 {
    let number = event.data().get("n").and_then(serde_json::Value::as_u64);
    number.unwrap_or(u64::MAX)
}

/// All calls of the handlers that share it, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Calls>,
    changed: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) seen: Vec<Seen>,
    /// The numbers of the events, each once.
    pub(crate) numbers: HashSet<u64>,
}

impl Calls {
    /// Returns how often the event of a number was given to a handler.
    pub(crate) fn times(&self, number: u64) -> usize {
        self.seen
            .iter()
            .filter(|one| one.number() == number)
            .count()
    }

    /// Returns what the handler of one got.
    pub(crate) fn by(&self, who: usize) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(move |seen| seen.who == who)
    }

    pub(crate) fn attempts(&self, number: u64) -> Vec<u32> {
        let of_it = self.seen.iter().filter(|one| one.number() == number);
        of_it.map(|one| one.attempt).collect()
    }

    /// Returns the numbers in the order of their first deliveries.
    pub(crate) fn first_deliveries(&self) -> Vec<u64> {
        let mut known = HashSet::new();
        let numbers = self.seen.iter().map(Seen::number);
        numbers.filter(|number| known.insert(*number)).collect()
    }

    /// Returns which of these numbers are missing, a few of them.
    pub(crate) fn missing(&self, of: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let missing = of.into_iter().filter(|n| !self.numbers.contains(n));
        missing.take(10).collect()
    }
}

impl Log {
    /// Notes a call, which is that of the handler of `who`.
    pub(crate) fn note(&self, who: usize, delivery: &Delivery) {
        let seen = Seen {
            event: Arc::clone(delivery.event()),
            attempt: delivery.attempt(),
            who,
            at: Instant::now(),
        };
        let mut calls = self.0.calls.lock();
        calls.numbers.insert(seen.number());
        calls.seen.push(seen);
        drop(calls);
        self.0.changed.notify_waiters();
    }

    /// A handler that notes every call and succeeds.
    pub(crate) fn noting(
        &self,
        who: usize,
    ) -> impl Fn(Delivery) -> Ready<Result<(), HandlerError>> + Send + Sync + 'static + use<> {
        let log = self.clone();
        move |delivery| {
            log.note(who, &delivery);
            ready(Ok(()))
        }
    }

    /// A handler that notes every call, and then does what `then` says.
    pub(crate) fn doing<F, Fut>(
        &self,
        who: usize,
        then: F,
    ) -> impl Fn(Delivery) -> Fut + Send + Sync + 'static + use<F, Fut>
    where
        F: Fn(Delivery) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        let log = self.clone();
        move |delivery| {
            log.note(who, &delivery);
            then(delivery)
        }
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&Calls) -> T) -> T {
        at(&self.0.calls.lock())
    }

    /// Returns the event of the first call.
    pub(crate) fn first(&self) -> Checked<Arc<IntegrationEvent>> {
        let first = self.look(|calls| calls.seen.first().map(|seen| Arc::clone(&seen.event)));
        first.ok_or_else(|| Verdict::Fail("expected a delivery, saw none".to_owned()))
    }

    /// Waits until something holds, as long as deliveries come; that it never does breaks the rule.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Calls) -> bool) -> Checked {
        let waited = Instant::now();
        if self.holds_in_the_end(|calls| calls.seen.len(), holds).await {
            return Ok(());
        }
        let (calls, events) = self.look(|calls| (calls.seen.len(), calls.numbers.len()));
        let waited = waited.elapsed();
        Err(Verdict::Fail(format!(
            "expected that {what}, saw {calls} deliveries of {events} events in {waited:.0?}"
        )))
    }

    /// Waits until each of the events numbered from 0 has come, as long as new ones come.
    pub(crate) async fn until_all(&self, many: u64) -> Checked {
        let waited = Instant::now();
        let all = |calls: &Calls| u64::try_from(calls.numbers.len()).is_ok_and(|n| n >= many);
        if self
            .holds_in_the_end(|calls| calls.numbers.len(), all)
            .await
        {
            return Ok(());
        }
        let missing = self.look(|calls| calls.missing(0..many));
        let waited = waited.elapsed();
        Err(Verdict::Fail(format!(
            "expected all {many} events, after {waited:.0?} there were missing for example \
             {missing:?}"
        )))
    }

    /// Waits until something holds, and begins to wait anew each time that something moves.
    async fn holds_in_the_end(
        &self,
        moved: impl Fn(&Calls) -> usize,
        holds: impl Fn(&Calls) -> bool,
    ) -> bool {
        let mut waiting = Waiting::default();
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            let (held, now) = self.look(|calls| (holds(calls), moved(calls)));
            if held {
                return true;
            }
            if timeout_at(waiting.end(now), changed).await.is_err() {
                return self.look(&holds);
            }
        }
    }

    /// Watches for a short time that something does not become so.
    pub(crate) async fn never(&self, what: &str, holds: impl Fn(&Calls) -> bool) -> Checked {
        if self.holds_within(WATCH, holds).await {
            return Err(Verdict::Fail(format!("expected not that {what}, saw it")));
        }
        Ok(())
    }

    /// Watches for longer than a lease that what was settled stays so: until then, a broker that
    /// never got the acknowledgement does not give the event again either.
    pub(crate) async fn stays(&self, what: &str, broken: impl Fn(&Calls) -> bool) -> Checked {
        if self.holds_within(LEASE * 3 / 2, broken).await {
            return Err(Verdict::Fail(format!("expected not that {what}, saw it")));
        }
        Ok(())
    }

    async fn holds_within(&self, within: Duration, holds: impl Fn(&Calls) -> bool) -> bool {
        let end = Instant::now() + within;
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if holds(&self.0.calls.lock()) {
                return true;
            }
            if timeout_at(end, changed).await.is_err() {
                return holds(&self.0.calls.lock());
            }
        }
    }
}

/// Waits for something that moves: until it has not moved for as long as the patience lasts, and
/// never for longer than a step may take.
struct Waiting {
    moved: Option<usize>,
    end: Instant,
    last: Instant,
}

impl Default for Waiting {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            moved: None,
            end: now,
            last: now + LONGEST.max(patience()),
        }
    }
}

impl Waiting {
    /// Returns until when to wait, now that it has moved so far.
    fn end(&mut self, now: usize) -> Instant {
        if self.moved != Some(now) {
            self.moved = Some(now);
            self.end = self.last.min(Instant::now() + patience());
        }
        self.end
    }
}

/// Looks again and again until a number is large enough, as long as it grows; that it stands still
/// breaks the rule.
pub(crate) async fn until_grown(
    what: &str,
    enough: usize,
    mut number: impl FnMut() -> usize,
) -> Checked {
    let mut waiting = Waiting::default();
    loop {
        let now = number();
        if now >= enough {
            return Ok(());
        }
        if Instant::now() >= waiting.end(now) {
            return Err(Verdict::Fail(format!(
                "expected that {what}, saw {now} of {enough} and no more"
            )));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Looks again and again until a condition holds; that it never does breaks the rule.
pub(crate) async fn until<Fut>(what: &str, mut holds: impl FnMut() -> Fut) -> Checked
where
    Fut: Future<Output = bool>,
{
    let patience = patience();
    let end = Instant::now() + patience;
    while !holds().await {
        if Instant::now() >= end {
            return Err(Verdict::Fail(format!(
                "expected within {patience:?} that {what}, it never was so"
            )));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Waits for something that must come to an end.
pub(crate) async fn in_time<F: Future>(what: &str, future: F) -> Checked<F::Output> {
    let patience = patience();
    tokio::time::timeout(patience, future)
        .await
        .map_err(|_late| {
            Verdict::Fail(format!(
                "expected {what} to end within {patience:?}, it did not"
            ))
        })
}
