//! Who answers which requests, and answering inside this process.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::remote::FAREWELL;
use super::{Answer, Request, ResponderConfig};
use crate::handler::HandlerError;
use crate::pattern::Pattern;
use crate::transport::RequestError;
use crate::worker::within;

/// The responders of a bus.
#[derive(Debug, Default)]
pub(crate) struct Responders {
    entries: RwLock<Vec<Arc<Entry>>>,
    next: AtomicUsize,
    ids: AtomicU64,
}

/// One responder.
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) pattern: Pattern,
    answer: Arc<Answer>,
    pub(crate) permits: Arc<Semaphore>,
    concurrency: usize,
    timeout: Duration,
    ended: watch::Sender<bool>,
    /// Whether a task receives its requests.
    served: watch::Sender<bool>,
}

/// A task that receives the requests of a responder, for as long as it is there.
pub(crate) struct Serving {
    pub(crate) entry: Arc<Entry>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.entry.served.send_replace(false);
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("pattern", &self.pattern)
            .finish_non_exhaustive()
    }
}

impl Responders {
    pub(crate) fn entry(
        &self,
        pattern: Pattern,
        config: &ResponderConfig,
        answer: Arc<Answer>,
    ) -> Arc<Entry> {
        let concurrency = config.concurrency.min(Semaphore::MAX_PERMITS);
        Arc::new(Entry {
            id: self.ids.fetch_add(1, Ordering::Relaxed),
            pattern,
            answer,
            permits: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            timeout: config.timeout,
            ended: watch::Sender::new(false),
            served: watch::Sender::new(false),
        })
    }

    pub(crate) fn add(&self, entry: Arc<Entry>) {
        self.entries.write().push(entry);
    }

    pub(crate) fn remove(&self, id: u64) {
        self.entries.write().retain(|entry| entry.id != id);
    }

    /// Returns one of those who answer this type, a different one each time.
    fn find(&self, event_type: &str) -> Option<Arc<Entry>> {
        let entries = self.entries.read();
        let able = || entries.iter().filter(|e| e.pattern.matches(event_type));
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        able().nth(turn.checked_rem(able().count())?).cloned()
    }

    /// Answers a request in the task of whoever asks.
    pub(crate) async fn ask(
        &self,
        request: &Arc<IntegrationEvent>,
        time: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        let event_type = request.event_type();
        let none = || RequestError::NoResponder {
            event_type: event_type.chars().take(80).collect(),
        };
        let entry = self.find(event_type).ok_or_else(none)?;
        let deadline = Instant::now() + time;
        let asking = async {
            let Ok(_permit) = entry.permits.acquire().await else {
                return Err(none());
            };
            let mut ended = entry.ended.subscribe();
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => Err(RequestError::Failed {
                    error: "responder ended".to_owned(),
                    retryable: true,
                }),
                reply = entry.answer(Arc::clone(request)) => reply.map(Arc::new).map_err(|error| {
                    RequestError::Failed {
                        error: error.chain(),
                        retryable: error.kind().is_retryable(),
                    }
                }),
            }
        };
        let timeout = |_elapsed| RequestError::Timeout { within: time };
        timeout_at(deadline, asking).await.map_err(timeout)?
    }

    /// Takes no more requests, and waits until those under way are answered or `deadline` is there.
    pub(crate) async fn close(&self, deadline: Instant) {
        let entries = std::mem::take(&mut *self.entries.write());
        let close = |entry: Arc<Entry>| async move {
            let all = u32::try_from(entry.concurrency).unwrap_or(u32::MAX);
            let answered = entry.permits.acquire_many(all);
            if timeout_at(deadline, answered).await.is_err() {
                tracing::warn!(pattern = %entry.pattern, "requests were still being answered");
            }
            entry.end();
            let mut served = entry.served.subscribe();
            let over = served.wait_for(|served| !*served);
            if timeout(FAREWELL, over).await.is_err() {
                tracing::warn!(pattern = %entry.pattern, "responder did not come to an end");
            }
        };
        join_all(entries.into_iter().map(close)).await;
    }
}

impl Entry {
    pub(crate) fn end(&self) {
        self.permits.close();
        self.ended.send_replace(true);
    }

    /// Says that a task is about to receive its requests.
    pub(crate) fn serve(self: Arc<Self>) -> Serving {
        self.served.send_replace(true);
        Serving { entry: self }
    }

    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// Runs the handler: for no longer than it may take, and with its panics caught.
    pub(crate) async fn answer(
        &self,
        event: Arc<IntegrationEvent>,
    ) -> Result<IntegrationEvent, HandlerError> {
        if event.expiry_time().is_some() && event.is_expired(Timestamp::now()) {
            return Err(HandlerError::permanent("request had expired"));
        }
        let call = async { within(self.timeout, (self.answer)(Request { event })).await };
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(Some(reply)) => reply.map_err(HandlerError::rendered),
            Ok(None) => Err(HandlerError::timed_out(self.timeout)),
            Err(panic) => Err(HandlerError::panicked(&*panic)),
        }
    }
}
