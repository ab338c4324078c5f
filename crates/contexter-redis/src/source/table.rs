//! What one consumer holds, and until when by its own clock.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use contexter_event_bus::transport::{DeliveryToken, ExpectedSize, Incoming};
use tokio::time::Instant;

use super::unsettled::Unsettled;
use crate::entry::{EntryId, Fields, Message};

/// An entry that belongs to this consumer.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) id: EntryId,
    pub(crate) delivery_count: u64,
    /// How many bytes it has.
    pub(crate) size: usize,
    pub(crate) content: Content,
}

/// What is in it. Most is decoded by whoever asks for it, while the next is being read.
#[derive(Debug)]
pub(crate) enum Content {
    Stored(Fields),
    Read(Message),
}

impl Arrival {
    /// Returns the message under its token.
    pub(crate) fn open(self, token: DeliveryToken) -> Incoming {
        let message = match self.content {
            Content::Stored(fields) => Message::read(fields),
            Content::Read(message) => message,
        };
        Incoming::new(message.event, token, self.id.to_string())
            .with_delivery_count(u32::try_from(self.delivery_count).unwrap_or(u32::MAX))
            .with_redrive_group(message.redrive_group)
            .with_size(self.size)
    }
}

/// What a consumer holds unsettled, what it has read ahead included.
#[derive(Debug, Default)]
pub(crate) struct Table {
    last_token: u64,
    held: HashMap<u64, Held>,
    by_id: HashMap<EntryId, u64>,
    /// What was read and not yet asked for, in the order of the stream.
    ready: VecDeque<(u64, Arrival)>,
    /// The server has given something to this consumer that is not here. Until it is recovered,
    /// nothing is taken in, because it could be newer.
    incomplete: bool,
    /// How many more the read that is under way may bring.
    pub(crate) reserved: usize,
    /// How many bytes those have that are held.
    bytes: usize,
    /// How many each has that comes, as far as can be told before.
    pub(crate) expected: ExpectedSize,
    /// The last entry that was seen.
    pub(crate) position: EntryId,
    /// Of a consumer without a group.
    pub(crate) unsettled: Option<Unsettled>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    id: EntryId,
    until: Instant,
    state: State,
    size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Given,
    /// Its settlement is on its way.
    Settling,
}

impl Table {
    /// Returns how many messages are held or may be under way.
    pub(crate) fn used(&self) -> usize {
        self.held.len() + self.reserved
    }

    /// Returns how many more messages may be held, of so many and so many bytes.
    pub(crate) fn free(&self, most: usize, most_bytes: usize) -> usize {
        let fit = self.expected.fit(most_bytes.saturating_sub(self.bytes));
        let free = most.saturating_sub(self.used());
        free.min(fit.saturating_sub(self.reserved))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Holds messages that the server has given. An older token for the same entry is worth nothing
    /// from now on.
    ///
    /// What is older goes before what was read ahead, however it came: so the order holds. While
    /// something is missing, they are left for the recovery, too.
    pub(crate) fn take_in(&mut self, arrivals: Vec<Arrival>, until: Instant) {
        if self.incomplete {
            return;
        }
        for arrival in arrivals {
            self.last_token += 1;
            let (token, id) = (self.last_token, arrival.id);
            self.position = self.position.max(id);
            if let Some(unsettled) = &mut self.unsettled {
                unsettled.delivered(id, arrival.delivery_count);
            }
            if let Some(old) = self.by_id.insert(id, token) {
                self.let_go(old);
            }
            let (state, size) = (State::Ready, arrival.size);
            self.bytes += size;
            self.held.insert(
                token,
                Held {
                    id,
                    until,
                    state,
                    size,
                },
            );
            let newest = self.ready.back().is_none_or(|(_, last)| last.id < id);
            if newest {
                self.ready.push_back((token, arrival));
            } else {
                let place = self.ready.partition_point(|(_, other)| other.id < id);
                self.ready.insert(place, (token, arrival));
            }
        }
    }

    /// Something was given to this consumer that is not here.
    pub(crate) fn misses(&mut self) {
        self.incomplete = true;
    }

    pub(crate) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Begins to recover what is missing, and returns what is not: what it holds.
    pub(crate) fn begin_recovery(&mut self) -> HashSet<EntryId> {
        self.incomplete = false;
        self.by_id.keys().copied().collect()
    }

    /// Gives out what was read ahead. What belongs to this consumer no longer is left out, and so is
    /// what comes after it: both are recovered, unless another consumer of the group has them.
    pub(crate) fn give(&mut self, max: usize) -> Vec<(DeliveryToken, Arrival)> {
        let now = Instant::now();
        let mut given = Vec::with_capacity(max.min(self.ready.len()));
        while given.len() < max
            && let Some((token, arrival)) = self.ready.pop_front()
        {
            let Some(held) = self.held.get_mut(&token) else {
                continue;
            };
            if held.until <= now {
                self.forget(token);
                self.clear_ready();
                self.misses();
                break;
            }
            held.state = State::Given;
            given.push((DeliveryToken(token), arrival));
        }
        given
    }

    /// Begins to settle a message that was given; none if it does not belong to this consumer.
    pub(crate) fn begin(&mut self, token: DeliveryToken) -> Option<EntryId> {
        let held = self.mine(token)?;
        held.state = State::Settling;
        Some(held.id)
    }

    /// Begins to renew the lease of a message that was given. It can be settled meanwhile.
    pub(crate) fn begin_renewal(&mut self, token: DeliveryToken) -> Option<EntryId> {
        self.mine(token).map(|held| held.id)
    }

    fn mine(&mut self, token: DeliveryToken) -> Option<&mut Held> {
        let held = self.held.get(&token.0)?;
        if held.state != State::Given {
            return None;
        }
        if held.until <= Instant::now() {
            self.forget(token.0);
            return None;
        }
        self.held.get_mut(&token.0)
    }

    /// Returns whether a message still belongs to this consumer.
    pub(crate) fn is_in_time(&self, token: DeliveryToken) -> bool {
        let held = self.held.get(&token.0);
        held.is_some_and(|held| held.until > Instant::now())
    }

    /// Goes on holding a message whose lease was renewed.
    pub(crate) fn renewed(&mut self, token: DeliveryToken, until: Instant) {
        if let Some(held) = self.held.get_mut(&token.0) {
            held.until = until;
        }
    }

    fn let_go(&mut self, token: u64) -> Option<Held> {
        let held = self.held.remove(&token)?;
        self.bytes -= held.size;
        Some(held)
    }

    /// Holds a message no longer.
    pub(crate) fn forget(&mut self, token: u64) {
        if let Some(held) = self.let_go(token)
            && self.by_id.get(&held.id) == Some(&token)
        {
            self.by_id.remove(&held.id);
        }
    }

    /// Knows that an entry was acknowledged, or is no more.
    pub(crate) fn ended(&mut self, id: EntryId) {
        if let Some(unsettled) = &mut self.unsettled {
            unsettled.ended(id);
        }
    }

    /// Knows all that is pending at the server; what else is not held has ended.
    pub(crate) fn keep_pending(&mut self, mut pending: HashSet<EntryId>) {
        if let Some(unsettled) = &mut self.unsettled {
            pending.extend(self.by_id.keys());
            unsettled.keep_pending(&pending);
        }
    }

    /// Knows that an entry was given back.
    pub(crate) fn given_back(&mut self, id: EntryId, due: Instant) {
        if let Some(unsettled) = &mut self.unsettled {
            unsettled.given_back(id, due);
        }
    }

    pub(crate) fn holds(&self, id: EntryId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Returns the messages that nobody asked for yet and whose lease is worth renewing.
    pub(crate) fn waiting(&self, younger_than: Instant) -> Vec<(DeliveryToken, EntryId)> {
        self.held
            .iter()
            .filter(|(_, held)| held.state == State::Ready && held.until <= younger_than)
            .map(|(token, held)| (DeliveryToken(*token), held.id))
            .collect()
    }

    /// Begins the lease of a message anew that nobody asked for yet.
    pub(crate) fn still_waiting(&mut self, token: DeliveryToken, until: Instant) {
        if let Some(held) = self.held.get_mut(&token.0)
            && held.state == State::Ready
        {
            held.until = until;
        }
    }

    /// Forgets what nobody asked for.
    pub(crate) fn clear_ready(&mut self) {
        for (token, _) in std::mem::take(&mut self.ready) {
            self.forget(token);
        }
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}

/// How much earlier than at the server a lease ends here, so that what is sent in time arrives in
/// time.
pub(crate) fn own_lease(lease: Duration) -> Duration {
    lease.saturating_sub(lease / 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(number: u64) -> Arrival {
        Arrival {
            id: EntryId { millis: 1, number },
            delivery_count: 1,
            size: 10,
            content: Content::Stored(Fields::new()),
        }
    }

    fn numbers(given: &[(DeliveryToken, Arrival)]) -> Vec<u64> {
        given.iter().map(|(_, arrival)| arrival.id.number).collect()
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(9)
    }

    #[test]
    fn what_comes_again_goes_before_what_was_read_ahead_in_its_order() {
        let mut table = Table::default();
        for two in [[8, 9], [3, 4], [5, 6], [1, 7]] {
            table.take_in(two.map(arrival).into(), later());
        }
        assert_eq!(numbers(&table.give(9)), [1, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn what_is_newer_waits_for_what_was_read_ahead_too_long_ago() {
        let mut table = Table::default();
        table.take_in(vec![arrival(1)], later());
        table.take_in(vec![arrival(2)], Instant::now());
        table.take_in(vec![arrival(3)], later());
        assert_eq!(numbers(&table.give(9)), [1]);
        table.take_in(vec![arrival(4)], later());
        assert!(table.give(9).is_empty() && table.is_incomplete());
        let held: Vec<_> = table.begin_recovery().into_iter().collect();
        assert_eq!(held, [arrival(1).id]);
        table.take_in([2, 3, 4].map(arrival).into(), later());
        assert_eq!(numbers(&table.give(9)), [2, 3, 4]);
    }

    #[test]
    fn a_second_delivery_makes_the_first_token_worthless() {
        let mut table = Table::default();
        table.take_in(vec![arrival(1)], later());
        let (first, _) = table.give(1).remove(0);
        table.take_in(vec![arrival(1)], later());
        let (second, _) = table.give(1).remove(0);
        assert!(table.begin(first).is_none());
        assert!(table.begin(second).is_some());
        assert!(table.begin(second).is_none(), "it is settled once");
        table.forget(second.0);
        assert!(table.is_empty() && table.by_id.is_empty());
    }

    #[test]
    fn room_is_what_fits_by_number_and_by_size() {
        let mut table = Table {
            expected: ExpectedSize::new(20),
            ..Table::default()
        };
        assert_eq!(table.free(8, 100), 5, "each may be of the largest");
        table.expected.saw(1, 10);
        assert_eq!(table.free(8, 100), 8);
        table.take_in([1, 2].map(arrival).into(), later());
        assert_eq!((table.free(8, 100), table.free(8, 50)), (6, 3));
        table.reserved = 2;
        assert_eq!((table.free(8, 100), table.free(8, 50)), (4, 1));
        table.reserved = 0;
        assert_eq!(table.free(8, 21), 1, "the last may go beyond it");
        assert_eq!(table.free(8, 20), 0);
        // The same again, then settled.
        table.take_in([2].map(arrival).into(), later());
        assert_eq!(table.free(8, 21), 1);
        for (token, _) in table.give(9) {
            table.forget(token.0);
        }
        assert_eq!((table.bytes, table.free(8, 1)), (0, 1));
    }

    #[test]
    fn what_was_read_ahead_too_long_ago_is_not_given() {
        let mut table = Table::default();
        table.take_in(vec![arrival(1)], Instant::now());
        assert!(table.give(1).is_empty());
        assert!(table.is_empty());
    }

    #[test]
    fn a_message_past_its_lease_cannot_be_settled() {
        let mut table = Table::default();
        table.take_in(vec![arrival(1)], later());
        let (token, _) = table.give(1).remove(0);
        table.renewed(token, Instant::now());
        assert!(table.begin(token).is_none());
        assert!(table.is_empty());
    }
}
