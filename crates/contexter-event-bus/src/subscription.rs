//! The handle that keeps a subscription alive.

use std::sync::{Arc, Weak};

use crate::bus::Inner;
use crate::pattern::Pattern;
use crate::queue::Queue;
use crate::stats::SubscriptionStats;

/// Keeps a subscription alive; dropping it ends the subscription at once.
///
/// Ending cancels running handlers at their next `.await` and abandons what waits. To let
/// everything come to an end first, [drain](crate::Bus::drain) the bus.
#[derive(Debug)]
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    pub(crate) queue: Arc<Queue>,
    pub(crate) bus: Weak<Inner>,
}

impl Subscription {
    /// Returns the name in receipts, dead letters and logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.queue.name
    }

    /// Returns which event types are handled.
    #[must_use]
    pub fn pattern(&self) -> &Pattern {
        &self.queue.pattern
    }

    /// Returns what the subscription has done so far.
    #[must_use]
    pub fn stats(&self) -> SubscriptionStats {
        self.queue.stats()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(bus) = self.bus.upgrade() {
            bus.remove(self.queue.id);
        }
        self.queue.close();
    }
}
