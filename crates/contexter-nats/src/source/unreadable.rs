//! Messages that break the connection whenever they are delivered.
//!
//! The client library ends the connection at headers that it does not take, without saying which
//! message it was, and the server delivers that message again after each lease. So after a broken
//! connection, what the server holds to be delivered is looked at through its interface, and what
//! the library cannot take is given to the bus from there.

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::Info;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::Undecodable;
use tokio::time::Instant;

use super::Consumer;
use super::table::{Arrival, Content};
use crate::message::Delivered;
use crate::raw::Stored;

/// How many messages are looked at after one broken connection. The next one goes on from there,
/// and there is a next one for as long as there is such a message.
const AT_ONCE: usize = 2_000;

impl Consumer {
    /// Looks for messages that the client library cannot take, and takes them.
    pub(super) async fn look_for_unreadable(&self) -> Result<(), TransportError> {
        let deadline = self.inner.link.deadline() + self.lease;
        let info = self.info(deadline).await?;
        let last = info.delivered.stream_sequence;
        let first = info.ack_floor.stream_sequence + 1;
        // Most likely it is the one after the last that came.
        let fresh = (self.table.lock().position + 1).max(first);
        let mut left = AT_ONCE;
        let mut next = fresh;
        while left > 0 && next <= last {
            left -= 1;
            next = self.look_at(next, last, &info, deadline).await?;
        }
        // Or one that was delivered before.
        let mut next = self.table.lock().looked_up_to.max(first);
        while left > 0 && next < fresh {
            left -= 1;
            next = self.look_at(next, last, &info, deadline).await?;
        }
        let over = next >= fresh;
        self.table.lock().looked_up_to = if over { 0 } else { next };
        Ok(())
    }

    /// Looks at the first message from a sequence on, and returns where to go on.
    async fn look_at(
        &self,
        from: u64,
        last: u64,
        info: &Info,
        deadline: Instant,
    ) -> Result<u64, TransportError> {
        if self.table.lock().holds(from) {
            return Ok(from + 1);
        }
        let stream = &self.inner.names.stream;
        let stored = self
            .inner
            .next_stored(stream, &self.filter, from, deadline)
            .await?;
        let Some(stored) = stored.filter(|stored| stored.sequence <= last) else {
            return Ok(last + 1);
        };
        let next = stored.sequence + 1;
        if let Some(fault) = stored.fault()
            && !self.table.lock().was_unreadable(stored.sequence)
        {
            self.take_unreadable(stored, fault, info).await;
        }
        Ok(next)
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
        let content = Content::Unreadable(Undecodable::new(fault, stored.into_raw()));
        self.table
            .lock()
            .take_in(reply, Arrival { delivered, content }, until);
        self.arrived.notify_one();
    }
}
