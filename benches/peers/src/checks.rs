//! What must hold beside the times of the cases.

use std::time::Duration;

use contexter_breaker::{Breaker, Config};
use contexter_service::{Clock, DefaultClock, StdClock};

use crate::allocations;
use crate::cases::closed::{count_window, time_window};
use crate::measure::Runtimes;

/// A figure, and the most that it may be, if there is a goal.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) what: &'static str,
    pub(crate) measured: f64,
    pub(crate) most: Option<f64>,
    pub(crate) unit: &'static str,
}

/// Measures all of them.
pub(crate) fn run(runtimes: &Runtimes) -> Vec<Check> {
    vec![
        Check {
            what: "how far the clock of a mechanism is off, under tokio",
            measured: runtimes.single.block_on(async { clock_error() }),
            most: Some(1_000.0),
            unit: "ns",
        },
        Check {
            what: "memory of a breaker, consecutive failures",
            measured: bytes(&Config::new()),
            most: Some(512.0),
            unit: "bytes",
        },
        Check {
            what: "memory of a breaker and its count window of 100 calls",
            measured: bytes(&count_window()),
            most: None,
            unit: "bytes",
        },
        Check {
            what: "memory of a breaker and its time window, slow calls included",
            measured: bytes(&time_window()),
            most: None,
            unit: "bytes",
        },
    ]
}

/// How far [`DefaultClock`] leaves the interval between two readings of the system's clock, at
/// most, in nanoseconds.
fn clock_error() -> f64 {
    const READINGS: u32 = 100_000;
    let off = (0..READINGS).map(|_| {
        let before = StdClock.now();
        let read = DefaultClock.now();
        let after = StdClock.now();
        let early = before.saturating_duration_since(read);
        let late = read.saturating_duration_since(after);
        early.max(late)
    });
    off.max().unwrap_or(Duration::MAX).as_nanos() as f64
}

/// What a breaker takes: its own size, and all that it allocates.
fn bytes(config: &Config) -> f64 {
    let (breaker, allocated) = allocations::during(|| Breaker::new(*config).unwrap());
    (size_of_val(&breaker) as u64 + allocated.bytes) as f64
}
