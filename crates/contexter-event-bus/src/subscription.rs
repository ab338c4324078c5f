//! The handle that keeps a subscription alive.

use std::sync::{Arc, Weak};

use crate::bus::Inner;
use crate::error::SubscribeError;
use crate::pattern::Pattern;
use crate::queue::Queue;
use crate::stats::SubscriptionStats;
use crate::transport::TransportHealth;

/// Keeps a subscription alive; dropping it ends the subscription at once.
///
/// Ending cancels running handlers at their next `.await`. What waits is abandoned, or, if the
/// subscription is a member of a group or comes from a broker, goes to the other members. To let
/// everything come to an end first, [drain](Self::drain) it, or the [bus](crate::Bus::drain).
#[derive(Debug)]
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    pub(crate) queue: Arc<Queue>,
    /// The numbers of its workers in the queue.
    pub(crate) workers: Vec<usize>,
    pub(crate) bus: Weak<Inner>,
}

impl Subscription {
    /// Returns the name in receipts, dead letters and logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.queue.name
    }

    /// Returns the group whose members share the events, if it is in one.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.queue.group.as_deref()
    }

    /// Returns which event types are handled.
    #[must_use]
    pub fn pattern(&self) -> &Pattern {
        &self.queue.pattern
    }

    /// Returns what the subscription has done so far; in process, members of a group count together.
    #[must_use]
    pub fn stats(&self) -> SubscriptionStats {
        self.queue.stats()
    }

    /// Waits until the broker knows the subscription, so that what is published from now on is
    /// delivered. In process that is so from the beginning.
    ///
    /// # Errors
    ///
    /// Returns an error if the broker refuses it for good; a broker that cannot be reached is waited
    /// for.
    pub async fn ready(&self) -> Result<(), SubscribeError> {
        match &self.queue.remote {
            Some(remote) => remote.ready().await,
            None => Ok(()),
        }
    }

    /// Returns how the connection to the broker is; none in process.
    #[must_use]
    pub fn health(&self) -> Option<TransportHealth> {
        self.queue.remote.as_ref().map(|remote| remote.health())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.queue.outlives_members() {
            self.queue.leave(&self.workers);
            return;
        }
        match self.bus.upgrade() {
            Some(bus) => bus.end(&self.queue),
            None => drop(self.queue.close()),
        }
    }
}
