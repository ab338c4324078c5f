//! The asking side.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use contexter_event_bus::transport::{RequestError, TransportErrorKind};
use contexter_event_bus::{Pattern, TransportError};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use redis::Cmd;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::{Presence, first_line, take, taken};
use crate::entry::{bytes, list};
use crate::error::is_answer;
use crate::link::Link;
use crate::scripts::{self, eval};
use crate::transport::Inner;

/// How many replies are taken at once.
const AT_ONCE: usize = 256;

/// The pause after the server refused.
const PAUSE: Duration = Duration::from_millis(200);

/// The requests of this process that wait for replies.
pub(crate) struct Asker {
    key: String,
    link: Arc<Link>,
    calls: Mutex<Calls>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Calls {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Arc<IntegrationEvent>>>,
}

/// A call that waits; dropping it makes its reply a late one.
struct Call<'a> {
    asker: &'a Asker,
    number: u64,
    reply: oneshot::Receiver<Arc<IntegrationEvent>>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.asker.calls.lock().waiting.remove(&self.number);
    }
}

impl Asker {
    pub(crate) fn new(inner: &Inner) -> Self {
        let patience = inner.config.block_time + inner.config.response_timeout;
        Self {
            key: inner.keys.replies(&Uuid::now_v7().to_string()),
            link: Arc::new(Link::new(inner.dial.clone(), patience)),
            calls: Mutex::default(),
            task: Mutex::default(),
        }
    }

    fn begin(&self) -> Call<'_> {
        let (sender, reply) = oneshot::channel();
        let mut calls = self.calls.lock();
        calls.last += 1;
        let number = calls.last;
        calls.waiting.insert(number, sender);
        Call {
            asker: self,
            number,
            reply,
        }
    }

    /// Begins to take replies, unless that has begun.
    fn listen(self: &Arc<Self>, inner: &Arc<Inner>) {
        let mut task = self.task.lock();
        if task.is_none() {
            let (asker, link) = (Arc::downgrade(self), Arc::clone(&self.link));
            let cmd = take(&self.key, AT_ONCE, inner.config.block_time);
            *task = Some(tokio::spawn(take_replies(asker, link, cmd)));
        }
    }

    pub(crate) fn close(&self) {
        self.link.close();
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
        // Whoever waits learns that nothing comes any more.
        self.calls.lock().waiting.clear();
    }

    fn hand_over(&self, item: &[u8]) {
        let Some((call, event)) = first_line(item) else {
            return;
        };
        // A late reply has nobody who waits for it.
        let waiting = call
            .parse()
            .ok()
            .and_then(|call: u64| self.calls.lock().waiting.remove(&call));
        let Some(waiting) = waiting else { return };
        match IntegrationEvent::from_json(event) {
            Ok(event) => {
                let _gone = waiting.send(Arc::new(event));
            }
            Err(error) => tracing::warn!(%error, "reply cannot be decoded and was left out"),
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes replies until the asker is gone. It holds none meanwhile, so that it is gone as soon as nobody
/// else has it, however long the server is away.
async fn take_replies(asker: Weak<Asker>, link: Arc<Link>, cmd: Cmd) {
    loop {
        let Ok(mut live) = link.live(None).await else {
            return;
        };
        match link.ask_on(&mut live, &cmd).await {
            Ok(answer) => {
                let Some(asker) = asker.upgrade() else {
                    return;
                };
                for item in taken(answer) {
                    asker.hand_over(&item);
                }
            }
            Err(error) if is_answer(&error) => {
                tracing::warn!(
                    error = crate::error::describe(&error),
                    "cannot receive replies"
                );
                sleep(PAUSE).await;
            }
            Err(_broken) => {}
        }
    }
}

impl Inner {
    pub(crate) async fn request(
        self: &Arc<Self>,
        asker: &Arc<Asker>,
        request: &IntegrationEvent,
        within: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        let deadline = Instant::now() + within.min(LONGEST);
        if self.main.is_closed() {
            return Err(TransportError::closed().into());
        }
        // Where the time was over first, it does not matter how far the question has come.
        let over = |error: TransportError| match error.kind() {
            TransportErrorKind::Unconfirmed if deadline <= Instant::now() => {
                RequestError::Timeout { within }
            }
            _ => RequestError::Transport(error),
        };
        let groups = self.responders_of(request.event_type(), deadline).await;
        let groups = groups.map_err(over)?;
        let Some(group) = self.turn_of(&groups) else {
            return Err(RequestError::NoResponder {
                event_type: request.event_type().to_owned(),
            });
        };
        asker.listen(self);
        let mut call = asker.begin();
        let cmd = self.question(request, group, asker, call.number, deadline)?;
        self.main
            .ask(cmd, deadline.min(self.main.deadline()))
            .await
            .map_err(over)?;
        match timeout_at(deadline, &mut call.reply).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_gone)) => Err(RequestError::Transport(if self.main.is_closed() {
                TransportError::closed()
            } else {
                crate::error::unexpected("a reply cannot be decoded")
            })),
            Err(_elapsed) => Err(RequestError::Timeout { within }),
        }
    }

    fn question(
        &self,
        request: &IntegrationEvent,
        group: &str,
        asker: &Asker,
        number: u64,
        deadline: Instant,
    ) -> Result<Cmd, TransportError> {
        let mut item = format!("{} {number}\n", asker.key).into_bytes();
        let event = request.to_json();
        if event.len() > self.config.max_payload {
            return Err(TransportError::too_large(
                event.len(),
                self.config.max_payload,
            ));
        }
        item.extend(event);
        let rest = deadline.saturating_duration_since(Instant::now());
        let mut cmd = eval(scripts::REQUEST, &[&self.keys.requests(group)]);
        cmd.arg(crate::source::millis(rest)).arg(item);
        Ok(cmd)
    }

    /// Returns the groups of responders that answer requests of a type.
    async fn responders_of(
        &self,
        event_type: &str,
        deadline: Instant,
    ) -> Result<Vec<String>, TransportError> {
        let cmd = eval(scripts::RESPONDERS, &[&self.keys.responders]);
        let answer = self
            .main
            .ask_until(&cmd, deadline.min(self.main.deadline()))
            .await?;
        let groups: BTreeSet<String> = list(answer)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|member| Presence::decode(&String::from_utf8(bytes(member)?).ok()?))
            .filter(|presence| {
                let pattern = presence.pattern.parse::<Pattern>();
                pattern.is_ok_and(|pattern| pattern.matches(event_type))
            })
            .map(|presence| presence.group)
            .collect();
        Ok(groups.into_iter().collect())
    }

    /// Several groups take turns.
    fn turn_of<'g>(&self, groups: &'g [String]) -> Option<&'g str> {
        let turn = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        groups
            .get(turn.checked_rem(groups.len())?)
            .map(String::as_str)
    }
}

/// The longest time that a request waits; no clock overflows.
const LONGEST: Duration = Duration::from_hours(24 * 365);
