//! The whole state of a breaker in 64 bits, and what an outcome makes of it: pure decisions.

use contexter_service::{BreakerState, Sample};

use crate::announce::Cause;
use crate::limits::Limits;

/// The state of a breaker, and which of all its periods it is in.
///
/// Packed: 4 bits of phase, 30 bits of counts, 30 bits of generation. A closed breaker without
/// failures is zero below the generation, so the common case is one comparison. The generation
/// changes with every transition; a permit would have to outlive 2³⁰ of them to be mistaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) generation: u32,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Closed {
        failures: u32,
    },
    /// The failures are those that opened it.
    Open {
        failures: u32,
    },
    HalfOpen(Probes),
    Isolated,
    ForcedClosed,
}

/// The probes of one half-open period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    pub(crate) in_flight: u32,
    pub(crate) successes: u32,
    pub(crate) failures: u32,
}

/// What an outcome does to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    /// New counts in the same period.
    Count(Word),
    /// A new period.
    Transition(Word, Cause),
}

const PHASE_BITS: u32 = 4;
const COUNT_BITS: u32 = 30;
const PROBE_BITS: u32 = 10;
/// The most failures that fit.
pub(crate) const MAX_COUNT: u32 = (1 << COUNT_BITS) - 1;
const GENERATION_BITS: u32 = 30;
const GENERATION_SHIFT: u32 = PHASE_BITS + COUNT_BITS;

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;
const ISOLATED: u64 = 3;
const FORCED_CLOSED: u64 = 4;

/// Whether the packed word is a closed breaker without failures in a row.
pub(crate) const fn is_quiet(raw: u64) -> bool {
    raw & mask(GENERATION_SHIFT) == CLOSED
}

/// A generation that no period has, for calls that teach nothing.
pub(crate) const UNCOUNTED: u32 = u32::MAX;

/// Whether the packed word is a breaker whose break has begun.
pub(crate) const fn is_open(raw: u64) -> bool {
    raw & mask(PHASE_BITS) == OPEN
}

/// The generation of a packed word.
pub(crate) const fn generation(raw: u64) -> u32 {
    low_half(raw >> GENERATION_SHIFT)
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

pub(crate) const fn field(raw: u64, shift: u32, bits: u32) -> u32 {
    low_half((raw >> shift) & mask(bits))
}

const fn low_half(raw: u64) -> u32 {
    let [a, b, c, d, ..] = raw.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

impl Word {
    pub(crate) fn unpack(raw: u64) -> Self {
        let count = field(raw, PHASE_BITS, COUNT_BITS);
        let phase = match raw & mask(PHASE_BITS) {
            CLOSED => Phase::Closed { failures: count },
            OPEN => Phase::Open { failures: count },
            HALF_OPEN => Phase::HalfOpen(Probes {
                in_flight: field(raw, PHASE_BITS, PROBE_BITS),
                successes: field(raw, PHASE_BITS + PROBE_BITS, PROBE_BITS),
                failures: field(raw, PHASE_BITS + 2 * PROBE_BITS, PROBE_BITS),
            }),
            ISOLATED => Phase::Isolated,
            _ => Phase::ForcedClosed,
        };
        Self {
            generation: generation(raw),
            phase,
        }
    }

    pub(crate) fn pack(self) -> u64 {
        let (kind, count) = match self.phase {
            Phase::Closed { failures } => (CLOSED, u64::from(failures)),
            Phase::Open { failures } => (OPEN, u64::from(failures)),
            Phase::HalfOpen(probes) => (
                HALF_OPEN,
                u64::from(probes.in_flight)
                    | u64::from(probes.successes) << PROBE_BITS
                    | u64::from(probes.failures) << (2 * PROBE_BITS),
            ),
            Phase::Isolated => (ISOLATED, 0),
            Phase::ForcedClosed => (FORCED_CLOSED, 0),
        };
        u64::from(self.generation) << GENERATION_SHIFT | count << PHASE_BITS | kind
    }

    /// Begins the next period.
    pub(crate) fn enter(self, phase: Phase) -> Self {
        Self {
            generation: self.generation.wrapping_add(1) & low_half(mask(GENERATION_BITS)),
            phase,
        }
    }

    fn count(self, phase: Phase) -> Effect {
        Effect::Count(Self { phase, ..self })
    }

    pub(crate) fn state(self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } | Phase::ForcedClosed => BreakerState::Closed,
            Phase::Open { .. } | Phase::Isolated => BreakerState::Open,
            Phase::HalfOpen(_) => BreakerState::HalfOpen,
        }
    }

    pub(crate) fn failures(self) -> u32 {
        match self.phase {
            Phase::Closed { failures } | Phase::Open { failures } => failures,
            Phase::HalfOpen(probes) => probes.failures,
            Phase::Isolated | Phase::ForcedClosed => 0,
        }
    }

    /// Decides what the outcome of a call of this period does.
    pub(crate) fn settle(self, sample: Sample, limits: Limits) -> Effect {
        match self.phase {
            Phase::Closed { failures } => self.settle_closed(failures, sample, limits),
            Phase::HalfOpen(probes) => self.settle_probe(probes, sample, limits),
            // Open and isolated periods admit nothing; while forced closed nothing counts.
            Phase::Open { .. } | Phase::Isolated | Phase::ForcedClosed => Effect::Nothing,
        }
    }

    fn settle_closed(self, failures: u32, sample: Sample, limits: Limits) -> Effect {
        match sample {
            Sample::Neutral => Effect::Nothing,
            Sample::Success if failures == 0 => Effect::Nothing,
            Sample::Success => self.count(Phase::Closed { failures: 0 }),
            Sample::Failure => {
                // Without a threshold, failures in a row are not counted.
                let Some(threshold) = limits.failure_threshold() else {
                    return Effect::Nothing;
                };
                let failures = failures + 1;
                if failures < threshold {
                    self.count(Phase::Closed { failures })
                } else {
                    Effect::Transition(self.enter(Phase::Open { failures }), Cause::FailuresInARow)
                }
            }
        }
    }

    fn settle_probe(self, mut probes: Probes, sample: Sample, limits: Limits) -> Effect {
        probes.in_flight = probes.in_flight.saturating_sub(1);
        match sample {
            Sample::Neutral => {}
            Sample::Success => probes.successes += 1,
            Sample::Failure => probes.failures += 1,
        }
        if probes.successes >= limits.success_threshold() {
            Effect::Transition(self.enter(Phase::Closed { failures: 0 }), Cause::Probes)
        } else if probes.failures > limits.spare_probes() {
            // Too few probes are left to reach the threshold.
            let failures = probes.failures;
            Effect::Transition(self.enter(Phase::Open { failures }), Cause::Probes)
        } else {
            self.count(Phase::HalfOpen(probes))
        }
    }
}

impl Probes {
    /// Returns the counts with one more probe in flight, if one more is allowed.
    pub(crate) fn admit(self, limits: Limits) -> Option<Self> {
        let decided = self.successes + self.failures;
        (self.in_flight < limits.concurrent_probes()
            && self.in_flight + decided < limits.success_threshold() + limits.spare_probes())
        .then(|| Self {
            in_flight: self.in_flight + 1,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Config;

    proptest! {
        #[test]
        fn packing_loses_nothing(
            generation in 0..1_u32 << 30,
            failures in 0..1_u32 << 30,
            in_flight in 0..1_u32 << 10,
            successes in 0..1_u32 << 10,
            lost in 0..1_u32 << 10,
        ) {
            let probes = Probes { in_flight, successes, failures: lost };
            for phase in [
                Phase::Closed { failures },
                Phase::Open { failures },
                Phase::HalfOpen(probes),
                Phase::Isolated,
                Phase::ForcedClosed,
            ] {
                let word = Word { generation, phase };
                prop_assert_eq!(Word::unpack(word.pack()), word);
            }
        }

        #[test]
        fn a_half_open_period_is_never_wedged(
            success_threshold in 1..20_u32,
            permitted in 1..20_u32,
            outcomes in proptest::collection::vec(0..3_u8, 1..200),
        ) {
            let config = Config::new()
                .success_threshold(success_threshold)
                .permitted_probes(permitted);
            let limits = Limits::of(&config);
            let mut word = Word { generation: 7, phase: Phase::HalfOpen(Probes::default()) };
            for outcome in outcomes {
                let Phase::HalfOpen(probes) = word.phase else { unreachable!() };
                let admitted = probes.admit(limits);
                prop_assert!(admitted.is_some(), "none in flight and none admitted: {:?}", probes);
                word.phase = Phase::HalfOpen(admitted.unwrap());
                let sample = match outcome {
                    0 => Sample::Success,
                    1 => Sample::Failure,
                    _ => Sample::Neutral,
                };
                match word.settle(sample, limits) {
                    Effect::Count(next) => word = next,
                    Effect::Transition(..) => break,
                    Effect::Nothing => prop_assert!(false, "a probe's outcome was lost"),
                }
            }
        }
    }

    #[test]
    fn the_generation_wraps_within_its_bits() {
        let last = Word {
            generation: (1 << 30) - 1,
            phase: Phase::Isolated,
        };
        let next = last.enter(Phase::Closed { failures: 0 });
        assert_eq!(next.generation, 0);
        assert_eq!(Word::unpack(next.pack()), next);
    }

    #[test]
    fn only_a_closed_breaker_without_failures_is_quiet() {
        let raw = |phase| {
            Word {
                generation: 9,
                phase,
            }
            .pack()
        };
        assert!(is_quiet(raw(Phase::Closed { failures: 0 })));
        assert!(!is_quiet(raw(Phase::Closed { failures: 1 })));
        assert!(!is_quiet(raw(Phase::Open { failures: 0 })));
        assert!(!is_quiet(raw(Phase::Isolated)));
        assert!(!is_quiet(raw(Phase::ForcedClosed)));
    }
}
