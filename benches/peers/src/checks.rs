//! What must hold beside the times of the cases.

use std::hint::black_box;
use std::time::Duration;

use contexter_breaker::{Breaker, Config, Window};
use contexter_service::{Clock, DefaultClock, StdClock};

use crate::allocations;
use crate::cases::closed::{count_window, time_window};
use crate::measure::{Runtimes, median};
use crate::operation::ready;

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
            what: "memory that a breaker allocates, consecutive failures",
            measured: bytes(&Config::new()),
            most: Some(512.0),
            unit: "bytes",
        },
        Check {
            what: "memory that a breaker allocates with a window of 100 calls",
            measured: bytes(&count_window()),
            most: None,
            unit: "bytes",
        },
        Check {
            what: "memory that a breaker allocates with a window of time",
            measured: bytes(&time_window()),
            most: None,
            unit: "bytes",
        },
        Check {
            what: "a call with 100,000 in the window of time, beside one with 100",
            measured: fill(runtimes, &time_window()),
            most: Some(MOST_FILLED),
            unit: "times as long",
        },
        Check {
            what: "a call with 60,000 in the window of calls, beside one with 100",
            measured: fill(runtimes, &Config::new().window(Window::Calls(60_000))),
            most: Some(MOST_FILLED),
            unit: "times as long",
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

/// What a breaker allocates; a handle to it is one pointer more.
fn bytes(config: &Config) -> f64 {
    let (_breaker, allocated) = allocations::during(|| Breaker::new(*config).unwrap());
    allocated.bytes as f64
}

/// How much longer a call may take in a full window than in one that is nearly empty.
const MOST_FILLED: f64 = 1.5;

/// How many times as long a call takes with many calls in the window as with few.
fn fill(runtimes: &Runtimes, config: &Config) -> f64 {
    const SAMPLES: usize = 41;
    const TIMED: u64 = 100;
    let sample = |filled: u64| {
        let breaker = Breaker::new(*config).unwrap();
        let call = async |calls: u64| {
            for i in 0..calls {
                let outcome = breaker.call(|| ready(black_box(i))).await;
                assert!(black_box(outcome).is_ok());
            }
        };
        runtimes.single.block_on(async {
            call(filled).await;
            let start = StdClock.now();
            call(TIMED).await;
            start.elapsed().as_nanos() as f64
        })
    };
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        few.push(sample(100));
        many.push(sample(100_000));
    }
    median(&mut many) / median(&mut few)
}
