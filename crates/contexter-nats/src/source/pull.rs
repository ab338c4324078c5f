//! Reading: pulls, and how that ends.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use contexter_event_bus::TransportError;
use contexter_service::Backoff;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Consumer;
use super::again::Again;
use super::table::Arrival;
use crate::error::unavailable;
use crate::message::Delivered;

/// How long an idle pull stays open at the server, at least; and how many heartbeats at least.
const OPEN_FOR: Duration = Duration::from_secs(30);

/// How many messages are taken before anything else is looked at.
const AT_ONCE: usize = 64;

/// How long giving back takes at most, and how long leaving does.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How reading ended.
pub(super) enum Ended {
    Closing(Session),
    Broken,
    /// Nothing came, not even a sign of life; or the consumer is gone.
    Silent,
    /// The server refuses pulls for now.
    Busy,
}

/// One inbox and the pulls that point to it.
pub(super) struct Session {
    inbox: String,
    pub(super) subscriber: Subscriber,
    /// The number and what is left of each open pull, oldest first.
    pub(super) pulls: VecDeque<(u64, usize)>,
    last: u64,
    /// What came and is not in the table yet, with the places for acknowledgements.
    pub(super) arrived: Vec<(Subject, Arrival)>,
    /// Where what is not for this consumer is acknowledged.
    pub(super) foreign: Vec<(Subject, Delivered)>,
}

impl Consumer {
    /// Reads until it is told to end, whatever happens to the connection or the server.
    pub(super) async fn run(&self) {
        let config = &self.inner.config;
        let backoff = Backoff::new(config.reconnect_base, config.reconnect_max).ok();
        let mut delays = backoff.as_ref().map(Backoff::delays);
        let mut was_broken = false;
        let mut may_have_lost = false;
        let mut lost = 0;
        loop {
            if self.connected().await.is_none() {
                break;
            }
            if std::mem::take(&mut was_broken) {
                let looked = tokio::select! {
                    biased;
                    () = self.closing() => break,
                    looked = self.look_for_unreadable() => looked,
                };
                if let Err(error) = looked {
                    tracing::debug!(consumer = self.name, %error, "cannot look for what broke it");
                    was_broken = true;
                }
            }
            if may_have_lost {
                let waited = tokio::select! {
                    biased;
                    () = self.closing() => break,
                    waited = self.wait_for_lost() => waited,
                };
                match waited {
                    Ok(many) => lost = many,
                    Err(error) => {
                        self.stall(&error);
                        let pause = config.reconnect_base;
                        tokio::select! {
                            () = self.closing() => {}
                            () = sleep(pause) => {}
                        }
                        continue;
                    }
                }
            }
            // By now it may be another connection.
            let Some(generation) = self.connected().await else {
                break;
            };
            let begun = Instant::now();
            let outcome = match self.open().await {
                Ok(session) => self.read(session, generation, lost).await,
                Err(error) => Err(error),
            };
            self.table.lock().outstanding = 0;
            may_have_lost = true;
            let trouble = match outcome {
                Ok(Ended::Closing(session)) => {
                    self.end(session).await;
                    break;
                }
                Ok(Ended::Broken) => {
                    was_broken = true;
                    None
                }
                Ok(Ended::Busy) => Some(unavailable("server takes no more pulls for now")),
                Ok(Ended::Silent) => {
                    let error = unavailable("server gives no sign of life to the consumer");
                    self.stall(&error);
                    let rejoined = tokio::select! {
                        biased;
                        () = self.closing() => break,
                        rejoined = self.rejoin(self.inner.link.deadline()) => rejoined,
                    };
                    rejoined.err()
                }
                Err(error) => Some(error),
            };
            if let Some(error) = trouble {
                self.stall(&error);
            }
            // What lasted is no reason to wait.
            if begun.elapsed() > config.reconnect_max {
                delays = backoff.as_ref().map(Backoff::delays);
            }
            let pause = delays
                .as_mut()
                .and_then(Iterator::next)
                .unwrap_or(config.reconnect_max);
            tokio::select! {
                () = self.closing() => {}
                () = sleep(pause) => {}
            }
        }
        self.closing.send_replace(true);
        if self.solo && self.table.lock().is_empty() && !self.inner.link.is_closed() {
            self.leave(Instant::now() + END_WITHIN).await;
        }
    }

    /// Waits for the connection, and returns which one it is; none if the consumer is to end.
    async fn connected(&self) -> Option<u64> {
        tokio::select! {
            biased;
            () = self.closing() => None,
            ready = self.inner.link.ready(None) => ready.ok(),
        }
    }

    async fn open(&self) -> Result<Session, TransportError> {
        let client = self.inner.link.client();
        let inbox = client.new_inbox();
        let subscriber = client
            .subscribe(format!("{inbox}.*"))
            .await
            .map_err(|error| unavailable("inbox cannot be opened").with_source(error))?;
        Ok(Session {
            inbox,
            subscriber,
            pulls: VecDeque::new(),
            last: 0,
            arrived: Vec::with_capacity(AT_ONCE),
            foreign: Vec::new(),
        })
    }

    /// Reads until that ends. What was lost comes first: nothing is given out before all of it is
    /// here.
    async fn read(
        &self,
        mut session: Session,
        generation: u64,
        lost: usize,
    ) -> Result<Ended, TransportError> {
        let mut broken = std::pin::pin!(self.inner.link.broken(generation));
        let patience = self.inner.config.heartbeat * 3;
        let mut silence = Instant::now() + patience;
        let mut renewal = Instant::now() + self.lease / 4;
        let mut again = Again::new(lost);
        self.miss(lost);
        let mut shares_its_lease = false;
        loop {
            let was_idle = session.pulls.is_empty();
            if self.table.lock().missing() > 0 {
                self.ask_again(&mut session, &mut again).await?;
            }
            let (withheld, free) = {
                let table = self.table.lock();
                (table.missing() > 0, table.free(&self.most))
            };
            let worth_it = session.pulls.is_empty() || free >= self.most.worth_it();
            if free > 0 && !withheld && worth_it {
                self.pull(&mut session, free).await?;
            }
            let listening = !session.pulls.is_empty();
            if free == 0 && !listening {
                // Nothing is asked for, so it is not the server that gives nothing.
                self.goes_on();
            }
            if was_idle && listening {
                silence = Instant::now() + patience;
            }
            if listening && !shares_its_lease {
                // From now on the server knows that somebody is here.
                shares_its_lease = true;
                if let Err(error) = self.keep_lease(self.inner.link.deadline()).await {
                    tracing::debug!(consumer = self.name, %error, "cannot look at the lease");
                }
            }
            tokio::select! {
                biased;
                () = self.closing() => return Ok(Ended::Closing(session)),
                message = session.subscriber.next() => {
                    let Some(message) = message else { return Ok(Ended::Broken) };
                    let now = Instant::now();
                    silence = now + patience;
                    self.goes_on();
                    let mut next = Some(message);
                    let mut ended = None;
                    let mut many = 0;
                    while let Some(message) = next {
                        ended = self.take(&mut session, message);
                        many += 1;
                        next = (many < AT_ONCE && ended.is_none())
                            .then(|| session.subscriber.next().now_or_never().flatten())
                            .flatten();
                    }
                    self.take_in(&mut session, now).await;
                    if let Some(ended) = ended {
                        return Ok(ended);
                    }
                }
                () = &mut broken => {
                    // What had come before is ours.
                    let now = Instant::now();
                    while let Some(Some(message)) = session.subscriber.next().now_or_never() {
                        self.take(&mut session, message);
                    }
                    self.take_in(&mut session, now).await;
                    return Ok(Ended::Broken);
                }
                () = self.room.notified() => {}
                () = sleep_until(renewal) => {
                    renewal = Instant::now() + self.lease / 4;
                    self.renew_waiting().await;
                }
                () = sleep_until(again.next()), if withheld => {}
                () = sleep_until(silence), if listening => return Ok(Ended::Silent),
            }
        }
    }

    /// Asks for so many messages.
    pub(super) async fn pull(
        &self,
        session: &mut Session,
        many: usize,
    ) -> Result<(), TransportError> {
        session.last += 1;
        let heartbeat = self.inner.config.heartbeat;
        let question = serde_json::json!({
            "batch": many,
            "expires": nanos(OPEN_FOR.max(heartbeat * 4)),
            "idle_heartbeat": nanos(heartbeat),
        });
        let subject = format!(
            "$JS.API.CONSUMER.MSG.NEXT.{}.{}",
            self.inner.names.stream, self.name
        );
        let reply = format!("{}.{}", session.inbox, session.last);
        let body = Bytes::from(question.to_string());
        let sent = self
            .inner
            .link
            .client()
            .publish_with_reply(subject, reply, body)
            .await;
        sent.map_err(|error| unavailable("pull cannot be sent").with_source(error))?;
        session.pulls.push_back((session.last, many));
        self.table.lock().outstanding += many;
        Ok(())
    }

    /// Keeps the lease of what was read ahead.
    pub(super) async fn renew_waiting(&self) {
        let now = Instant::now();
        let waiting = self.table.lock().waiting(now + self.own_lease() * 3 / 4);
        for (token, reply) in waiting {
            let progress = Bytes::from(AckKind::Progress);
            if self
                .inner
                .link
                .client()
                .publish(reply, progress)
                .await
                .is_ok()
            {
                self.table
                    .lock()
                    .still_waiting(token, now + self.own_lease());
            }
        }
    }

    /// Closes the inbox and gives back at once what nobody asked for, or what came meanwhile.
    async fn end(&self, mut session: Session) {
        let client = self.inner.link.client();
        let ending = async {
            // The client library forgets an inbox before the server does. After this answer,
            // everything that was on its way is here.
            if let Err(error) = self.inner.link.ping(END_WITHIN / 2).await {
                tracing::debug!(%error, "what is on its way goes back when its lease is over");
            }
            if session.subscriber.drain().await.is_ok() {
                while let Some(message) = session.subscriber.next().await {
                    if message.status.is_none() {
                        self.hold(&mut session, message);
                    }
                }
            }
            // Asked about the group, the server drops the pulls whose inbox is gone. Otherwise
            // nats-server 2.9 tries the first message that is given back on such a pull, and then
            // keeps it until its lease is over.
            let deadline = Instant::now() + END_WITHIN / 2;
            if let Err(failed) = self.info(deadline).await {
                tracing::debug!(?failed, "what is given back first may wait for its lease");
            }
        };
        // Without an answer the rest goes back when its lease is over.
        let _late = timeout(END_WITHIN, ending).await;
        self.take_in(&mut session, Instant::now()).await;
        let replies = self.table.lock().clear_ready();
        for reply in replies {
            if client
                .publish(reply, AckKind::Nak(None).into())
                .await
                .is_err()
            {
                break;
            }
        }
        if let Err(error) = client.flush().await {
            tracing::debug!(%error, "what was read ahead goes back when its lease is over");
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
