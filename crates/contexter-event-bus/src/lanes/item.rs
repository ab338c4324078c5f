//! An accepted event, and what there is to say about it.

use std::sync::Arc;

use contexter_protocol::IntegrationEvent;
use contexter_service::Delays;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::receipt::Outcome;
use crate::remote::Leased;
use crate::transport::DeadLetterId;

/// An accepted event on its way to the handler.
///
/// It is two words, because it is moved around a lot; most have nothing to say but what they are.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) event: Arc<IntegrationEvent>,
    more: Option<Box<More>>,
}

/// What there is to say of an item besides its event.
#[derive(Debug)]
pub(crate) struct More {
    /// Which attempt comes next, counted from 1.
    pub(crate) attempt: u32,
    /// What failed before, if anything did.
    pub(crate) failed: Option<Failed>,
    /// Who is told of the outcome, if anybody is.
    pub(crate) owner: Owner,
    /// Whether the deduplication has it as in progress, on behalf of this item.
    pub(crate) begun: bool,
    /// What becomes of it when its worker does not come back to it.
    pub(crate) left: Left,
    /// Whether the event can expire.
    expires: bool,
}

/// What becomes of the item of a worker that is stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    /// Another one may begin with it.
    Ready,
    /// Its attempt has failed; the next one is due then.
    Due(Instant),
    /// Nothing: it is settled.
    Settled,
}

/// The failures of an item so far.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The rest of the delays between attempts.
    pub(crate) delays: Delays,
    /// When the first one was.
    pub(crate) first: Timestamp,
}

/// Where an item comes from, and who wants to know what becomes of it.
#[derive(Debug, Default)]
pub(crate) enum Owner {
    /// This process; nobody waits for it.
    #[default]
    Nobody,
    /// A publisher who waits.
    Publisher(oneshot::Sender<Outcome>),
    /// A dead letter that was given to the handler again.
    Redriven,
    /// A dead letter at the broker that was given to the handler again, where it stays until it is
    /// settled.
    Letter(DeadLetterId),
    /// A broker, to which it must be settled.
    Broker(Leased),
}

impl Default for More {
    fn default() -> Self {
        Self {
            attempt: 1,
            failed: None,
            owner: Owner::Nobody,
            begun: false,
            left: Left::Ready,
            expires: false,
        }
    }
}

impl More {
    fn boxed(owner: Owner, expires: bool) -> Box<Self> {
        Box::new(Self {
            owner,
            expires,
            ..Self::default()
        })
    }
}

impl Item {
    #[inline]
    pub(crate) fn new(event: Arc<IntegrationEvent>, owner: Owner) -> Self {
        let expires = event.expiry_time().is_some();
        let more = match owner {
            Owner::Nobody if !expires => None,
            owner => Some(More::boxed(owner, expires)),
        };
        Self { event, more }
    }

    /// Returns whether there is nothing to say of it: nobody waits for it, and it has not failed.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.more.is_none()
    }

    #[inline]
    pub(crate) fn attempt(&self) -> u32 {
        self.more.as_ref().map_or(1, |more| more.attempt)
    }

    /// Returns whether the event has expired. The clock of the wall is only read if it can.
    #[inline]
    pub(crate) fn is_expired(&self) -> bool {
        let expires = self.more.as_ref().is_some_and(|more| more.expires);
        expires && self.event.is_expired(Timestamp::now())
    }

    pub(crate) fn begun(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.begun)
    }

    pub(crate) fn left(&self) -> Left {
        self.more.as_ref().map_or(Left::Ready, |more| more.left)
    }

    pub(crate) fn first_failed(&self) -> Option<Timestamp> {
        Some(self.more.as_ref()?.failed.as_ref()?.first)
    }

    /// Returns what there is to say, to say more.
    pub(crate) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Returns what the broker wants settled, if it comes from one.
    pub(crate) fn leased(&self) -> Option<&Leased> {
        match &self.more.as_ref()?.owner {
            Owner::Broker(leased) => Some(leased),
            _ => None,
        }
    }

    /// Returns the dead letter at the broker that it is, if it is one.
    pub(crate) fn letter(&self) -> Option<&DeadLetterId> {
        match &self.more.as_ref()?.owner {
            Owner::Letter(id) => Some(id),
            _ => None,
        }
    }

    /// Returns whether it was a dead letter before.
    pub(crate) fn is_redriven(&self) -> bool {
        match self.more.as_ref().map(|more| &more.owner) {
            Some(Owner::Redriven | Owner::Letter(_)) => true,
            Some(Owner::Broker(leased)) => leased.redriven,
            _ => false,
        }
    }

    /// Tells a publisher who waits for the outcome.
    pub(crate) fn tell(&mut self, outcome: impl FnOnce() -> Outcome) {
        let Some(more) = &mut self.more else { return };
        if matches!(more.owner, Owner::Publisher(_))
            && let Owner::Publisher(waiter) = std::mem::take(&mut more.owner)
        {
            // Nobody is there any more after the deadline of the publisher.
            let _ = waiter.send(outcome());
        }
    }
}
