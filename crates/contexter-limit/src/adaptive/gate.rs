//! How a call passes an adaptive limit.

use contexter_service::{Classify, Clock, Cx, Full, Timer};

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

impl<Out, C: Clock, K: Classify<Out>> Pass<Out> for Timed<AdaptiveLimit<C, K>> {
    #[inline]
    fn settle(self, out: &Out) {
        let sample = self.place.handle.classify.sample(out);
        self.record(sample);
    }
}

impl<Out, C: Clock, K: Classify<Out>> Pass<Out> for Timed<&AdaptiveLimit<C, K>> {
    #[inline]
    fn settle(self, out: &Out) {
        let sample = self.place.handle.classify.sample(out);
        self.record(sample);
    }
}
