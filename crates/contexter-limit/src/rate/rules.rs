//! What every call reads: the paces of the quotas and the limiter's time. No call takes a lock for
//! it.

use super::gcra::Pace;
use super::quota::Takes;
use super::shared::MAX_QUOTAS;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// One moment of a limiter, read at once. Times are in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) quotas: [Rule; MAX_QUOTAS],
    pub(crate) kinds: Kinds,
    pub(crate) max_wait: u64,
    /// Until when nothing is admitted.
    pub(crate) until: u64,
    /// How often the settings have changed.
    pub(crate) generation: u64,
}

impl Rules {
    /// Returns for how long nothing is admitted.
    #[inline]
    pub(crate) fn pause_left(&self, clock: u64) -> u64 {
        self.until.saturating_sub(clock)
    }
}

/// What a call reads of one quota.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rule {
    pub(crate) pace: Pace,
    pub(crate) freeze: Freeze,
}

/// The quota's own time, which stands still while it is frozen: nothing becomes due in it, and nothing
/// is renewed. Who waits keeps its place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Freeze {
    /// When the last one ends, by the clock.
    until: u64,
    /// How long all of them together last.
    total: u64,
}

impl Freeze {
    /// Returns the quota's time at a moment of the clock.
    #[inline]
    pub(crate) fn time(self, clock: u64) -> u64 {
        clock.max(self.until).saturating_sub(self.total)
    }

    /// Returns whether the quota's time stands still.
    pub(crate) fn lasts(self, clock: u64) -> bool {
        self.until > clock
    }

    /// Returns how long it is, by the clock, until the quota's time is `due`.
    #[inline]
    pub(crate) fn wait(self, clock: u64, due: u64) -> u64 {
        match due.saturating_sub(self.time(clock)) {
            0 => 0,
            rest => rest.saturating_add(self.until.saturating_sub(clock)),
        }
    }

    /// Returns which time the quota will have by the clock after a wait of at most `longest`.
    #[inline]
    pub(crate) fn latest(self, clock: u64, longest: u64) -> u64 {
        let left = self.until.saturating_sub(clock);
        self.time(clock)
            .saturating_add(longest.saturating_sub(left))
    }

    /// Makes the time stand still until `end`.
    pub(crate) fn extended(self, clock: u64, end: u64) -> Self {
        let begin = self.until.max(clock);
        Self {
            until: self.until.max(end),
            total: self.total.saturating_add(end.saturating_sub(begin)),
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

    /// How many places have to be looked at.
    #[inline]
    pub(crate) fn len(self) -> usize {
        match self.0.leading_zeros() {
            56.. => 1,
            48.. => 2,
            40.. => 3,
            _ => MAX_QUOTAS,
        }
    }

    /// Whether the quota at 0 is the only one.
    #[inline]
    pub(crate) fn is_single(self) -> bool {
        matches!(self.0, Self::ONE | Self::WEIGHT)
    }
}

#[derive(Debug)]
struct RuleCell {
    interval: AtomicU64,
    tolerance: AtomicU64,
    until: AtomicU64,
    total: AtomicU64,
}

impl RuleCell {
    #[inline]
    fn current(&self) -> Rule {
        Rule {
            pace: Pace {
                interval: self.interval.load(Ordering::Acquire),
                tolerance: self.tolerance.load(Ordering::Acquire),
            },
            freeze: Freeze {
                until: self.until.load(Ordering::Acquire),
                total: self.total.load(Ordering::Acquire),
            },
        }
    }
}

/// The place of the rules. Readers copy them and look whether they changed meanwhile.
#[derive(Debug)]
pub(crate) struct RulesCell {
    /// Odd while somebody writes.
    version: AtomicU64,
    quotas: [RuleCell; MAX_QUOTAS],
    kinds: AtomicU64,
    max_wait: AtomicU64,
    until: AtomicU64,
    generation: AtomicU64,
}

impl RulesCell {
    pub(crate) fn new(rules: &Rules) -> Self {
        Self {
            version: AtomicU64::new(0),
            quotas: rules.quotas.map(|rule| RuleCell {
                interval: AtomicU64::new(rule.pace.interval),
                tolerance: AtomicU64::new(rule.pace.tolerance),
                until: AtomicU64::new(rule.freeze.until),
                total: AtomicU64::new(rule.freeze.total),
            }),
            kinds: AtomicU64::new(rules.kinds.0),
            max_wait: AtomicU64::new(rules.max_wait),
            until: AtomicU64::new(rules.until),
            generation: AtomicU64::new(rules.generation),
        }
    }

    /// Copies the rules. `writers` is the lock that is held around [`write`](Self::write).
    #[inline]
    pub(crate) fn read<T>(&self, writers: &Mutex<T>) -> Rules {
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let rules = self.current();
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

    /// Copies what a call needs that does not wait, if there is one quota and nobody writes: the rule
    /// and how much the call takes.
    #[inline]
    pub(crate) fn read_single(&self, weight: u32, clock: u64) -> Option<(Rule, u64)> {
        let before = self.version.load(Ordering::Acquire);
        let kinds = Kinds(self.kinds.load(Ordering::Acquire));
        let [cell, ..] = &self.quotas;
        let rule = cell.current();
        let until = self.until.load(Ordering::Acquire);
        let whole = before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before;
        (whole && kinds.is_single() && until <= clock).then(|| (rule, kinds.amount(0, weight)))
    }

    /// Copies the rules; under the lock of the writers they are whole.
    #[inline]
    pub(crate) fn current(&self) -> Rules {
        // Filled in its place: copies of it would cost more than all else.
        let mut rules = Rules {
            kinds: Kinds(self.kinds.load(Ordering::Acquire)),
            max_wait: self.max_wait.load(Ordering::Acquire),
            until: self.until.load(Ordering::Acquire),
            generation: self.generation.load(Ordering::Acquire),
            ..Rules::default()
        };
        let used = rules.kinds.len();
        for (rule, cell) in rules.quotas.iter_mut().zip(&self.quotas).take(used) {
            *rule = cell.current();
        }
        rules
    }

    /// Replaces the rules. One writer at a time.
    pub(crate) fn write(&self, rules: &Rules) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        // Each is stored with release, so that who sees one of them sees the odd version.
        for (rule, cell) in rules.quotas.iter().zip(&self.quotas) {
            cell.interval.store(rule.pace.interval, Ordering::Release);
            cell.tolerance.store(rule.pace.tolerance, Ordering::Release);
            cell.until.store(rule.freeze.until, Ordering::Release);
            cell.total.store(rule.freeze.total, Ordering::Release);
        }
        self.kinds.store(rules.kinds.0, Ordering::Release);
        self.max_wait.store(rules.max_wait, Ordering::Release);
        self.until.store(rules.until, Ordering::Release);
        self.generation.store(rules.generation, Ordering::Release);
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }
}
