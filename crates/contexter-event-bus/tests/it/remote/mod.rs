//! A bus over a broker: what handlers see, and what the broker is told.

mod attempts;
mod delivery;
mod ends;
mod leases;
mod letters;
mod redrive;

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{Bus, BusConfig, SubscriptionConfig};
use tokio::time::{Instant, sleep};

use crate::broker::{Broker, Fake};
use crate::support::LONG;

fn over(broker: &Arc<Broker>) -> Bus {
    Bus::over(Arc::new(Fake(Arc::clone(broker))), &BusConfig::default())
}

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default().with_group("g").with_attempts(
        3,
        Duration::from_secs(1),
        Duration::from_secs(1),
    )
}

/// Waits until a condition holds; time is paused, so it costs nothing.
async fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "it never came true");
        sleep(Duration::from_millis(10)).await;
    }
}
