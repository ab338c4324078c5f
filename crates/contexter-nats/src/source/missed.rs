//! What the stream removed before the group had read it.
//!
//! A group of all types gets every number of the stream, each first delivery is counted by the
//! server, and both come with each message: the numbers that were passed are more than the deliveries
//! meanwhile by what was removed. For a group of some types the numbers in between may have been
//! others, and the server keeps no count of what it removed; there, only what it removed as a whole
//! while nobody of the group was there can be told.

use std::sync::atomic::Ordering;

use async_nats::jetstream::consumer::Info;
use async_nats::jetstream::stream;
use tokio::time::Instant;

use super::Consumer;
use crate::message::Delivered;

/// How far a group had come at one of its deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// The number of the delivery among all of the group.
    delivery: u64,
    /// The highest number of the stream that was delivered by then.
    sequence: u64,
}

impl Passed {
    /// Goes on with a delivery, and returns how many messages were removed before it, at least: other
    /// members may have been given some again.
    fn go_on(&mut self, delivered: Delivered) -> u64 {
        let Delivered {
            count,
            sequence,
            delivery,
            ..
        } = delivered;
        if delivery <= self.delivery {
            // The server has lost its state, and counts anew.
            *self = Self { delivery, sequence };
            return 0;
        }
        if count > 1 || sequence <= self.sequence {
            // It takes a delivery, and no number.
            self.delivery += 1;
            return 0;
        }
        let (numbers, deliveries) = (sequence - self.sequence, delivery - self.delivery);
        *self = Self { delivery, sequence };
        numbers.saturating_sub(deliveries)
    }
}

impl Consumer {
    /// Knows how far the group has come, unless it was known and is still so; and where this consumer
    /// begins, so that what is published before it has seen anything is not passed over if the server
    /// forgets it.
    pub(super) fn joins(&self, info: &Info) {
        let now = Passed {
            delivery: info.delivered.consumer_sequence,
            sequence: info.delivered.stream_sequence,
        };
        *self.made.lock() = Some(info.created);
        if let Some(settled) = settled_up_to(info) {
            self.table.lock().begins_after(settled);
        }
        let mut passed = self.passed.lock();
        if passed.is_none_or(|known| now.delivery < known.delivery) {
            *passed = Some(now);
        }
    }

    /// Counts what was removed before this message.
    pub(super) fn note_passed(&self, delivered: Delivered) {
        if !self.is_for_all() {
            return;
        }
        let mut passed = self.passed.lock();
        let Some(passed) = passed.as_mut() else {
            return;
        };
        let after = passed.sequence;
        let missed = passed.go_on(delivered);
        if missed > 0 {
            tracing::warn!(
                consumer = self.name,
                missed,
                after,
                before = delivered.sequence,
                "events were removed before the group had read them"
            );
            self.trimmed.fetch_add(missed, Ordering::Relaxed);
        }
    }

    /// Tells what was removed while nobody of a group of some types was there.
    pub(super) async fn note_removed(&self, info: &Info, deadline: Instant) {
        if self.is_for_all() {
            return;
        }
        let question = format!("STREAM.INFO.{}", self.inner.names.stream);
        let found: Result<stream::Info, _> = self.inner.link.ask(&question, &(), deadline).await;
        let after = info.delivered.stream_sequence;
        if let Ok(found) = found
            && found.state.first_sequence > after + 1
        {
            tracing::warn!(
                consumer = self.name,
                after,
                before = found.state.first_sequence,
                "messages were removed before the group had passed them; how many of them were \
                 for it is not known"
            );
        }
    }

    fn is_for_all(&self) -> bool {
        self.inner.names.is_all(&self.filter)
    }
}

/// Returns up to which message of the stream the group has settled everything, a new one what is before
/// its beginning. None if it holds messages and has settled none: then the server does not say.
fn settled_up_to(info: &Info) -> Option<u64> {
    if info.num_ack_pending == 0 {
        return Some(info.delivered.stream_sequence);
    }
    Some(info.ack_floor.stream_sequence).filter(|settled| *settled > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(delivery: u64, sequence: u64, count: u64) -> Delivered {
        Delivered {
            count,
            sequence,
            delivery,
            pending: 0,
        }
    }

    #[test]
    fn numbers_without_a_delivery_were_removed() {
        let mut passed = Passed {
            delivery: 4,
            sequence: 4,
        };
        assert_eq!(passed.go_on(delivered(5, 5, 1)), 0);
        assert_eq!(passed.go_on(delivered(6, 5, 2)), 0, "given again");
        assert_eq!(passed.go_on(delivered(7, 6, 1)), 0);
        // Two went to another member.
        assert_eq!(passed.go_on(delivered(10, 9, 1)), 0);
        assert_eq!(passed.go_on(delivered(11, 30, 1)), 20);
        // One of another member came back to this one.
        assert_eq!(passed.go_on(delivered(12, 8, 2)), 0);
        assert_eq!(passed.go_on(delivered(13, 31, 1)), 0);
    }

    #[test]
    fn a_server_that_lost_its_state_has_removed_nothing() {
        let mut passed = Passed {
            delivery: 40,
            sequence: 40,
        };
        assert_eq!(passed.go_on(delivered(1, 60, 1)), 0);
        assert_eq!(passed.go_on(delivered(2, 61, 1)), 0);
    }
}
