//! Which stored events are asked for, and what comes back.

use std::sync::Arc;

use contexter_protocol::IntegrationEvent;
use jiff::Timestamp;

use crate::pattern::{InvalidPattern, Pattern};

/// Which stored events are wanted; all of them by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    pattern: Option<Pattern>,
    correlation_id: Option<String>,
    since: Option<Timestamp>,
    after: Option<String>,
    limit: usize,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self {
            pattern: None,
            correlation_id: None,
            since: None,
            after: None,
            limit: usize::MAX,
        }
    }
}

impl EventFilter {
    /// Wants every stored event.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Wants only events whose type matches a pattern.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidPattern`] if `pattern` is none.
    pub fn event_type(mut self, pattern: &str) -> Result<Self, InvalidPattern> {
        self.pattern = Some(pattern.parse()?);
        Ok(self)
    }

    /// Wants only events of one flow.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// Wants only events that happened at `time` or later.
    #[must_use]
    pub fn since(mut self, time: Timestamp) -> Self {
        self.since = Some(time);
        self
    }

    /// Wants only events that were stored after the one at this place: the
    /// [`id`](crate::transport::Confirmation::id) of a confirmation, or [`History::last`].
    #[must_use]
    pub fn after(mut self, place: impl Into<String>) -> Self {
        self.after = Some(place.into());
        self
    }

    /// Wants at most so many events, the oldest of those that are wanted.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Returns whether the event is of the wanted type, flow and time. Place and number are left to
    /// whoever reads the store: see [`wanted_after`](Self::wanted_after) and
    /// [`wanted_limit`](Self::wanted_limit).
    #[must_use]
    pub fn wants(&self, event: &IntegrationEvent) -> bool {
        let of_type = |pattern: &Pattern| pattern.matches(event.event_type());
        let of_flow = |id: &String| event.correlation_id() == Some(id);
        let late_enough = |since: Timestamp| event.time().is_some_and(|time| time >= since);
        self.pattern.as_ref().is_none_or(of_type)
            && self.correlation_id.as_ref().is_none_or(of_flow)
            && self.since.is_none_or(late_enough)
    }

    /// Returns the pattern of the wanted types, if only some are wanted.
    #[must_use]
    pub fn wanted_pattern(&self) -> Option<&Pattern> {
        self.pattern.as_ref()
    }

    /// Returns the time before which nothing is wanted.
    #[must_use]
    pub fn wanted_since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Returns the place up to which nothing is wanted.
    #[must_use]
    pub fn wanted_after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Returns how many events are wanted at most.
    #[must_use]
    pub fn wanted_limit(&self) -> usize {
        self.limit
    }
}

/// Stored events in the order of storing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct History {
    /// The stored events that were wanted.
    pub events: Vec<Arc<IntegrationEvent>>,
    /// What is missing between the place or time that was asked for and the oldest stored event.
    pub gap: Option<Gap>,
    /// The place of the last event that was looked at; a reader goes on
    /// [after](EventFilter::after) it. None if nothing was.
    pub last: Option<String>,
    /// How many events, wanted or not, the bounds of the store have pushed out since the start, as
    /// far as that is known.
    pub evicted: u64,
    /// How many stored messages could not be decoded.
    pub undecodable: u64,
}

impl History {
    /// A history of these events, without a gap.
    #[must_use]
    pub fn new(events: Vec<Arc<IntegrationEvent>>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }

    /// Says what is missing before the first event.
    #[must_use]
    pub fn with_gap(mut self, gap: Option<Gap>) -> Self {
        self.gap = gap;
        self
    }

    /// Says which place was looked at last.
    #[must_use]
    pub fn with_last(mut self, place: Option<String>) -> Self {
        self.last = place;
        self
    }

    /// Says how many events are gone, and how many could not be decoded.
    #[must_use]
    pub fn with_counts(mut self, evicted: u64, undecodable: u64) -> Self {
        self.evicted = evicted;
        self.undecodable = undecodable;
        self
    }
}

/// Events that were asked for and are no longer stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// How many are missing, if the store counts.
    pub missing: Option<u64>,
    /// The place of the oldest event that is still stored; none if nothing is.
    pub oldest: Option<String>,
}

impl Gap {
    /// Says how many are missing, and what the oldest stored place is.
    #[must_use]
    pub fn new(missing: Option<u64>, oldest: Option<String>) -> Self {
        Self { missing, oldest }
    }
}
