//! What one consumer holds, and until when by its own clock.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use async_nats::Subject;
use contexter_event_bus::transport::{DeliveryToken, ExpectedSize, Undecodable};
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::most::Most;
use crate::message::{Decoded, Delivered};

/// A message that belongs to this consumer and was not asked for yet.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) delivered: Delivered,
    /// How many streams were there before its own.
    pub(super) others: u32,
    /// How many bytes it has.
    pub(super) size: usize,
    pub(super) content: Content,
}

/// What a message says.
#[derive(Debug)]
pub(super) enum Content {
    Message(Decoded),
    /// What the client library cannot take, fetched in another way.
    Unreadable(Undecodable),
}

/// What a consumer holds unsettled, what it has read ahead included.
#[derive(Debug, Default)]
pub(super) struct Table {
    last_token: u64,
    /// By token. The numbers are counted, by this table and by the server, so a hash of them need
    /// not be safe from those who choose what is hashed.
    held: FxHashMap<u64, Held>,
    by_sequence: FxHashMap<u64, u64>,
    /// What came and is not acknowledged, of a consumer that has it alone: nobody else knows, when the
    /// server has forgotten the consumer.
    unsettled: Option<BTreeSet<u64>>,
    ready: VecDeque<(u64, Arrival)>,
    /// What was given back to come again later, by when it does.
    put_off: BTreeSet<(Instant, u64)>,
    /// How many that were lost have not come again: nothing is given out until they have.
    missing: usize,
    /// How many more the open pulls may bring.
    pub(super) outstanding: usize,
    /// How many bytes those have that are held.
    bytes: usize,
    /// How many each has that comes, as far as can be told before.
    pub(super) expected: ExpectedSize,
    /// How many of those that are held have their settlement on its way to the server, which gets it
    /// before whatever is asked for after that.
    pub(super) sent_away: usize,
    /// The last message of the stream that was seen, or after which the consumer began.
    pub(super) position: u64,
    /// That is known, also where it is the beginning of the stream.
    known: bool,
    /// The number of the last delivery that arrived, among all of the consumer at the server.
    pub(super) last_delivery: u64,
    /// How far what was delivered has been searched for unreadable messages.
    pub(super) looked_up_to: u64,
    /// The unreadable messages that were settled: the server does not say that they were.
    settled_unreadable: BTreeSet<u64>,
}

/// How many unreadable messages are remembered; of an older one there may be a second dead letter.
const REMEMBERED: usize = 10_000;

#[derive(Clone, Debug)]
struct Held {
    sequence: u64,
    /// Where its acknowledgement goes.
    reply: Subject,
    until: Instant,
    state: State,
    size: usize,
    unreadable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Given,
    /// Its settlement is on its way.
    Settling,
}

impl Table {
    /// The table of a consumer that has its messages alone.
    pub(super) fn solo() -> Self {
        Self {
            unsettled: Some(BTreeSet::new()),
            ..Self::default()
        }
    }

    /// Begins after a message of the stream, unless it is known where this consumer is.
    pub(super) fn begins_after(&mut self, sequence: u64) {
        if !std::mem::replace(&mut self.known, true) {
            self.position = self.position.max(sequence);
        }
    }

    /// Notes that the server counts everything up to this message as settled: an answer to that may
    /// have been lost.
    pub(super) fn settled_up_to(&mut self, sequence: u64) {
        if let Some(unsettled) = &mut self.unsettled {
            *unsettled = unsettled.split_off(&sequence.saturating_add(1));
        }
    }

    /// Returns how many messages are held or may come, by the time at which the server gets what is
    /// sent now.
    pub(super) fn used(&self) -> usize {
        (self.held.len() + self.outstanding).saturating_sub(self.sent_away)
    }

    /// Returns how many more messages may be asked for.
    pub(super) fn free(&self, most: &Most) -> usize {
        let fit = self.expected.fit(most.bytes.saturating_sub(self.bytes));
        let fit = fit.min(most.at_once).saturating_sub(self.outstanding);
        most.held.saturating_sub(self.used()).min(fit)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Returns how many messages the server surely counts as unsettled and are not lost: those that
    /// are to come again later, and what is held; but not what has a lease that is over, and not what
    /// has a settlement that the server may have got.
    pub(super) fn not_lost(&mut self) -> usize {
        let now = Instant::now();
        self.forget_due(now);
        let surely = |held: &&Held| held.state != State::Settling && held.until > now;
        // What is of a stream that is gone is in no order any more.
        let held = self.by_sequence.values();
        let held = held.filter_map(|token| self.held.get(token));
        held.filter(surely).count() + self.put_off.len()
    }

    /// A message is given back, and comes again after that.
    pub(super) fn put_off(&mut self, token: DeliveryToken, until: Instant) {
        self.forget_due(Instant::now());
        if let Some(held) = self.held.get(&token.0) {
            self.put_off.insert((until, held.sequence));
        }
    }

    fn forget_due(&mut self, now: Instant) {
        while self.put_off.first().is_some_and(|(due, _)| *due <= now) {
            self.put_off.pop_first();
        }
    }

    /// Returns whether a message is held.
    pub(super) fn holds(&self, sequence: u64) -> bool {
        self.by_sequence.contains_key(&sequence)
    }

    /// Returns whether an unreadable message was settled.
    pub(super) fn was_unreadable(&self, sequence: u64) -> bool {
        self.settled_unreadable.contains(&sequence)
    }

    /// Remembers that an unreadable message was settled for good.
    pub(super) fn settled_unreadable(&mut self, sequence: u64) {
        self.settled_unreadable.insert(sequence);
        if self.settled_unreadable.len() > REMEMBERED {
            self.settled_unreadable.pop_first();
        }
    }

    /// Returns how many more of what was lost may be asked for: that may be more than is held
    /// otherwise, and twice its bytes.
    pub(super) fn free_for_missing(&self, most: &Most) -> usize {
        let bytes = most.bytes.saturating_mul(2).saturating_sub(self.bytes);
        let fit = self.expected.fit(bytes).min(most.at_once);
        fit.saturating_sub(self.outstanding)
    }

    /// Notes that a message was delivered which is not held.
    pub(super) fn passed_over(&mut self, delivered: Delivered) {
        self.saw(delivered);
        self.came(delivered);
    }

    fn saw(&mut self, delivered: Delivered) {
        self.position = self.position.max(delivered.sequence);
        // Not the largest: a server that has lost its state counts from the beginning.
        self.last_delivery = delivered.delivery;
    }

    /// Holds a message. An older token for the same one is worth nothing from now on.
    pub(super) fn take_in(&mut self, reply: Subject, arrival: Arrival, until: Instant) {
        self.last_token += 1;
        let token = self.last_token;
        let sequence = arrival.delivered.sequence;
        let delivered = arrival.delivered;
        self.saw(delivered);
        if let Some(unsettled) = &mut self.unsettled {
            unsettled.insert(sequence);
        }
        let old = self.by_sequence.insert(sequence, token);
        if let Some(old) = old {
            self.let_go(old);
        }
        let (state, size) = (State::Ready, arrival.size);
        self.bytes += size;
        self.expected.saw(1, size);
        let unreadable = matches!(arrival.content, Content::Unreadable(_));
        self.held.insert(
            token,
            Held {
                sequence,
                reply,
                until,
                state,
                size,
                unreadable,
            },
        );
        self.ready.push_back((token, arrival));
        if old.is_none() {
            self.came(delivered);
        }
    }

    /// What was lost is delivered for a second time, at least.
    fn came(&mut self, delivered: Delivered) {
        if delivered.count > 1 && self.missing > 0 {
            self.miss(self.missing - 1);
        }
    }

    /// Gives nothing out until so many have come again, and then in the order of the stream.
    pub(super) fn miss(&mut self, many: usize) {
        if std::mem::replace(&mut self.missing, many) > 0 && many == 0 {
            let sequence = |(_, arrival): &(u64, Arrival)| arrival.delivered.sequence;
            self.ready.make_contiguous().sort_by_key(sequence);
        }
    }

    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    /// Gives out what was read ahead. What belongs to this consumer no longer is left out: the group
    /// gets it again.
    pub(super) fn give(&mut self, max: usize) -> Vec<(DeliveryToken, Arrival)> {
        if self.missing > 0 {
            return Vec::new();
        }
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
                continue;
            }
            held.state = State::Given;
            given.push((DeliveryToken(token), arrival));
        }
        given
    }

    /// Begins to settle a message that was given; none if it does not belong to this consumer.
    pub(super) fn begin(
        &mut self,
        token: DeliveryToken,
        now: Instant,
    ) -> Option<(Subject, Instant)> {
        let held = self.held.get_mut(&token.0)?;
        if held.state != State::Given {
            return None;
        }
        if held.until <= now {
            self.forget(token.0);
            return None;
        }
        held.state = State::Settling;
        Some((held.reply.clone(), held.until))
    }

    /// Goes on holding a message, perhaps for longer.
    pub(super) fn renewed(&mut self, token: DeliveryToken, until: Option<Instant>) {
        if let Some(held) = self.held.get_mut(&token.0) {
            held.until = until.unwrap_or(held.until);
            held.state = State::Given;
        }
    }

    /// A message is acknowledged, and held no longer.
    pub(super) fn acknowledged(&mut self, token: DeliveryToken) {
        let held = self.held.get(&token.0);
        if let Some((sequence, unreadable)) = held.map(|held| (held.sequence, held.unreadable)) {
            let of_this_stream = self.by_sequence.get(&sequence) == Some(&token.0);
            if of_this_stream && let Some(unsettled) = &mut self.unsettled {
                unsettled.remove(&sequence);
            }
            if of_this_stream && unreadable {
                self.settled_unreadable(sequence);
            }
        }
        self.forget(token.0);
    }

    fn let_go(&mut self, token: u64) -> Option<Held> {
        let held = self.held.remove(&token)?;
        self.bytes -= held.size;
        Some(held)
    }

    /// Holds a message no longer.
    pub(super) fn forget(&mut self, token: u64) {
        if let Some(held) = self.let_go(token)
            && self.by_sequence.get(&held.sequence) == Some(&token)
        {
            self.by_sequence.remove(&held.sequence);
        }
    }

    /// Returns the messages that nobody asked for yet and whose lease ends before a time.
    pub(super) fn waiting(&self, before: Instant) -> Vec<(u64, Subject)> {
        let aging = |held: &Held| {
            held.state == State::Ready && held.until <= before && held.until > Instant::now()
        };
        self.held
            .iter()
            .filter(|(_, held)| aging(held))
            .map(|(token, held)| (*token, held.reply.clone()))
            .collect()
    }

    /// Begins the lease of a message anew that nobody asked for yet.
    pub(super) fn still_waiting(&mut self, token: u64, until: Instant) {
        if let Some(held) = self.held.get_mut(&token)
            && held.state == State::Ready
        {
            held.until = until;
        }
    }

    /// Lets go of what nobody asked for, and returns where it is given back.
    pub(super) fn clear_ready(&mut self) -> Vec<Subject> {
        let mut replies = Vec::with_capacity(self.ready.len());
        for (token, _) in std::mem::take(&mut self.ready) {
            if let Some(held) = self.held.get(&token) {
                replies.push(held.reply.clone());
            }
            self.forget(token);
        }
        replies
    }

    /// Returns where a consumer begins that is made again: with the oldest message that is held or, as
    /// far as that is known, unsettled; or after the last that was seen, or where it began. None if it
    /// never began.
    pub(super) fn resume_at(&self) -> Option<u64> {
        let unsettled = self.unsettled.as_ref().and_then(|all| all.first().copied());
        let oldest = unsettled.or_else(|| self.by_sequence.keys().min().copied());
        let known = self.position > 0 || self.known;
        oldest.or_else(|| known.then_some(self.position + 1))
    }

    /// The stream has taken the place of another one, and its numbers mean something else. What is held
    /// stays so.
    pub(super) fn begins_anew(&mut self) {
        self.known = true;
        self.position = 0;
        self.last_delivery = 0;
        self.looked_up_to = 0;
        self.by_sequence.clear();
        self.put_off.clear();
        self.settled_unreadable.clear();
        if let Some(unsettled) = &mut self.unsettled {
            unsettled.clear();
        }
    }
}

/// How much earlier than at the server a lease ends here, so that what is sent in time arrives in
/// time.
pub(super) fn own_lease(lease: Duration) -> Duration {
    lease.saturating_sub(lease / 20)
}
