//! What the broker stores, and who holds what.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use contexter_event_bus::transport::{
    Confirmation, DeadLetter, DeliveryToken, Disposition, Incoming, Settled, Start,
    SubscriptionSpec, Undecodable,
};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Flaw;

#[derive(Debug)]
pub(crate) struct Broker {
    pub(super) flaw: Flaw,
    max_events: Option<u64>,
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
    pub(super) down: watch::Sender<bool>,
    /// How often all connections were lost.
    pub(super) losses: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) log: BTreeMap<u64, Stored>,
    last: u64,
    known: HashMap<(String, String), u64>,
    groups: HashMap<String, Group>,
    tokens: u64,
    pub(super) letters: BTreeMap<u64, DeadLetter>,
    pub(super) last_letter: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Stored {
    kind: String,
    pub(super) message: Result<Arc<IntegrationEvent>, Undecodable>,
    pub(super) redrive_group: Option<Arc<str>>,
}

impl Stored {
    /// That of the data alone.
    fn size(&self) -> usize {
        let Ok(event) = &self.message else {
            return 0;
        };
        match event.data_bytes() {
            Some(bytes) => bytes.len(),
            None => event.data().to_string().len(),
        }
    }
}

/// How much a consumer may still be given: so many messages, and more as long as it has bytes left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

impl Room {
    pub(super) fn is_some(self) -> bool {
        self.events > 0 && self.bytes > 0
    }
}

#[derive(Debug, Default)]
struct Group {
    /// What was never delivered begins here.
    next: u64,
    /// What was given back, by when it is due.
    back: BTreeSet<(Instant, u64)>,
    pending: HashMap<u64, Pending>,
    counts: HashMap<u64, u32>,
    settled: HashSet<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    at: u64,
    until: Instant,
}

impl State {
    /// The place of the oldest message, or of the next if there is none.
    pub(super) fn first(&self) -> u64 {
        let first = self.log.first_key_value();
        first.map_or(self.last + 1, |(place, _)| *place)
    }
}

impl Broker {
    pub(super) fn new(flaw: Flaw, max_events: Option<u64>) -> Self {
        Self {
            flaw,
            max_events,
            state: Mutex::default(),
            changed: Notify::new(),
            down: watch::Sender::new(false),
            losses: watch::Sender::new(0),
        }
    }

    pub(super) fn set_down(&self, down: bool) {
        self.down.send_replace(down);
        self.changed.notify_waiters();
    }

    pub(super) fn lose_connections(&self) {
        if self.flaw == Flaw::ForgetsOnRestart {
            self.state.lock().log.clear();
        }
        self.losses.send_modify(|losses| *losses += 1);
    }

    pub(super) fn trim(&self) {
        self.state.lock().log.clear();
    }

    /// Stores a message and says where.
    pub(super) fn store(
        &self,
        kind: &str,
        message: Result<Arc<IntegrationEvent>, Undecodable>,
        redrive_group: Option<Arc<str>>,
    ) -> Confirmation {
        let mut state = self.state.lock();
        if let (Ok(event), None) = (&message, &redrive_group) {
            let key = (event.source().to_owned(), event.id().to_owned());
            let next = state.last + 1;
            let place = *state.known.entry(key).or_insert(next);
            if place != next && self.flaw != Flaw::StoresDuplicates {
                let confirmation = Confirmation::new(place.to_string()).with_sequence(place);
                return confirmation.with_duplicate(true);
            }
        }
        state.last += 1;
        let place = state.last;
        let confirmation = Confirmation::new(place.to_string()).with_sequence(place);
        if self.flaw == Flaw::ConfirmsWithoutStoring && place.is_multiple_of(50) {
            return confirmation;
        }
        let kind = kind.to_owned();
        state.log.insert(
            place,
            Stored {
                kind,
                message,
                redrive_group,
            },
        );
        while self
            .max_events
            .is_some_and(|most| state.log.len() as u64 > most)
        {
            state.log.pop_first();
        }
        drop(state);
        self.changed.notify_waiters();
        confirmation
    }

    fn group_name(&self, spec: &SubscriptionSpec, alone: u64) -> String {
        match &spec.group {
            Some(_) if self.flaw == Flaw::GroupsShare => "one".to_owned(),
            Some(group) if self.flaw == Flaw::GivesToEveryMember => {
                format!("{group} {} {alone}", spec.pattern)
            }
            Some(group) if self.flaw == Flaw::PatternsShare => group.to_string(),
            Some(group) => format!("{group} {}", spec.pattern),
            None => format!("alone {alone}"),
        }
    }

    pub(super) fn join(&self, spec: &SubscriptionSpec) -> String {
        let mut state = self.state.lock();
        state.tokens += 1;
        let name = self.group_name(spec, state.tokens);
        let earliest = spec.start != Start::New && self.flaw != Flaw::BeginsWithTheNewest;
        let next = if earliest { 1 } else { state.last + 1 };
        let group = Group {
            next,
            ..Group::default()
        };
        state.groups.entry(name.clone()).or_insert(group);
        name
    }

    fn wants(&self, spec: &SubscriptionSpec, stored: &Stored) -> bool {
        if self.flaw == Flaw::IgnoresPatterns {
            return true;
        }
        let also = self.flaw == Flaw::RestMatchesNothing
            && spec.pattern.as_str().strip_suffix(".>") == Some(&*stored.kind);
        also || spec.pattern.matches(&stored.kind)
    }

    /// Returns what can be delivered now, or when to look again.
    pub(super) fn fetch(
        &self,
        name: &str,
        spec: &SubscriptionSpec,
        room: Room,
    ) -> Result<Vec<Incoming>, Option<Instant>> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let State {
            log,
            groups,
            tokens,
            last,
            ..
        } = &mut *state;
        let Some(group) = groups.get_mut(name) else {
            return Err(None);
        };
        if self.flaw != Flaw::NeverRedelivers {
            let late = group
                .pending
                .iter()
                .filter(|(_, pending)| pending.until <= now);
            let late: Vec<_> = late.map(|(token, pending)| (*token, pending.at)).collect();
            for (token, at) in late {
                group.pending.remove(&token);
                group.back.insert((now, at));
            }
        }
        let mut places: Vec<u64> = Vec::new();
        let mut bytes = 0;
        let mut take = |places: &mut Vec<u64>, at| {
            bytes += log.get(&at).map_or(0, Stored::size);
            places.push(at);
            Room {
                events: room.events.saturating_sub(places.len()),
                bytes: room.bytes.saturating_sub(bytes),
            }
        };
        let mut left = room;
        while left.is_some()
            && let Some((due, at)) = group.back.first().copied()
            && due <= now
        {
            group.back.pop_first();
            left = take(&mut places, at);
        }
        while left.is_some() && group.next <= *last {
            let at = group.next;
            group.next += 1;
            if log.get(&at).is_some_and(|stored| self.wants(spec, stored)) {
                left = take(&mut places, at);
            }
        }
        if self.flaw == Flaw::Reorders {
            places.reverse();
        }
        let mut given = Vec::new();
        for at in places {
            let Some(stored) = log.get(&at).filter(|_| !group.settled.contains(&at)) else {
                continue;
            };
            if self.flaw == Flaw::SkipsUnreadable && stored.message.is_err() {
                continue;
            }
            *tokens += 1;
            let until = now + spec.lease;
            group.pending.insert(*tokens, Pending { at, until });
            let count = group.counts.entry(at).or_default();
            *count += 1;
            let count = if self.flaw == Flaw::DoesNotCount {
                1
            } else {
                *count
            };
            let message = stored
                .message
                .clone()
                .map(|event| self.altered(event, stored));
            let group = stored.redrive_group.clone();
            let incoming = Incoming::new(message, DeliveryToken(*tokens), at.to_string());
            given.push(
                incoming
                    .with_size(stored.size())
                    .with_delivery_count(count)
                    .with_redrive_group(group),
            );
        }
        if given.is_empty() {
            let due = group.back.first().map(|(due, _)| *due);
            let late = group.pending.values().map(|pending| pending.until);
            let late = late.filter(|_| self.flaw != Flaw::NeverRedelivers);
            return Err(due.into_iter().chain(late).min());
        }
        Ok(given)
    }

    fn altered(&self, event: Arc<IntegrationEvent>, stored: &Stored) -> Arc<IntegrationEvent> {
        let copy = |event: &IntegrationEvent| {
            IntegrationEvent::builder(event.source(), event.event_type())
                .id(event.id())
                .data(event.data().clone())
                .correlation_id(event.correlation_id().unwrap_or("none"))
        };
        match self.flaw {
            Flaw::ForgetsHeaders => Arc::new(copy(&event).build().unwrap()),
            Flaw::ForgetsTheTrace if event.trace_parent().is_some() => {
                Arc::new(copy(&event).build().unwrap())
            }
            Flaw::LeaksHeaders if stored.redrive_group.is_some() => {
                Arc::new(copy(&event).extension("redrivegroup", "g").build().unwrap())
            }
            _ => event,
        }
    }

    pub(super) fn settle(
        &self,
        name: &str,
        spec: &SubscriptionSpec,
        (token, disposition): (DeliveryToken, Disposition),
    ) -> Settled {
        let now = Instant::now();
        let mut state = self.state.lock();
        let Some(group) = state.groups.get_mut(name) else {
            return Settled::Refused;
        };
        let Some(pending) = group.pending.get(&token.0).copied() else {
            let lax = matches!(self.flaw, Flaw::SettlesTwice | Flaw::TakesLateAcks);
            return if lax { Settled::Done } else { Settled::Refused };
        };
        if pending.until <= now && self.flaw != Flaw::TakesLateAcks {
            return Settled::Refused;
        }
        match disposition {
            Disposition::Ack if self.flaw == Flaw::DropsAcks => {}
            Disposition::Ack => {
                group.pending.remove(&token.0);
                group.settled.insert(pending.at);
            }
            Disposition::Nack { after } => {
                group.pending.remove(&token.0);
                match self.flaw {
                    Flaw::LosesNacks => {}
                    Flaw::NacksAtOnce => drop(group.back.insert((now, pending.at))),
                    Flaw::NacksAtTheEndOfTheLease => {
                        group.back.insert((pending.until, pending.at));
                    }
                    _ => drop(group.back.insert((now + after, pending.at))),
                }
            }
            _ if self.flaw == Flaw::IgnoresProgress => {}
            _ => {
                let until = now + spec.lease;
                group.pending.insert(token.0, Pending { until, ..pending });
            }
        }
        Settled::Done
    }
}
