//! How a bus and its connections are.

use std::sync::Arc;

use serde::Serialize;

use crate::transport::TransportHealth;

/// How a bus and its connections are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BusHealth {
    /// Whether it takes events and subscriptions: not draining, not drained.
    pub open: bool,
    /// The connection for publishing; always up in process.
    pub transport: TransportHealth,
    /// Each subscription.
    pub subscriptions: Vec<SubscriptionHealth>,
}

impl BusHealth {
    /// Returns whether the bus takes events, every connection works and every queue has a worker.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let works = |subscription: &SubscriptionHealth| {
            let connection = subscription.connection.as_ref();
            subscription.workers > 0 && connection.is_none_or(TransportHealth::is_up)
        };
        self.open && self.transport.is_up() && self.subscriptions.iter().all(works)
    }
}

/// How one subscription is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubscriptionHealth {
    /// Its name.
    pub name: Arc<str>,
    /// Its connection to the broker; none in process.
    pub connection: Option<TransportHealth>,
    /// How many events wait or are being handled.
    pub pending: usize,
    /// How many events can be handled at once; 0 for a group that all members have left.
    pub workers: usize,
}
