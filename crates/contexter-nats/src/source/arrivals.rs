//! What comes of pulls: messages, and what the server says about a pull.

use async_nats::jetstream::AckKind;
use async_nats::{Message, StatusCode};
use tokio::time::Instant;

use super::Consumer;
use super::pull::{Ended, Session};
use super::table::{Arrival, Content};
use crate::message::{Decoded, Delivered, decode, header};

/// The header that says how many messages an ended pull did not bring.
const LEFT: &str = "Nats-Pending-Messages";

impl Consumer {
    /// Takes a message or what the server says about a pull.
    pub(super) fn take(&self, session: &mut Session, message: Message) -> Option<Ended> {
        match message.status {
            None | Some(StatusCode::OK) => {
                self.hold(session, message);
                None
            }
            Some(StatusCode::IDLE_HEARTBEAT) => None,
            Some(StatusCode::NO_RESPONDERS) => Some(Ended::Silent),
            Some(_ended) => {
                let description = message.description.as_deref().unwrap_or_default();
                if description.contains("Consumer Deleted") {
                    return Some(Ended::Silent);
                }
                let number = message
                    .subject
                    .rsplit('.')
                    .next()
                    .and_then(|n| n.parse().ok());
                let place = session
                    .pulls
                    .iter()
                    .position(|(pull, _)| Some(*pull) == number);
                let known = place.and_then(|place| session.pulls.remove(place));
                let told = header(&message, LEFT).and_then(|left| left.parse().ok());
                // A pull that is not known here is one of several that the server served in turn,
                // and was taken for the one that had all of it.
                let left: usize = told.or(known.map(|(_, known)| known))?;
                let mut table = self.table.lock();
                table.outstanding = table.outstanding.saturating_sub(left);
                drop(table);
                // Otherwise the next pull would be refused at once, again and again.
                let full = description.starts_with("Exceeded");
                full.then_some(Ended::Busy)
            }
        }
    }

    /// Decodes a message at once: what its headers take is free again while it is at hand.
    pub(super) fn hold(&self, session: &mut Session, mut message: Message) {
        let reply = message.reply.take();
        let delivered = reply.as_deref().and_then(Delivered::read);
        let (Some(reply), Some(delivered)) = (reply, delivered) else {
            tracing::debug!(consumer = self.name, "message of nobody came to the inbox");
            return;
        };
        self.note_passed(delivered);
        // The server may serve those that are open in turn, and does not say which this is of: the
        // sum is right, and what is left of each is told when it ends.
        if let Some((_, left)) = session.pulls.front_mut() {
            *left -= 1;
            if *left == 0 {
                session.pulls.pop_front();
            }
        }
        let size = message.length;
        let decoded = decode(message);
        if self.is_foreign(&decoded) {
            session.foreign.push((reply, delivered));
            return;
        }
        let content = Content::Message(decoded);
        let arrival = Arrival {
            delivered,
            others: self.other_streams(),
            size,
            content,
        };
        session.arrived.push((reply, arrival));
    }

    /// Whether it is an event whose type is not that of its subject and not one of the pattern.
    fn is_foreign(&self, decoded: &Decoded) -> bool {
        let event = decoded.event.as_ref();
        event.is_ok_and(|event| !self.pattern.matches(event.event_type()))
    }

    /// Holds what came after a time, and acknowledges what is for nobody here.
    pub(super) async fn take_in(&self, session: &mut Session, after: Instant) {
        let until = after + self.own_lease();
        let many = session.arrived.len() + session.foreign.len();
        {
            let mut table = self.table.lock();
            table.outstanding = table.outstanding.saturating_sub(many);
            for (reply, arrival) in session.arrived.drain(..) {
                table.take_in(reply, arrival, until);
            }
            for (_, delivered) in &session.foreign {
                table.passed_over(*delivered);
            }
        }
        self.arrived.notify_one();
        if session.foreign.is_empty() {
            return;
        }
        let client = self.inner.link.client();
        for (reply, _) in session.foreign.drain(..) {
            tracing::debug!(
                consumer = self.name,
                "event of a type that its subject does not name was passed over"
            );
            let acknowledged = client.publish(reply, AckKind::Ack.into());
            // What is not acknowledged comes again, and is passed over again.
            if let Err(error) = acknowledged.await {
                tracing::debug!(%error, "what was passed over comes again");
            }
        }
    }
}
