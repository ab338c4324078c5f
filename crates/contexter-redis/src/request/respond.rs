//! The answering side.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{
    IncomingRequest, RequestSource, RequestToken, SubscriptionSpec, TransportHealth,
};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use redis::Pipeline;
use tokio::sync::{Notify, OnceCell, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{PRESENCE, Presence, REPLY_WAITS, first_line, take, taken};
use crate::entry::number;
use crate::error::{is_answer, refused};
use crate::keys::{consumer_name, group_name};
use crate::link::{Link, Live};
use crate::scripts::{self, eval};
use crate::source::millis;
use crate::transport::Inner;

/// The pause after the server refused.
const PAUSE: Duration = Duration::from_millis(200);

struct Shared {
    inner: Arc<Inner>,
    link: Link,
    key: String,
    presence: String,
    /// Requests as they came, not yet asked for. Only as many are taken as somebody waits for.
    items: Mutex<VecDeque<Vec<u8>>>,
    /// How many requests whoever waits would take.
    wanted: AtomicUsize,
    asked: Notify,
    arrived: Notify,
    /// The server's time in milliseconds at a time of this clock.
    clock: Mutex<Option<(Instant, u64)>>,
    closing: watch::Sender<bool>,
}

/// Answers the requests of one pattern.
pub(crate) struct RedisResponder {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Whoever closes it waits for the same end.
    closed: OnceCell<()>,
}

impl RedisResponder {
    pub(crate) async fn start(
        inner: Arc<Inner>,
        spec: &SubscriptionSpec,
    ) -> Result<Self, TransportError> {
        let group = group_name(spec.group.as_deref(), &spec.pattern);
        let patience = inner.config.block_time + inner.config.response_timeout;
        let presence = Presence {
            responder: consumer_name(),
            pattern: spec.pattern.to_string(),
            group: group.clone(),
        };
        let shared = Arc::new(Shared {
            link: Link::new(inner.dial.clone(), patience),
            key: inner.keys.requests(&group),
            inner,
            presence: presence.encode(),
            items: Mutex::default(),
            wanted: AtomicUsize::new(0),
            asked: Notify::new(),
            arrived: Notify::new(),
            clock: Mutex::default(),
            closing: watch::Sender::new(false),
        });
        let deadline = Instant::now() + shared.inner.config.publish_timeout;
        shared.link.live(Some(deadline)).await?;
        shared.be_present(deadline).await?;
        let task = Mutex::new(Some(tokio::spawn(run(Arc::clone(&shared)))));
        Ok(Self {
            shared,
            task,
            closed: OnceCell::new(),
        })
    }
}

async fn run(shared: Arc<Shared>) {
    let present = async {
        let mut closing = shared.closing.subscribe();
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => {}
            () = shared.stay_present() => {}
        }
    };
    tokio::join!(present, shared.take_requests());
}

impl Shared {
    async fn be_present(&self, deadline: Instant) -> Result<(), TransportError> {
        let mut present = eval(scripts::PRESENT, &[&self.inner.keys.responders]);
        present.arg(&self.presence).arg(millis(PRESENCE));
        let asked = Instant::now();
        let now = self.inner.main.ask_until(&present, deadline).await?;
        if let Some(now) = number(&now) {
            *self.clock.lock() = Some((asked, now));
        }
        Ok(())
    }

    async fn stay_present(&self) {
        loop {
            sleep(PRESENCE / 3).await;
            if let Err(error) = self.be_present(self.inner.main.deadline()).await {
                tracing::debug!(%error, "responder could not say that it is there");
            }
        }
    }

    /// Waits until somebody wants requests and there is a connection; none if it is closed.
    async fn wanted(&self) -> Option<Live> {
        while self.wanted.load(Ordering::Acquire) == 0 {
            self.asked.notified().await;
        }
        self.link.live(None).await.ok()
    }

    async fn take_requests(&self) {
        let mut closing = self.closing.subscribe();
        loop {
            let live = tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => return,
                live = self.wanted() => live,
            };
            let Some(mut live) = live else {
                return;
            };
            let many = self.wanted.load(Ordering::Acquire);
            let cmd = take(&self.key, many, self.inner.config.block_time);
            // To its end, whoever closes meanwhile: what the server took out of the list for an answer
            // that nobody reads would be lost.
            match self.link.ask_on(&mut live, &cmd).await {
                Ok(answer) => {
                    let items = taken(answer);
                    if !items.is_empty() {
                        self.wanted.store(0, Ordering::Release);
                        self.items.lock().extend(items);
                        self.arrived.notify_one();
                    }
                }
                Err(error) if is_answer(&error) => {
                    tracing::warn!(
                        error = crate::error::describe(&error),
                        "cannot receive requests"
                    );
                    sleep(PAUSE).await;
                }
                Err(_broken) => {}
            }
        }
    }

    /// Reads a request; none if its time is over, or it is none.
    fn read(&self, item: &[u8]) -> Option<IncomingRequest> {
        let (until, rest) = first_line(item)?;
        if self.is_over(until.parse().ok()?) {
            tracing::debug!("request is over and was left out");
            return None;
        }
        let (to, event) = first_line(rest)?;
        let (key, call) = to.split_once(' ')?;
        // Whoever can write a request must not have replies written anywhere.
        if !self.inner.keys.is_replies(key) || call.parse::<u64>().is_err() {
            tracing::warn!("request names no place for its reply and was left out");
            return None;
        }
        match IntegrationEvent::from_json(event) {
            Ok(event) => Some(IncomingRequest::new(
                Arc::new(event),
                RequestToken(Arc::from(to)),
            )),
            Err(error) => {
                tracing::warn!(%error, "request cannot be decoded and was left out");
                None
            }
        }
    }

    fn is_over(&self, until: u64) -> bool {
        let Some((at, millis)) = *self.clock.lock() else {
            return false;
        };
        let passed = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        until <= millis.saturating_add(passed)
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }
}

#[async_trait]
impl RequestSource for RedisResponder {
    async fn receive(&self, max: usize) -> Result<Vec<IncomingRequest>, TransportError> {
        let shared = &*self.shared;
        let mut closing = shared.closing.subscribe();
        loop {
            if shared.is_closing() {
                return Err(TransportError::closed());
            }
            let arrived = shared.arrived.notified();
            let items: Vec<_> = {
                let mut items = shared.items.lock();
                let many = items.len().min(max.max(1));
                items.drain(..many).collect()
            };
            let requests: Vec<_> = items.iter().filter_map(|item| shared.read(item)).collect();
            if !requests.is_empty() {
                return Ok(requests);
            }
            if items.is_empty() {
                shared.wanted.store(max.max(1), Ordering::Release);
                shared.asked.notify_one();
                tokio::select! {
                    () = arrived => {}
                    _ = closing.wait_for(|closing| *closing) => {}
                }
            }
        }
    }

    async fn reply(
        &self,
        to: RequestToken,
        reply: &Arc<IntegrationEvent>,
    ) -> Result<(), TransportError> {
        let inner = &self.shared.inner;
        let Some((key, call)) =
            to.0.split_once(' ')
                .filter(|(key, _)| inner.keys.is_replies(key))
        else {
            return Err(crate::error::unexpected("a token of another transport"));
        };
        let mut item = format!("{call}\n").into_bytes();
        item.extend(reply.to_json());
        if item.len() > inner.config.max_payload {
            return Err(TransportError::too_large(
                item.len(),
                inner.config.max_payload,
            ));
        }
        let mut push = redis::cmd("RPUSH");
        push.arg(key).arg(item);
        let mut expire = redis::cmd("PEXPIRE");
        expire.arg(key).arg(millis(REPLY_WAITS));
        let mut both = Pipeline::with_capacity(2);
        both.add_command(push).add_command(expire);
        for answer in inner.main.send(&both, inner.main.deadline()).await? {
            answer.extract_error().map_err(|error| refused(&error))?;
        }
        Ok(())
    }

    fn health(&self) -> TransportHealth {
        self.shared.link.health()
    }

    async fn close(&self) {
        self.closed.get_or_init(|| self.end()).await;
    }
}

impl RedisResponder {
    /// May be broken off and begun anew.
    async fn end(&self) {
        let shared = &*self.shared;
        let main = &shared.inner.main;
        // First nobody sends any more; then what is on its way is awaited.
        let mut leave = redis::cmd("ZREM");
        leave
            .arg(&shared.inner.keys.responders)
            .arg(&shared.presence);
        if let Err(error) = main.ask(leave, main.last_deadline()).await {
            tracing::debug!(%error, "responder is forgotten later");
        }
        shared.closing.send_replace(true);
        let task = self.task.lock().take();
        if let Some(mut task) = task
            && timeout(shared.inner.config.block_time + PAUSE, &mut task)
                .await
                .is_err()
        {
            task.abort();
        }
        shared.link.close();
        // Another responder of the group may still have time for what nobody here asked for.
        let items: Vec<_> = shared.items.lock().drain(..).collect();
        if items.is_empty() {
            return;
        }
        let mut back = redis::cmd("LPUSH");
        back.arg(&shared.key);
        for item in items.iter().rev() {
            back.arg(&**item);
        }
        let mut expire = redis::cmd("PEXPIRE");
        expire.arg(&shared.key).arg(millis(REPLY_WAITS));
        let mut both = Pipeline::with_capacity(2);
        both.add_command(back).add_command(expire);
        if let Err(error) = main.send(&both, main.last_deadline()).await {
            tracing::debug!(%error, "requests could not be given back");
        }
    }
}

impl Drop for RedisResponder {
    fn drop(&mut self) {
        self.shared.closing.send_replace(true);
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
        self.shared.link.close();
    }
}

impl fmt::Debug for RedisResponder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisResponder")
            .field("requests", &self.shared.key)
            .finish_non_exhaustive()
    }
}
