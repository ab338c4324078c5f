//! Publishing: sent one after the other, confirmed together.

use std::collections::{HashSet, VecDeque};
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::{header::NATS_MESSAGE_ID, jetstream};
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{Confirmation, TransportErrorKind};
use contexter_protocol::IntegrationEvent;
use futures_util::FutureExt;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::{answered, refused, unavailable, unconfirmed};
use crate::message::Outgoing;
use crate::transport::Inner;

/// How many events of one call wait for their confirmation at the same time.
const WINDOW: usize = 1_024;

/// The pause before a stream is looked for again that was not there.
const PAUSE: Duration = Duration::from_millis(50);

type Answer = Result<Confirmation, TransportError>;
type Ack = Pin<Box<dyn Future<Output = Result<PublishAck, PublishError>> + Send>>;

/// How far publishing has come with one event.
#[derive(Debug, Default)]
struct Progress {
    answer: Option<Answer>,
    sent: u32,
}

/// How a round ended that did not answer everything.
enum Interrupted {
    Broken,
    Late,
    NoStream,
}

impl Inner {
    pub(crate) async fn publish_all(&self, events: &[Arc<IntegrationEvent>]) -> Vec<Answer> {
        let deadline = Instant::now() + self.config.publish_timeout;
        let prepare = |index: usize| {
            let event = events.get(index).ok_or_else(|| refused("no such event"))?;
            let subject = self.names.event(event.event_type())?;
            let mut outgoing = Outgoing::event(event)?;
            outgoing.check(self.limits.event)?;
            let key = outgoing.key();
            outgoing.set(NATS_MESSAGE_ID, &key)?;
            Ok((subject, outgoing))
        };
        let key = |index: usize| events.get(index).and_then(|event| event.partition_key());
        self.publish_each(events.len(), prepare, key, deadline)
            .await
    }

    pub(crate) async fn publish_one(
        &self,
        subject: &str,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> Answer {
        let prepare = |_only: usize| {
            let copy = Outgoing::new(outgoing.body.clone()).with_headers(outgoing.headers.clone());
            Ok((subject.to_owned(), copy))
        };
        let mut answers = self.publish_each(1, prepare, |_only| None, deadline).await;
        answers
            .pop()
            .unwrap_or_else(|| Err(unavailable("nothing was sent")))
    }

    /// Publishes messages, and those again that a broken connection may have lost: the server
    /// recognises those that it had.
    ///
    /// What the client holds when the connection breaks it sends over the next one, so a message
    /// that was on the broken one can come to be stored after its successors. Therefore a message
    /// waits until the one before it of the same key is confirmed.
    async fn publish_each<'e>(
        &self,
        many: usize,
        prepare: impl Fn(usize) -> Result<(String, Outgoing), TransportError> + Sync,
        key: impl Fn(usize) -> Option<&'e str> + Sync,
        deadline: Instant,
    ) -> Vec<Answer> {
        let mut all: Vec<Progress> = (0..many).map(|_| Progress::default()).collect();
        let failure = loop {
            let generation = match self.link.ready(Some(deadline)).await {
                Ok(generation) => generation,
                Err(error) => break error,
            };
            match self
                .round(&mut all, &prepare, &key, generation, deadline)
                .await
            {
                Ok(()) => break unavailable("nothing was sent"),
                Err(Interrupted::Broken) => {}
                Err(Interrupted::Late) => break unconfirmed("server did not confirm in time"),
                Err(Interrupted::NoStream) => {
                    if Instant::now() + PAUSE >= deadline {
                        break unavailable("stream is not there");
                    }
                    sleep(PAUSE).await;
                    if let Err(error) = self.ensure_streams(deadline).await {
                        break error;
                    }
                }
            }
        };
        all.into_iter()
            .map(|one| match one.answer {
                Some(answer) => answer,
                None if one.sent > 0 => Err(unconfirmed("server did not confirm in time")),
                None => Err(crate::error::again(&failure)),
            })
            .collect()
    }

    async fn round<'e>(
        &self,
        all: &mut [Progress],
        prepare: &(impl Fn(usize) -> Result<(String, Outgoing), TransportError> + Sync),
        key: &(impl Fn(usize) -> Option<&'e str> + Sync),
        generation: u64,
        deadline: Instant,
    ) -> Result<(), Interrupted> {
        let mut broken = std::pin::pin!(self.link.broken(generation));
        let mut waiting: VecDeque<(usize, Ack)> = VecDeque::new();
        let mut next = 0;
        // The keys of what is not confirmed; nothing of the same key goes after it.
        let mut unconfirmed: HashSet<&str> = HashSet::new();
        loop {
            let blocked = key(next).is_some_and(|key| unconfirmed.contains(key));
            let sending = waiting.len() < WINDOW && next < all.len();
            if sending && blocked && waiting.is_empty() {
                // Nothing can tell in this round whether what is before it was stored.
                next += 1;
                continue;
            }
            let interrupted = if sending && !blocked {
                let index = next;
                next += 1;
                let Some(one) = all.get_mut(index).filter(|one| one.answer.is_none()) else {
                    continue;
                };
                let (subject, outgoing) = match prepare(index) {
                    Ok(prepared) => prepared,
                    Err(error) => {
                        one.answer = Some(Err(error));
                        continue;
                    }
                };
                tokio::select! {
                    biased;
                    sent = self.send(subject, outgoing) => {
                        match sent {
                            Ok(ack) => {
                                one.sent += 1;
                                unconfirmed.extend(key(index));
                                waiting.push_back((index, ack.into_future()));
                            }
                            Err(error) => one.answer = Some(Err(not_sent(&error, self.link.is_closed()))),
                        }
                        continue;
                    }
                    () = &mut broken => Interrupted::Broken,
                    () = sleep_until(deadline) => Interrupted::Late,
                }
            } else {
                let Some((index, ack)) = waiting.front_mut() else {
                    return Ok(());
                };
                let Some(one) = all.get_mut(*index) else {
                    return Ok(());
                };
                tokio::select! {
                    biased;
                    answer = ack => {
                        if !one.learn(answer) {
                            return Err(Interrupted::NoStream);
                        }
                        if let Some(key) = key(*index).filter(|_| one.answer.is_some()) {
                            unconfirmed.remove(key);
                        }
                        waiting.pop_front();
                        continue;
                    }
                    () = &mut broken => Interrupted::Broken,
                    () = sleep_until(deadline) => Interrupted::Late,
                }
            };
            // What was confirmed before the end is confirmed.
            for (index, ack) in waiting {
                if let (Some(one), Some(answer)) = (all.get_mut(index), ack.now_or_never()) {
                    one.learn(answer);
                }
            }
            return Err(interrupted);
        }
    }

    async fn send(&self, subject: String, out: Outgoing) -> Result<PublishAckFuture, PublishError> {
        let message = PublishMessage::build()
            .payload(out.body)
            .headers(out.headers);
        self.link.js().send_publish(subject, message).await
    }
}

impl Progress {
    /// Takes an answer of the server; false if the stream was not there.
    fn learn(&mut self, answer: Result<PublishAck, PublishError>) -> bool {
        match answer {
            Ok(ack) => {
                // What was sent twice by this call is no duplicate of the caller's.
                let confirmation = Confirmation::new(ack.sequence.to_string())
                    .with_sequence(ack.sequence)
                    .with_duplicate(ack.duplicate && self.sent <= 1);
                self.answer = Some(Ok(confirmation));
            }
            Err(error) => match error.kind() {
                PublishErrorKind::StreamNotFound => return false,
                // It is not known; perhaps the next round tells.
                PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => {}
                _ => self.answer = Some(Err(not_stored(error))),
            },
        }
        true
    }
}

fn not_sent(error: &PublishError, closed: bool) -> TransportError {
    if closed {
        return TransportError::closed();
    }
    let kind = match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => TransportErrorKind::TooLarge,
        PublishErrorKind::MaxAckPending => TransportErrorKind::Full,
        _ => TransportErrorKind::Unavailable,
    };
    TransportError::new(kind, format!("event was not sent: {}", error.kind()))
}

fn not_stored(error: PublishError) -> TransportError {
    let cause = std::error::Error::source(&error);
    match cause.and_then(|cause| cause.downcast_ref::<jetstream::Error>()) {
        Some(cause) => answered(cause),
        None => crate::error::unexpected("answer to a publication was not understood")
            .with_source(error),
    }
}
