//! Settling and renewing.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::AckKind;
use async_nats::{Request, Subject};
use bytes::Bytes;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{DeliveryToken, Disposition, Settled};
use tokio::time::{Instant, sleep};

use super::Consumer;
use crate::error::{again, unconfirmed, unexpected};

/// The pause before a consumer is told again that was not there.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest delay: the server counts nanoseconds in 63 bits.
const LONGEST_DELAY: Duration = Duration::from_hours(24 * 365);

type Answer = Result<Settled, TransportError>;

/// A settlement that is on its way.
#[derive(Debug)]
struct UnderWay {
    place: usize,
    token: DeliveryToken,
    reply: Subject,
    until: Instant,
    disposition: Disposition,
}

/// Settlements that are on their way. Whatever becomes of this, a token is either used up or given
/// back.
struct Batch<'c> {
    consumer: &'c Consumer,
    all: Vec<UnderWay>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut table = self.consumer.table.lock();
        for one in &self.all {
            // A lease that was renewed has its new time by now.
            match one.disposition {
                Disposition::InProgress => table.renewed(one.token, None),
                _ => table.forget(one.token.0),
            }
        }
        drop(table);
        self.consumer.room.notify_one();
    }
}

/// So many settlements that the server has not answered. They make room for new messages at once:
/// the server gets them before it is asked for those.
struct SentAway<'c> {
    consumer: &'c Consumer,
    many: usize,
}

impl<'c> SentAway<'c> {
    fn new(consumer: &'c Consumer, many: usize) -> Self {
        consumer.table.lock().sent_away += many;
        consumer.room.notify_one();
        Self { consumer, many }
    }
}

impl Drop for SentAway<'_> {
    fn drop(&mut self) {
        self.consumer.table.lock().sent_away -= self.many;
    }
}

impl Consumer {
    /// Settles all of them in one round trip: the server works on them in their order, so its
    /// answer to the last one is its answer to all.
    pub(super) async fn settle(&self, settlements: &[(DeliveryToken, Disposition)]) -> Vec<Answer> {
        let now = Instant::now();
        let deadline = now + self.lease;
        let mut answers: Vec<Answer> = settlements.iter().map(|_| Ok(Settled::Refused)).collect();
        let mut batch = Batch {
            consumer: self,
            all: Vec::with_capacity(settlements.len()),
        };
        {
            let mut table = self.table.lock();
            for (place, &(token, disposition)) in settlements.iter().enumerate() {
                if let Some((reply, until)) = table.begin(token, now) {
                    batch.all.push(UnderWay {
                        place,
                        token,
                        reply,
                        until,
                        disposition,
                    });
                }
            }
        }
        if batch.all.is_empty() {
            return answers;
        }
        let outcome = self.send(&batch.all, deadline).await;
        let mut table = self.table.lock();
        for one in &batch.all {
            let Some(answer) = answers.get_mut(one.place) else {
                continue;
            };
            *answer = match &outcome {
                // It was not sent again when its lease was over by then.
                Ok(sent) if one.until <= *sent => Ok(Settled::Refused),
                Ok(sent) => {
                    match one.disposition {
                        Disposition::InProgress => {
                            table.renewed(one.token, Some(*sent + self.own_lease()));
                        }
                        Disposition::Ack => table.acknowledged(one.token),
                        Disposition::Nack { after } if !after.is_zero() => {
                            table.put_off(one.token, *sent + after.min(LONGEST_DELAY));
                        }
                        _ => {}
                    }
                    Ok(Settled::Done)
                }
                Err(error) => Err(again(error)),
            };
        }
        drop(table);
        drop(batch);
        answers
    }

    /// Sends them as often as it takes within the time, and returns when they were sent.
    async fn send(&self, all: &[UnderWay], deadline: Instant) -> Result<Instant, TransportError> {
        let link = &self.inner.link;
        loop {
            let generation = link.ready(Some(deadline)).await?;
            let sent = Instant::now();
            let (client, broken) = (link.client(), link.broken(generation));
            let fresh = fresh(all, sent);
            let Some((last, others)) = fresh.split_last() else {
                return Ok(sent);
            };
            let mut failed = false;
            for one in others {
                let (reply, body) = (one.reply.clone(), body(one.disposition));
                failed |= client.publish(reply, body).await.is_err();
            }
            let leaving = others
                .iter()
                .filter(|one| one.disposition != Disposition::InProgress);
            let _sent_away = SentAway::new(self, leaving.count());
            let patience = deadline.saturating_duration_since(sent);
            let request = Request::new()
                .payload(body(last.disposition))
                .timeout(Some(patience));
            tokio::select! {
                biased;
                answer = client.send_request(last.reply.clone(), request) => match answer {
                    Ok(_confirmed) if !failed => return Ok(sent),
                    Ok(_) => {}
                    Err(error) if error.kind() == RequestErrorKind::TimedOut => {
                        return Err(unconfirmed("server did not confirm a settlement in time"));
                    }
                    Err(_) if link.is_closed() => return Err(TransportError::closed()),
                    // The server may just have come back.
                    Err(error) if Instant::now() + PAUSE >= deadline => {
                        return Err(unexpected("settlement reached nobody").with_source(error));
                    }
                    Err(_no_responder) => sleep(PAUSE).await,
                },
                () = broken => {}
            }
        }
    }
}

/// Returns those whose lease lasts.
fn fresh(all: &[UnderWay], now: Instant) -> Vec<&UnderWay> {
    all.iter().filter(|one| one.until > now).collect()
}

fn body(disposition: Disposition) -> Bytes {
    match disposition {
        // Whatever the server has delivered counts.
        Disposition::Return => AckKind::Nak(None),
        Disposition::Nack { after } if after.is_zero() => AckKind::Nak(None),
        Disposition::Nack { after } => AckKind::Nak(Some(after.min(LONGEST_DELAY))),
        Disposition::InProgress => AckKind::Progress,
        _ => AckKind::Ack,
    }
    .into()
}
