//! What every call reads: the paces of the quotas and the limiter's time. No call takes a lock for
//! it.

use super::gcra::Pace;
use super::quota::Takes;
use super::shared::MAX_QUOTAS;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// One moment of a limiter, read at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) paces: [Pace; MAX_QUOTAS],
    pub(crate) kinds: Kinds,
    /// In ticks.
    pub(crate) max_wait: u64,
    pub(crate) pause: Pause,
}

/// The limiter's own time, which stands still during a pause: nothing becomes due in it, and nothing
/// is renewed. Who waits keeps its place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pause {
    /// When the last pause ends, in ticks of the clock.
    pub(crate) until: u64,
    /// How long all pauses together last.
    pub(crate) frozen: u64,
}

impl Pause {
    /// Returns the limiter's time at a moment of the clock.
    #[inline]
    pub(crate) fn time(self, clock: u64) -> u64 {
        clock.max(self.until).saturating_sub(self.frozen)
    }

    /// Returns how long the pause still lasts.
    #[inline]
    pub(crate) fn left(self, clock: u64) -> u64 {
        self.until.saturating_sub(clock)
    }

    /// Makes the time stand still until `end`.
    pub(crate) fn extended(self, clock: u64, end: u64) -> Self {
        let begin = self.until.max(clock);
        Self {
            until: self.until.max(end),
            frozen: self.frozen.saturating_add(end.saturating_sub(begin)),
        }
    }
}

/// What each quota takes of a call, in one word: a byte for each, 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u64);

impl Kinds {
    const ONE: u64 = 1;
    const WEIGHT: u64 = 2;
    const BITS: usize = 8;

    pub(crate) fn with(self, index: usize, takes: Takes) -> Self {
        let kind = match takes {
            Takes::One => Self::ONE,
            Takes::Weight => Self::WEIGHT,
        };
        Self(self.0 | kind << (index * Self::BITS))
    }

    /// Returns how much of the quota at `index` a call takes.
    #[inline]
    pub(crate) fn amount(self, index: usize, weight: u32) -> u64 {
        match self.0 >> (index * Self::BITS) & 0xff {
            Self::ONE => 1,
            Self::WEIGHT => u64::from(weight),
            _ => 0,
        }
    }

    /// Whether the quota at 0 is the only one.
    #[inline]
    pub(crate) fn is_single(self) -> bool {
        matches!(self.0, Self::ONE | Self::WEIGHT)
    }
}

#[derive(Debug)]
struct PaceCell {
    interval: AtomicU64,
    tolerance: AtomicU64,
}

/// The place of the rules. Readers copy them and look whether they changed meanwhile.
#[derive(Debug)]
pub(crate) struct RulesCell {
    /// Odd while somebody writes.
    version: AtomicU64,
    paces: [PaceCell; MAX_QUOTAS],
    kinds: AtomicU64,
    max_wait: AtomicU64,
    until: AtomicU64,
    frozen: AtomicU64,
}

impl RulesCell {
    pub(crate) fn new(rules: &Rules) -> Self {
        Self {
            version: AtomicU64::new(0),
            paces: rules.paces.map(|pace| PaceCell {
                interval: AtomicU64::new(pace.interval),
                tolerance: AtomicU64::new(pace.tolerance),
            }),
            kinds: AtomicU64::new(rules.kinds.0),
            max_wait: AtomicU64::new(rules.max_wait),
            until: AtomicU64::new(rules.pause.until),
            frozen: AtomicU64::new(rules.pause.frozen),
        }
    }

    /// Copies the rules. `writers` is the lock that is held around [`write`](Self::write).
    #[inline]
    pub(crate) fn read<T>(&self, writers: &Mutex<T>) -> Rules {
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let rules = self.copy();
                // The copy was read with acquire, so that this comes after it; and if it holds
                // anything new, the odd version is visible too.
                if self.version.load(Ordering::Relaxed) == before {
                    return rules;
                }
            }
            // Not a spin: the writer may be suspended.
            writers.hold(|_| ());
        }
    }

    /// Copies the rules under the lock of the writers.
    pub(crate) fn current(&self) -> Rules {
        self.copy()
    }

    #[inline]
    fn copy(&self) -> Rules {
        let kinds = Kinds(self.kinds.load(Ordering::Acquire));
        let mut paces = [Pace::default(); MAX_QUOTAS];
        for (pace, cell) in paces.iter_mut().zip(&self.paces) {
            *pace = Pace {
                interval: cell.interval.load(Ordering::Acquire),
                tolerance: cell.tolerance.load(Ordering::Acquire),
            };
            if kinds.is_single() {
                break;
            }
        }
        Rules {
            paces,
            kinds,
            max_wait: self.max_wait.load(Ordering::Acquire),
            pause: Pause {
                until: self.until.load(Ordering::Acquire),
                frozen: self.frozen.load(Ordering::Acquire),
            },
        }
    }

    /// Replaces the rules. One writer at a time.
    pub(crate) fn write(&self, rules: &Rules) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        // Each is stored with release, so that who sees one of them sees the odd version.
        for (pace, cell) in rules.paces.iter().zip(&self.paces) {
            cell.interval.store(pace.interval, Ordering::Release);
            cell.tolerance.store(pace.tolerance, Ordering::Release);
        }
        self.kinds.store(rules.kinds.0, Ordering::Release);
        self.max_wait.store(rules.max_wait, Ordering::Release);
        self.until.store(rules.pause.until, Ordering::Release);
        self.frozen.store(rules.pause.frozen, Ordering::Release);
        self.version.store(version + 2, Ordering::Release);
    }
}
