//! How a call passes an adaptive limit.

use contexter_service::{Classify, Clock, Cx, Full, Sample, Timer};

use super::AdaptiveLimit;
use super::permit::{EnterTimed, Timed};
use crate::mechanism::{Gate, Pass};

impl<T: Timer, K> Gate for AdaptiveLimit<T, K> {
    type Refusal = Full;
    type Pass = Timed<Self>;
    type Enter = EnterTimed<Self>;

    #[inline]
    fn enter(self, cx: Cx) -> EnterTimed<Self> {
        EnterTimed::new(self, cx)
    }
}

impl<T: Timer, K> Gate for &AdaptiveLimit<T, K> {
    type Refusal = Full;
    type Pass = Timed<Self>;
    type Enter = EnterTimed<Self>;

    #[inline]
    fn enter(self, cx: Cx) -> EnterTimed<Self> {
        EnterTimed::new(self, cx)
    }
}

impl<V, E, C, K> Pass<Result<V, E>> for Timed<AdaptiveLimit<C, K>>
where
    C: Clock,
    K: Classify<Result<V, E>>,
{
    #[inline]
    fn settle(self, out: &Result<V, E>) {
        let sample = taught(&self.place.handle.classify, out);
        self.record(sample);
    }
}

impl<V, E, C, K> Pass<Result<V, E>> for Timed<&AdaptiveLimit<C, K>>
where
    C: Clock,
    K: Classify<Result<V, E>>,
{
    #[inline]
    fn settle(self, out: &Result<V, E>) {
        let sample = taught(&self.place.handle.classify, out);
        self.record(sample);
    }
}

/// Returns what an outcome teaches. An error that speaks well of the far side, such as "not found",
/// comes faster than an answer does: its latency would make every answer look slow.
#[inline]
fn taught<V, E>(classify: &impl Classify<Result<V, E>>, out: &Result<V, E>) -> Sample {
    match classify.sample(out) {
        Sample::Success if out.is_err() => Sample::Neutral,
        sample => sample,
    }
}
