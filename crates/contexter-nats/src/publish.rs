//! Publishing: sent one after the other, confirmed together.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subject;
use async_nats::jetstream::context::{Context, PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::{header::NATS_MESSAGE_ID, jetstream};
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{Confirmation, TransportErrorKind};
use contexter_protocol::IntegrationEvent;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::{answered, refused, unavailable, unconfirmed};
use crate::message::{HeaderNames, Outgoing};
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
        // Events that go together are mostly of one type, and of the same attributes.
        let known = Mutex::new((None::<(&str, Subject)>, HeaderNames::default()));
        let prepare = |index: usize| {
            let event = events.get(index).ok_or_else(|| refused("no such event"))?;
            let mut known = known.lock();
            let (last, names) = &mut *known;
            let subject = match last {
                Some((event_type, subject)) if *event_type == event.event_type() => subject.clone(),
                _ => {
                    let subject = Subject::from(self.names.event(event.event_type())?);
                    *last = Some((event.event_type(), subject.clone()));
                    subject
                }
            };
            let (mut outgoing, key) = Outgoing::named(event, names)?;
            outgoing.check(self.limits.event)?;
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
            Ok((Subject::from(subject), copy))
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
    /// waits until the one before it of the same key is confirmed. All others go at once.
    async fn publish_each<'e>(
        &self,
        many: usize,
        prepare: impl Fn(usize) -> Result<(Subject, Outgoing), TransportError> + Sync,
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
        prepare: &(impl Fn(usize) -> Result<(Subject, Outgoing), TransportError> + Sync),
        key: &(impl Fn(usize) -> Option<&'e str> + Sync),
        generation: u64,
        deadline: Instant,
    ) -> Result<(), Interrupted> {
        let mut broken = std::pin::pin!(self.link.broken(generation));
        let mut late = std::pin::pin!(sleep_until(deadline));
        let js = self.link.js();
        let mut waiting: VecDeque<(usize, Ack)> = VecDeque::with_capacity(all.len().min(WINDOW));
        let mut turns = Turns::new(all.len());
        let interrupted = loop {
            let room = waiting.len() < WINDOW;
            if let Some(index) = room.then(|| turns.next(key)).flatten() {
                let Some(one) = all.get_mut(index).filter(|one| one.answer.is_none()) else {
                    turns.over(key(index));
                    continue;
                };
                let (subject, outgoing) = match prepare(index) {
                    Ok(prepared) => prepared,
                    Err(error) => {
                        one.answer = Some(Err(error));
                        turns.over(key(index));
                        continue;
                    }
                };
                tokio::select! {
                    biased;
                    sent = send(&js, subject, outgoing) => match sent {
                        Ok(ack) => {
                            one.sent += 1;
                            waiting.push_back((index, ack.into_future()));
                        }
                        Err(error) => {
                            one.answer = Some(Err(not_sent(&error, self.link.is_closed())));
                            turns.over(key(index));
                        }
                    },
                    () = &mut broken => break Interrupted::Broken,
                    () = &mut late => break Interrupted::Late,
                }
            } else {
                // What is left waits for something of which this round does not tell whether it
                // was stored.
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
                        if one.answer.is_some() {
                            turns.over(key(*index));
                        }
                        waiting.pop_front();
                    }
                    () = &mut broken => break Interrupted::Broken,
                    () = &mut late => break Interrupted::Late,
                }
            }
        };
        // What was confirmed before the end is confirmed.
        for (index, ack) in waiting {
            if let (Some(one), Some(answer)) = (all.get_mut(index), ack.now_or_never()) {
                one.learn(answer);
            }
        }
        Err(interrupted)
    }
}

async fn send(
    js: &Context,
    subject: Subject,
    out: Outgoing,
) -> Result<PublishAckFuture, PublishError> {
    let message = PublishMessage::build()
        .payload(out.body)
        .headers(out.headers);
    js.send_publish(subject, message).await
}

/// Which message goes next: the oldest one, except that of one key only one is on its way.
struct Turns<'e> {
    fresh: std::ops::Range<usize>,
    /// Those whose turn has come after they had to wait. Their keys are taken.
    freed: VecDeque<usize>,
    /// The keys of what is on its way, with what waits behind it.
    taken: HashMap<&'e str, VecDeque<usize>>,
}

impl<'e> Turns<'e> {
    fn new(many: usize) -> Self {
        Self {
            fresh: 0..many,
            freed: VecDeque::new(),
            taken: HashMap::new(),
        }
    }

    /// Returns the next message that may go, whose key is taken until [`over`](Self::over).
    fn next(&mut self, key: impl Fn(usize) -> Option<&'e str>) -> Option<usize> {
        if let Some(freed) = self.freed.pop_front() {
            return Some(freed);
        }
        for index in self.fresh.by_ref() {
            let Some(key) = key(index) else {
                return Some(index);
            };
            match self.taken.entry(key) {
                Entry::Vacant(free) => {
                    free.insert(VecDeque::new());
                    return Some(index);
                }
                Entry::Occupied(mut taken) => taken.get_mut().push_back(index),
            }
        }
        None
    }

    /// It is known what has become of the one of this key.
    fn over(&mut self, key: Option<&'e str>) {
        let Some(key) = key else { return };
        match self.taken.get_mut(key).and_then(VecDeque::pop_front) {
            Some(next) => self.freed.push_back(next),
            None => {
                self.taken.remove(key);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_key_one_is_on_its_way_and_nothing_else_waits() {
        let keys = [Some("a"), None, Some("a"), Some("b"), Some("a"), None];
        let key = |index: usize| keys[index];
        let mut turns = Turns::new(keys.len());
        let at_once: Vec<_> = std::iter::from_fn(|| turns.next(key)).collect();
        assert_eq!(at_once, [0, 1, 3, 5]);
        for index in [1, 3, 5] {
            turns.over(key(index));
            assert_eq!(turns.next(key), None);
        }
        turns.over(key(0));
        assert_eq!((turns.next(key), turns.next(key)), (Some(2), None));
        turns.over(key(2));
        assert_eq!((turns.next(key), turns.next(key)), (Some(4), None));
        turns.over(key(4));
        assert_eq!(turns.next(key), None);
        assert!(turns.taken.is_empty());
    }
}
