//! Messages that break the connection whenever they are delivered.
//!
//! The client library ends the connection at headers that it does not take, without saying which
//! message it was, and the server delivers that message again after each lease. So after a broken
//! connection, what the server holds to be delivered is looked at through its interface, and what
//! the library cannot take is given to the bus from there.

use std::ops::RangeInclusive;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::Info;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::Undecodable;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::Consumer;
use super::table::{Arrival, Content};
use crate::message::Delivered;
use crate::raw::Stored;

/// How many questions are asked after one broken connection, about. The next one goes on from there,
/// and there is a next one for as long as there is such a message.
const AT_MOST: u64 = 2_000;

/// How many of them at the same time. Each answer has the body of a message.
const AT_ONCE: u64 = 32;

impl Consumer {
    /// Looks for messages that the client library cannot take, and takes them.
    pub(super) async fn look_for_unreadable(&self) -> Result<(), TransportError> {
        let deadline = self.inner.link.deadline() + self.lease;
        let info = self.info(deadline).await?;
        let last = info.delivered.stream_sequence;
        let first = info.ack_floor.stream_sequence + 1;
        // Most likely it is the one after the last that came.
        let fresh = (self.table.lock().position + 1).max(first);
        let mut left = AT_MOST;
        self.look_at(fresh..=last, &mut left, &info, deadline)
            .await?;
        // Or one that was delivered before.
        let next = self.table.lock().looked_up_to.max(first);
        let next = self
            .look_at(next..=fresh - 1, &mut left, &info, deadline)
            .await?;
        let over = next >= fresh;
        self.table.lock().looked_up_to = if over { 0 } else { next };
        Ok(())
    }

    /// Looks at messages of the stream with the questions that are left, and returns where to go on.
    async fn look_at(
        &self,
        range: RangeInclusive<u64>,
        left: &mut u64,
        info: &Info,
        deadline: Instant,
    ) -> Result<u64, TransportError> {
        let (mut next, last) = range.into_inner();
        while *left > 0 && next <= last {
            // What is not there, or not for this consumer, is passed over.
            *left -= 1;
            let Some(first) = self.stored_from(next, deadline).await? else {
                return Ok(last + 1);
            };
            if first.sequence > last {
                return Ok(last + 1);
            }
            let (from, to) = (first.sequence, last.min(first.sequence + *left));
            let each = (to - from) / AT_ONCE + 1;
            let parts = (0..AT_ONCE)
                .map(|part| from + part * each)
                .take_while(|begin| *begin <= to)
                .map(|begin| self.look_through(begin..=to.min(begin + each - 1), deadline));
            let looks: Vec<(u64, Vec<Stored>)> = stream::iter(parts)
                .buffered(usize::try_from(AT_ONCE).unwrap_or(1))
                .try_collect()
                .await?;
            for (asked, unreadable) in looks {
                *left = left.saturating_sub(asked);
                for stored in unreadable {
                    if let Some(fault) = stored.fault() {
                        self.take_unreadable(stored, fault, info).await;
                    }
                }
            }
            next = to + 1;
        }
        Ok(next)
    }

    /// Looks at messages one after the other. Returns how many questions that took, and the messages
    /// that the client library cannot take.
    async fn look_through(
        &self,
        range: RangeInclusive<u64>,
        deadline: Instant,
    ) -> Result<(u64, Vec<Stored>), TransportError> {
        let (mut next, last) = range.into_inner();
        let (mut asked, mut unreadable) = (0, Vec::new());
        while next <= last {
            if self.table.lock().holds(next) {
                next += 1;
                continue;
            }
            asked += 1;
            let stored = self.stored_from(next, deadline).await?;
            let Some(stored) = stored.filter(|stored| stored.sequence <= last) else {
                break;
            };
            next = stored.sequence + 1;
            let known = self.table.lock().was_unreadable(stored.sequence);
            if stored.fault().is_some() && !known {
                unreadable.push(stored);
            }
        }
        Ok((asked, unreadable))
    }

    /// Fetches the first message for this consumer from a sequence on.
    async fn stored_from(
        &self,
        from: u64,
        deadline: Instant,
    ) -> Result<Option<Stored>, TransportError> {
        let stream = &self.inner.names.stream;
        self.inner
            .next_stored(stream, &self.filter, from, deadline)
            .await
    }

    async fn take_unreadable(&self, stored: Stored, fault: &str, info: &Info) {
        let sequence = stored.sequence;
        tracing::warn!(
            consumer = self.name,
            sequence,
            fault,
            "message breaks the connection and is fetched in another way"
        );
        // The server finds what is settled by its sequence; the number of the delivery need only be
        // one that there was.
        let reply: async_nats::Subject = format!(
            "$JS.ACK.{}.{}.1.{sequence}.{}.0.0",
            self.inner.names.stream, self.name, info.delivered.consumer_sequence
        )
        .into();
        let held = self
            .inner
            .link
            .client()
            .publish(reply.clone(), AckKind::Progress.into())
            .await;
        if let Err(error) = held {
            tracing::debug!(%error, "message is looked for again");
            return;
        }
        let until = Instant::now() + self.own_lease();
        let delivered = Delivered {
            count: 1,
            sequence,
            delivery: self.table.lock().last_delivery,
            pending: 0,
        };
        let raw = stored.into_raw();
        let headers = raw.headers.iter();
        let headers = headers.map(|(name, value)| name.len() + value.len());
        let arrival = Arrival {
            delivered,
            others: self.other_streams(),
            size: headers.sum::<usize>() + raw.body.len(),
            content: Content::Unreadable(Undecodable::new(fault, raw)),
        };
        self.table.lock().take_in(reply, arrival, until);
        self.arrived.notify_one();
    }
}
