//! What became of a published event.

use std::sync::Arc;

use contexter_protocol::IntegrationEvent;

use crate::transport::Confirmation;

/// How the queue of one subscription took an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acceptance {
    /// It waits for the handler.
    Accepted,
    /// It waits for the handler; the oldest waiting event was dropped for it.
    AcceptedDroppingOldest,
    /// The queue was full, so it was dropped.
    Dropped,
    /// The queue was full, so it was refused; publishing it again later may succeed.
    Rejected,
    /// The subscription ended meanwhile.
    Closed,
}

impl Acceptance {
    /// Returns whether the event waits for the handler.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::AcceptedDroppingOldest)
    }
}

/// What became of a published event; no handler is through with it yet.
///
/// In process it says how each matching subscription took the event, on a broker where the broker
/// has stored it.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub(crate) event: Arc<IntegrationEvent>,
    pub(crate) taken: Taken,
}

/// The names of those who were asked, and how each took the event.
type Each = (Arc<[Arc<str>]>, Vec<Acceptance>);

/// Who took an event. Nothing is allocated for it as long as everybody accepts; the rest is boxed,
/// so that a receipt is small.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    Everywhere(Arc<[Arc<str>]>),
    Each(Box<Each>),
    Broker(Box<Confirmation>),
}

impl Receipt {
    /// Returns the event that was published.
    #[must_use]
    pub fn event(&self) -> &Arc<IntegrationEvent> {
        &self.event
    }

    /// Returns how each matching subscription took the event, by name; nothing on a broker, which
    /// does not say.
    #[must_use]
    pub fn deliveries(&self) -> impl ExactSizeIterator<Item = (&str, Acceptance)> {
        let (names, each): (&[Arc<str>], &[Acceptance]) = match &self.taken {
            Taken::Everywhere(names) => (names, &[]),
            Taken::Each(each) => (&each.0, &each.1),
            Taken::Broker(_) => (&[], &[]),
        };
        names.iter().enumerate().map(|(at, name)| {
            let how = each.get(at).copied().unwrap_or(Acceptance::Accepted);
            (&**name, how)
        })
    }

    /// Returns how many subscriptions accepted the event; on a broker 1, the broker itself.
    #[must_use]
    pub fn accepted(&self) -> usize {
        match &self.taken {
            Taken::Broker(_) => 1,
            _ => self
                .deliveries()
                .filter(|(_, how)| how.is_accepted())
                .count(),
        }
    }

    /// Returns whether no subscription matches the type of the event. On a broker that is not
    /// known, and `false`.
    #[must_use]
    pub fn has_no_subscriber(&self) -> bool {
        self.confirmation().is_none() && self.deliveries().len() == 0
    }

    /// Returns the broker's word that it has stored the event; none in process.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Confirmation> {
        match &self.taken {
            Taken::Broker(confirmation) => Some(confirmation),
            _ => None,
        }
    }

    /// Returns whether nobody who wants the event has refused or dropped it, so that publishing it
    /// again would be of no use.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let lost = |how| matches!(how, Acceptance::Dropped | Acceptance::Rejected);
        !self.deliveries().any(|(_, how)| lost(how))
    }
}

/// How it ended with one subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The handler succeeded.
    Handled {
        /// At which attempt.
        attempts: u32,
    },
    /// The handler failed for good; the event is a dead letter.
    DeadLettered {
        /// After how many attempts.
        attempts: u32,
        /// The last error with its causes, in one line.
        error: String,
    },
    /// The queue was full, and its policy drops events.
    Dropped,
    /// The queue was full, and its policy refuses events; or there was no room before the deadline.
    Rejected,
    /// The event expired before it was handled.
    Expired,
    /// The event was recognised as handled before.
    Duplicate,
    /// The subscription ended before the event was handled.
    Abandoned,
    /// The deadline came first; the event is still being handled.
    Pending,
}

/// How a published event ended with each subscription.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub(crate) event: Arc<IntegrationEvent>,
    pub(crate) outcomes: Vec<(Arc<str>, Outcome)>,
}

impl Settlement {
    /// Returns the event that was published.
    #[must_use]
    pub fn event(&self) -> &Arc<IntegrationEvent> {
        &self.event
    }

    /// Returns how it ended with each matching subscription, by name.
    #[must_use]
    pub fn outcomes(&self) -> impl ExactSizeIterator<Item = (&str, &Outcome)> {
        self.outcomes.iter().map(|(name, how)| (&**name, how))
    }

    /// Returns whether every matching subscription has handled the event; true if none matches.
    #[must_use]
    pub fn is_handled(&self) -> bool {
        let handled = |(_, how): &(Arc<str>, Outcome)| {
            matches!(how, Outcome::Handled { .. } | Outcome::Duplicate)
        };
        self.outcomes.iter().all(handled)
    }
}

/// What a drain leaves behind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DrainReport {
    /// How many deliveries came to an end while draining: handled, dead-lettered or expired.
    pub settled: u64,
    /// The deliveries that did not come to an end before the deadline, those included that wait for
    /// an attempt that is due later. On a broker they have gone back to their group.
    pub abandoned: Vec<Abandoned>,
}

/// An event that a subscription accepted and did not handle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Abandoned {
    /// The name of the subscription.
    pub subscription: Arc<str>,
    /// The event.
    pub event: Arc<IntegrationEvent>,
}
