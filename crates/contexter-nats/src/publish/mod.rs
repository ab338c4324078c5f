//! Publishing: sent one after the other, confirmed together.

mod turns;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::PublishErrorKind;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::{Message, StatusCode, Subject, jetstream};
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{Confirmation, TransportErrorKind};
use contexter_protocol::IntegrationEvent;
use contexter_protocol::codec::Encoder;
use serde::Deserialize;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use self::turns::{Sent, Turns};
use crate::error::{answered, refused, unavailable, unconfirmed, unexpected};
use crate::inbox::Inbox;
use crate::message::Outgoing;
use crate::transport::Inner;

/// How many events of one call wait for their confirmation at the same time.
const WINDOW: usize = 1_024;

/// How many messages are made ready before they are sent, so that they go in few packets.
const AT_ONCE: usize = 64;

/// The pause before something is looked for again that was not there.
const PAUSE: Duration = Duration::from_millis(50);

const MISUNDERSTOOD: &str = "answer to a publication was not understood";

type Answer = Result<Confirmation, TransportError>;

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

/// What is to be published, by number.
trait Batch<'e>: Send {
    fn prepare(&mut self, index: usize) -> Result<(Subject, Outgoing), TransportError>;
    fn key(&self, index: usize) -> Option<&'e str>;
}

/// Events, encoded when their turn comes.
struct Events<'e> {
    inner: &'e Inner,
    all: &'e [Arc<IntegrationEvent>],
    encoder: Encoder,
    /// Events that go together are mostly of one type.
    last: Option<(&'e str, Subject)>,
}

impl<'e> Batch<'e> for Events<'e> {
    fn prepare(&mut self, index: usize) -> Result<(Subject, Outgoing), TransportError> {
        let event = self
            .all
            .get(index)
            .ok_or_else(|| refused("no such event"))?;
        let subject = match &self.last {
            Some((event_type, subject)) if *event_type == event.event_type() => subject.clone(),
            _ => {
                let subject = Subject::from(self.inner.names.event(event.event_type())?);
                self.last = Some((event.event_type(), subject.clone()));
                subject
            }
        };
        let (mut outgoing, key) = Outgoing::named(event, &mut self.encoder)?;
        outgoing.check(self.inner.limits.event)?;
        outgoing.set(NATS_MESSAGE_ID, &key)?;
        Ok((subject, outgoing))
    }

    fn key(&self, index: usize) -> Option<&'e str> {
        self.all.get(index)?.partition_key()
    }
}

/// A message that may have to be sent more than once.
struct One<'m>(&'m str, &'m Outgoing);

impl<'e> Batch<'e> for One<'_> {
    fn prepare(&mut self, _only: usize) -> Result<(Subject, Outgoing), TransportError> {
        let Self(subject, outgoing) = self;
        let copy = Outgoing::new(outgoing.body.clone()).with_headers(outgoing.headers.clone());
        Ok((Subject::from(*subject), copy))
    }

    fn key(&self, _only: usize) -> Option<&'e str> {
        None
    }
}

impl Inner {
    pub(crate) async fn publish_all(&self, events: &[Arc<IntegrationEvent>]) -> Vec<Answer> {
        let deadline = Instant::now() + self.config.publish_timeout;
        let batch = Events {
            inner: self,
            all: events,
            encoder: Encoder::default(),
            last: None,
        };
        self.publish_each(events.len(), batch, deadline).await
    }

    pub(crate) async fn publish_one(
        &self,
        subject: &str,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> Answer {
        let batch = One(subject, &outgoing);
        let mut answers = self.publish_each(1, batch, deadline).await;
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
        mut batch: impl Batch<'e>,
        deadline: Instant,
    ) -> Vec<Answer> {
        let mut all: Vec<Progress> = (0..many).map(|_| Progress::default()).collect();
        let failure = loop {
            let generation = match self.link.ready(Some(deadline)).await {
                Ok(generation) => generation,
                Err(error) => break error,
            };
            match self.round(&mut all, &mut batch, generation, deadline).await {
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

    /// Sends what has no answer yet, and waits for the answers to all of it.
    async fn round<'e>(
        &self,
        all: &mut [Progress],
        batch: &mut impl Batch<'e>,
        generation: u64,
        deadline: Instant,
    ) -> Result<(), Interrupted> {
        let mut broken = std::pin::pin!(self.link.broken(generation));
        let mut late = std::pin::pin!(sleep_until(deadline));
        let mut inbox = if let Some(inbox) = self.inboxes.take() {
            inbox
        } else {
            tokio::select! {
                biased;
                opened = Inbox::open(self.link.client()) => match opened {
                    Ok(inbox) => inbox,
                    Err(_gone) => return Err(gone(broken, late).await),
                },
                () = &mut broken => return Err(Interrupted::Broken),
                () = &mut late => return Err(Interrupted::Late),
            }
        };
        let mut round = Round {
            turns: Turns::new(all.len()),
            all,
            batch,
            sent: Sent::default(),
        };
        let mut prepared = VecDeque::with_capacity(AT_ONCE.min(round.all.len()));
        let interrupted = 'round: loop {
            round.prepare(&mut prepared);
            while let Some((index, subject, outgoing)) = prepared.pop_front() {
                let (number, reply) = inbox.number();
                let (headers, body) = (outgoing.headers, outgoing.body);
                let client = &inbox.client;
                let sending = client.publish_with_reply_and_headers(subject, reply, headers, body);
                tokio::select! {
                    biased;
                    outcome = sending => match outcome {
                        Ok(()) => round.sent(number, index),
                        // The client library has ended, which says nothing about the message.
                        Err(error) if error.kind() == PublishErrorKind::Send => {
                            break 'round gone(broken, late).await;
                        }
                        Err(error) => round.conclude(index, Err(not_sent(error.kind()))),
                    },
                    () = &mut broken => break 'round Interrupted::Broken,
                    () = &mut late => break 'round Interrupted::Late,
                }
            }
            if round.learn_ready(&mut inbox) {
                break Interrupted::NoStream;
            }
            if round.turns.has_next() && round.sent.open < WINDOW {
                continue;
            }
            // What is left waits for something of which this round does not tell whether it was
            // stored.
            if round.sent.open == 0 {
                self.inboxes.give_back(inbox);
                return Ok(());
            }
            tokio::select! {
                biased;
                answer = inbox.answer() => match answer {
                    Some(answer) if round.learn(&inbox, &answer) => break Interrupted::NoStream,
                    Some(_known) => {}
                    None => break gone(broken, late).await,
                },
                () = &mut broken => break Interrupted::Broken,
                () = &mut late => break Interrupted::Late,
            }
        };
        // What was confirmed before the end is confirmed.
        round.learn_ready(&mut inbox);
        Err(interrupted)
    }
}

/// Waits until it shows that the client library has ended: perhaps it has not told yet.
async fn gone(broken: Pin<&mut impl Future<Output = ()>>, late: Pin<&mut Sleep>) -> Interrupted {
    tokio::select! {
        biased;
        () = broken => Interrupted::Broken,
        () = late => Interrupted::Late,
        () = sleep(PAUSE) => Interrupted::Broken,
    }
}

/// What is on its way over one connection.
struct Round<'a, 'e, B> {
    all: &'a mut [Progress],
    batch: &'a mut B,
    turns: Turns<'e>,
    sent: Sent,
}

impl<'e, B: Batch<'e>> Round<'_, 'e, B> {
    /// Makes some messages ready whose turn it is.
    fn prepare(&mut self, prepared: &mut VecDeque<(usize, Subject, Outgoing)>) {
        while prepared.len() < AT_ONCE && self.sent.open + prepared.len() < WINDOW {
            let batch = &*self.batch;
            let Some(index) = self.turns.next(|index| batch.key(index)) else {
                return;
            };
            if self.all.get(index).is_none_or(|one| one.answer.is_some()) {
                self.turns.over(self.batch.key(index));
                continue;
            }
            match self.batch.prepare(index) {
                Ok((subject, outgoing)) => prepared.push_back((index, subject, outgoing)),
                Err(error) => self.conclude(index, Err(error)),
            }
        }
    }

    fn sent(&mut self, number: u64, index: usize) {
        if let Some(one) = self.all.get_mut(index) {
            one.sent += 1;
        }
        self.sent.add(number, index);
    }

    /// It is known what has become of one, so the next of its key may go.
    fn conclude(&mut self, index: usize, answer: Answer) {
        if let Some(one) = self.all.get_mut(index) {
            one.answer = Some(answer);
        }
        self.turns.over(self.batch.key(index));
    }

    /// Takes an answer of the server; true if the stream was not there.
    fn learn(&mut self, inbox: &Inbox, answer: &Message) -> bool {
        let index = inbox.number_of(answer).and_then(|n| self.sent.take(n));
        // Without one, it is the answer to what was sent before this round, and was sent again.
        let Some(index) = index else { return false };
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            return true;
        }
        let again = self.all.get(index).is_some_and(|one| one.sent > 1);
        self.conclude(index, confirmation(&answer.payload, again));
        false
    }

    /// Takes all answers that are there; true if the stream was not.
    fn learn_ready(&mut self, inbox: &mut Inbox) -> bool {
        let mut absent = false;
        while let Some(answer) = inbox.ready_answer() {
            absent |= self.learn(inbox, &answer);
        }
        absent
    }
}

/// What the server says about a publication.
#[derive(Deserialize)]
struct Stored {
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    error: Option<jetstream::Error>,
}

/// Reads the answer to a publication. What was sent twice by this call is no duplicate of the
/// caller's.
fn confirmation(answer: &[u8], sent_again: bool) -> Answer {
    let stored: Stored = serde_json::from_slice(answer)
        .map_err(|error| unexpected(MISUNDERSTOOD).with_source(error))?;
    if let Some(error) = stored.error {
        return Err(answered(&error));
    }
    let sequence = stored.seq.ok_or_else(|| unexpected(MISUNDERSTOOD))?;
    Ok(Confirmation::new(sequence.to_string())
        .with_sequence(sequence)
        .with_duplicate(stored.duplicate && !sent_again))
}

fn not_sent(kind: PublishErrorKind) -> TransportError {
    let kind_here = match kind {
        PublishErrorKind::MaxPayloadExceeded => TransportErrorKind::TooLarge,
        _ => TransportErrorKind::Refused,
    };
    TransportError::new(kind_here, format!("event was not sent: {kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_confirmation_or_the_error_of_the_server() {
        let first = confirmation(br#"{"stream":"s","seq":7}"#, false).unwrap();
        assert_eq!((first.sequence, first.duplicate), (Some(7), false));
        let again = br#"{"stream":"s","domain":"d","seq":7,"duplicate":true}"#;
        assert!(confirmation(again, false).unwrap().duplicate);
        assert!(!confirmation(again, true).unwrap().duplicate);
        let full = br#"{"error":{"code":503,"err_code":10023,"description":"no room"},"seq":0}"#;
        let full = confirmation(full, false).unwrap_err();
        assert_eq!(full.kind(), TransportErrorKind::Full);
        for bad in [&b""[..], b"{}", b"[]", b"{\"seq\":-1}", b"\xff"] {
            let kind = confirmation(bad, false).unwrap_err().kind();
            assert_eq!(kind, TransportErrorKind::Protocol);
        }
    }
}
