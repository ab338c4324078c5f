//! The outcomes that the rates of a closed breaker are taken over.

mod buckets;
mod ring;
mod stripes;
mod thresholds;

use std::ops::Range;
use std::time::Duration;

use crate::announce::Cause;
use crate::word::MAX_COUNT;
use crate::{Config, Window};

use buckets::Buckets;
use ring::Ring;
use stripes::Slots;
pub(crate) use stripes::Stripes;
use thresholds::Thresholds;

/// How many calls a window holds, and how many of them are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) slow: u64,
    pub(crate) abandoned: u64,
}

/// What a window remembers of one call; a success is none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) failure: bool,
    pub(crate) slow: bool,
    pub(crate) abandoned: bool,
}

/// A window and what it is judged by. The breaker's lock guards it; [`Stripes`] keep the successes
/// that need no judgement until somebody looks.
#[derive(Debug)]
pub(crate) struct Watched {
    shape: Window,
    outcomes: Outcomes,
    thresholds: Thresholds,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each breaker, and it is boxed with all around it"
)]
enum Outcomes {
    Calls(Ring),
    Time(Buckets),
}

impl Watched {
    /// Makes an empty window, if the settings have one.
    pub(crate) fn of(config: &Config) -> Option<Box<Self>> {
        let shape = config.window?;
        Some(Box::new(Self {
            shape,
            outcomes: match shape {
                Window::Calls(calls) => Outcomes::Calls(Ring::new(calls)),
                Window::Time(time) => Outcomes::Time(Buckets::new(nanos(time))),
            },
            thresholds: Thresholds::of(config),
        }))
    }

    /// Returns whether these settings want the same calls watched.
    pub(crate) fn fits(&self, config: &Config) -> bool {
        config.window == Some(self.shape)
    }

    /// Judges by new settings from the next outcome on.
    pub(crate) fn judge_by(&mut self, config: &Config) {
        self.thresholds = Thresholds::of(config);
    }

    /// Adds what one call taught. Returns why the breaker opens, if it does, and how many failures
    /// the window holds then.
    pub(crate) fn observe(
        &mut self,
        stripes: &Stripes,
        generation: u32,
        now: u64,
        mark: Mark,
    ) -> Option<(Cause, u32)> {
        let armed = self.gather(stripes, generation);
        self.outcomes.advance(now);
        self.outcomes.push(now, mark);
        self.arm(stripes, generation, armed.with_own());
        let tally = self.outcomes.tally();
        let cause = self.thresholds.verdict(tally)?;
        Some((cause, tally.failures_in_word()))
    }

    /// Returns what the window holds now.
    pub(crate) fn tally(&mut self, stripes: &Stripes, generation: u32, now: u64) -> Tally {
        let armed = self.gather(stripes, generation);
        self.outcomes.advance(now);
        self.arm(stripes, generation, armed);
        self.outcomes.tally()
    }

    /// Takes over the successes that the stripes keep, and disarms them.
    pub(crate) fn gather(&mut self, stripes: &Stripes, generation: u32) -> Slots {
        stripes.disarm(generation, |at, successes| {
            self.outcomes.add_successes(at, successes);
        })
    }

    /// Lets stripes keep successes as long as none of these can open the breaker, however many.
    fn arm(&mut self, stripes: &Stripes, generation: u32, slots: Slots) {
        let tally = self.outcomes.tally();
        // Time alone can make a share that opens the breaker, with the next outcome.
        if self.thresholds.verdict(tally).is_none() && self.thresholds.hold(tally) {
            stripes.arm(slots, generation, self.outcomes.present());
        }
    }

    pub(crate) fn clear(&mut self) {
        match &mut self.outcomes {
            Outcomes::Calls(ring) => ring.clear(),
            Outcomes::Time(buckets) => buckets.clear(),
        }
    }
}

impl Tally {
    /// The failures as the word of the state can hold them.
    pub(crate) fn failures_in_word(self) -> u32 {
        u32::try_from(self.failures).map_or(MAX_COUNT, |failures| failures.min(MAX_COUNT))
    }
}

impl Outcomes {
    fn advance(&mut self, now: u64) {
        if let Self::Time(buckets) = self {
            buckets.advance(now);
        }
    }

    fn push(&mut self, now: u64, mark: Mark) {
        match self {
            Self::Calls(ring) => ring.push(mark),
            Self::Time(buckets) => buckets.add(now, Tally::from(mark)),
        }
    }

    fn add_successes(&mut self, at: u64, successes: u32) {
        match self {
            Self::Calls(ring) => ring.push_successes(successes),
            Self::Time(buckets) => buckets.add(
                at,
                Tally {
                    calls: u64::from(successes),
                    ..Tally::default()
                },
            ),
        }
    }

    fn tally(&self) -> Tally {
        match self {
            Self::Calls(ring) => ring.tally(),
            Self::Time(buckets) => buckets.tally(),
        }
    }

    /// The time within which nothing is forgotten and outcomes belong to the same bucket.
    fn present(&self) -> Range<u64> {
        match self {
            Self::Calls(_) => 0..u64::MAX,
            Self::Time(buckets) => buckets.present(),
        }
    }
}

impl From<Mark> for Tally {
    fn from(mark: Mark) -> Self {
        Self {
            calls: 1,
            failures: mark.failure.into(),
            slow: mark.slow.into(),
            abandoned: mark.abandoned.into(),
        }
    }
}

/// The nanoseconds of a duration; 584 years stand for anything longer.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
