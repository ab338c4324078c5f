//! The public behaviour of the breaker, mostly on a manual clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bad_config;
mod call;
mod closed;
#[cfg(feature = "serde")]
mod config;
mod control;
mod events;
mod growth;
mod half_open;
mod listener;
mod open;
mod service;
mod subscription;
#[cfg(feature = "metrics")]
mod telemetry;
#[cfg(feature = "tower")]
mod tower;
mod trip;
mod types;
mod window;
mod window_model;

use std::time::Duration;

use contexter_breaker::{Breaker, Config, Permit};
use contexter_service::{ManualClock, Sample};

const BREAK: Duration = Duration::from_mins(1);

/// A closed breaker with the settings of the specification, and its clock.
fn breaker(config: Config) -> (Breaker<ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    let breaker = Breaker::with_clock(config, clock.clone()).unwrap();
    (breaker, clock)
}

fn permit(breaker: &Breaker<ManualClock>) -> Permit<'_, ManualClock> {
    breaker.try_acquire().expect("the breaker admits the call")
}

fn record(breaker: &Breaker<ManualClock>, sample: Sample) {
    permit(breaker).record(sample);
}

/// Fails often enough to open a closed breaker with the default threshold.
fn trip(breaker: &Breaker<ManualClock>) {
    for _ in 0..5 {
        record(breaker, Sample::Failure);
    }
}

/// A breaker that has just gone half-open: its break is over, no probe has been admitted.
fn after_break(config: Config) -> (Breaker<ManualClock>, ManualClock) {
    let (breaker, clock) = breaker(config);
    trip(&breaker);
    clock.advance(BREAK);
    (breaker, clock)
}
