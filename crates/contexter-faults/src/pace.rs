//! How far both publishers are, so that neither runs away from the other and every fault hits both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

/// How many events one side may be ahead of the other.
const AHEAD: u64 = 1_000;
const LOOK: Duration = Duration::from_millis(5);

/// One of the two publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Bus,
    Control,
}

/// How many events each side has confirmed.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    bus: AtomicU64,
    control: AtomicU64,
}

impl Pace {
    fn of(&self, side: Side) -> &AtomicU64 {
        match side {
            Side::Bus => &self.bus,
            Side::Control => &self.control,
        }
    }

    pub(crate) fn confirmed(&self, side: Side) -> u64 {
        self.of(side).load(Ordering::Acquire)
    }

    pub(crate) fn confirm(&self, side: Side, events: usize) {
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        self.of(side).fetch_add(events, Ordering::AcqRel);
    }

    /// Waits for the other side.
    pub(crate) async fn wait(&self, side: Side) {
        let other = match side {
            Side::Bus => Side::Control,
            Side::Control => Side::Bus,
        };
        while self.confirmed(side) > self.confirmed(other) + AHEAD {
            sleep(LOOK).await;
        }
    }

    /// Waits until both sides have so many.
    pub(crate) async fn reached(&self, events: u64) {
        while self.confirmed(Side::Bus) < events || self.confirmed(Side::Control) < events {
            sleep(LOOK).await;
        }
    }
}
