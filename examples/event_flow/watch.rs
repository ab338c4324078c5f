//! Shows every event of the flow, and how it was settled.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Result;
use contexter_event_bus::{
    Bus, Delivery, DrainReport, HandlerError, Subscription, SubscriptionConfig,
};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Prints a line; a reader that has gone away is an error like any other.
macro_rules! say {
    ($($arg:tt)*) => { writeln!(std::io::stdout(), $($arg)*) };
}

/// How often each type was seen.
pub(crate) type Seen = Arc<Mutex<HashMap<String, u64>>>;

/// Subscribes to everything, and prints it.
pub(crate) async fn everything(bus: &Bus) -> Result<(Subscription, Seen)> {
    let seen = Seen::default();
    let counted = Arc::clone(&seen);
    let begun = Instant::now();
    let config = SubscriptionConfig::default().with_name("watch");
    let subscription = bus.subscribe(">", config, move |delivery: Delivery| {
        let counted = Arc::clone(&counted);
        async move {
            let event = delivery.event();
            let line = say!(
                "{:>8.3} s  {:<24}{:<28}attempt {}  correlation {}  caused by {}",
                begun.elapsed().as_secs_f64(),
                event.event_type(),
                event.subject().unwrap_or("-"),
                delivery.attempt(),
                event.correlation_id().unwrap_or("-"),
                event.causation_id().unwrap_or("-"),
            );
            let mut counted = counted.lock();
            *counted.entry(event.event_type().to_owned()).or_default() += 1;
            // Nobody reads it any more, and trying again would not help.
            line.map_err(HandlerError::permanent)
        }
    })?;
    subscription.ready().await?;
    Ok((subscription, seen))
}

/// Says what the transport can do.
pub(crate) fn capabilities(bus: &Bus, transport: &str) -> Result<()> {
    say!("transport: {transport}")?;
    for line in bus.capabilities().to_string().lines() {
        say!("  {line}")?;
    }
    Ok(())
}

/// Says how all deliveries were settled.
pub(crate) fn drained(bus: &Bus, report: &DrainReport) -> Result<()> {
    let stats = bus.stats();
    say!(
        "settled: {} deliveries of {} events handled, {} dead letters, {} duplicates; left when \
         drained: {}",
        stats.delivered,
        stats.published,
        stats.dead_lettered,
        stats.duplicates,
        report.abandoned.len()
    )?;
    Ok(())
}
