//! The windows of the naive breaker.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use contexter_conformance::resilience::Trip;

use super::Flaw;

const SLOTS: u128 = 10;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) slow: u64,
}

impl Tally {
    fn add(&mut self, failed: bool, slow: bool) {
        self.calls += 1;
        self.failures += u64::from(failed);
        self.slow += u64::from(slow);
    }

    fn sum(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            failures: self.failures + other.failures,
            slow: self.slow + other.slow,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Window {
    Calls {
        size: usize,
        last: VecDeque<(bool, bool)>,
    },
    Time {
        start: Instant,
        slot: Duration,
        slots: VecDeque<(u128, Tally)>,
    },
}

impl Window {
    pub(crate) fn new(trip: Trip, now: Instant) -> Option<Self> {
        match trip {
            Trip::CountWindow { size, .. } => Some(Self::Calls {
                size: size as usize,
                last: VecDeque::new(),
            }),
            Trip::TimeWindow { length, .. } => Some(Self::Time {
                start: now,
                slot: length / 10,
                slots: VecDeque::new(),
            }),
            _ => None,
        }
    }

    pub(crate) fn record(&mut self, now: Instant, failed: bool, slow: bool, flaw: Flaw) {
        match self {
            Self::Calls { size, last } => {
                if last.len() == *size && flaw != Flaw::NeverSlides {
                    last.pop_front();
                }
                last.push_back((failed, slow));
            }
            Self::Time { start, slot, slots } => {
                let at = now.duration_since(*start).as_nanos() / slot.as_nanos();
                if slots.back().is_none_or(|(known, _)| *known != at) {
                    slots.push_back((at, Tally::default()));
                }
                if let Some((_, tally)) = slots.back_mut() {
                    tally.add(failed, slow);
                }
            }
        }
    }

    pub(crate) fn tally(&mut self, now: Instant, flaw: Flaw) -> Tally {
        match self {
            Self::Calls { last, .. } => {
                let mut tally = Tally::default();
                for &(failed, slow) in last.iter() {
                    tally.add(failed, slow);
                }
                tally
            }
            Self::Time { start, slot, slots } => {
                let at = now.duration_since(*start).as_nanos() / slot.as_nanos();
                if flaw != Flaw::KeepsOldFailures {
                    slots.retain(|(known, _)| known + SLOTS > at);
                }
                slots
                    .iter()
                    .fold(Tally::default(), |sum, (_, tally)| sum.sum(*tally))
            }
        }
    }
}
