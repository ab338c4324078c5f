//! How the limit follows what calls teach. No clock and no lock: the same samples give the same
//! limit.

use std::time::{Duration, Instant};

use super::AdaptiveConfig;

/// Fewer calls than this say more about themselves than about the far side.
const MIN_SAMPLES: u32 = 10;
/// A limit falls no further than to half in one window: one bad window is no proof.
const STEEPEST: f64 = 0.5;
/// How far the normal latency moves towards a lower one in one window. A few windows of lucky calls
/// do not become the norm.
const DOWN: f64 = 0.2;
/// Latencies below it, in seconds, are the scheduler's noise. It also keeps the norm above zero,
/// from where no factor could raise it.
const FLOOR: f64 = 100e-6;

#[derive(Debug)]
pub(super) struct Estimator {
    config: AdaptiveConfig,
    /// Between `min` and `max`; calls see the whole part of it.
    limit: f64,
    /// The normal latency in seconds, once it is known.
    baseline: Option<f64>,
    window: Option<Window>,
    /// When the limit last changed.
    changed: Option<Instant>,
    /// When it last fell because of a failure.
    backed_off: Option<Instant>,
    /// When a call last taught anything.
    taught: Option<Instant>,
}

/// Successful calls since the limit last could change.
#[derive(Debug)]
struct Window {
    begin: Instant,
    /// In seconds.
    sum: f64,
    samples: u32,
    /// Whether the limit was reached.
    filled: bool,
}

impl Estimator {
    /// The settings must be valid.
    pub(super) fn new(config: AdaptiveConfig) -> Self {
        Self {
            limit: wide(config.first_limit()),
            config,
            baseline: None,
            window: None,
            changed: None,
            backed_off: None,
            taught: None,
        }
    }

    pub(super) fn limit(&self) -> usize {
        whole(self.limit).clamp(self.config.min, self.config.max)
    }

    pub(super) fn baseline(&self) -> Option<Duration> {
        self.baseline
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// Whether no sample has taught it anything.
    fn is_as_new(&self) -> bool {
        self.taught.is_none()
    }

    /// Whether what it has learned is of a time that no longer counts: even twice the latency would
    /// have become normal since.
    pub(super) fn is_outdated(&self, now: Instant) -> bool {
        self.taught.is_none_or(|taught| {
            now.saturating_duration_since(taught) >= self.config.baseline_doubling
        })
    }

    /// Takes new settings, which must be valid.
    pub(super) fn reconfigure(&mut self, config: AdaptiveConfig) {
        if self.is_as_new() {
            self.limit = wide(config.first_limit());
        }
        self.config = config;
        self.clamp();
    }

    /// Learns from a call that succeeded, while so many ran.
    ///
    /// A call that began before the limit last changed tells how it was before, and is left out:
    /// otherwise a slow far side would make the limit fall twice for the same delay.
    pub(super) fn succeeded(&mut self, started: Instant, now: Instant, running: usize) {
        if self.changed.is_some_and(|changed| started < changed) {
            return;
        }
        self.taught = Some(now);
        let filled = running >= self.limit();
        let window = self.window.get_or_insert(Window {
            begin: started,
            sum: 0.0,
            samples: 0,
            filled: false,
        });
        window.sum += now.saturating_duration_since(started).as_secs_f64();
        window.samples = window.samples.saturating_add(1);
        window.filled |= filled;
        let latency = (window.sum / f64::from(window.samples)).max(FLOOR);
        let elapsed = now.saturating_duration_since(window.begin).as_secs_f64();
        // Twice a latency, so that it is not only the fastest calls that have ended.
        let length = self.config.window.as_secs_f64().max(2.0 * latency);
        if window.samples >= MIN_SAMPLES && elapsed >= length {
            let (filled, before) = (window.filled, self.limit());
            self.window = None;
            // Time in which nobody called proves nothing.
            self.learn(latency, elapsed.min(2.0 * length), filled);
            if self.limit() != before {
                self.changed = Some(now);
            }
        }
    }

    /// Moves norm and limit after a window.
    fn learn(&mut self, latency: f64, elapsed: f64, filled: bool) {
        let baseline = match self.baseline {
            None => latency,
            Some(known) if latency < known => known + (latency - known) * DOWN,
            Some(known) => {
                let doublings = elapsed / self.config.baseline_doubling.as_secs_f64();
                latency.min(known * doublings.exp2())
            }
        };
        self.baseline = Some(baseline);
        let gradient = (self.config.tolerance * baseline / latency).max(STEEPEST);
        if gradient < 1.0 {
            self.limit *= gradient;
        } else if filled {
            self.limit += self.limit.sqrt();
        }
        self.clamp();
    }

    /// Learns from a call that failed.
    ///
    /// Calls that began before the limit last fell ran under the old one: their failures are the same
    /// bad news.
    pub(super) fn failed(&mut self, started: Instant, now: Instant) {
        if self.backed_off.is_some_and(|last| started < last) {
            return;
        }
        (self.backed_off, self.changed, self.taught) = (Some(now), Some(now), Some(now));
        self.window = None;
        self.limit *= self.config.backoff;
        self.clamp();
    }

    /// Learns from a call that was given up: if it was too slow by then, that is as good as a failure,
    /// and otherwise it is nothing.
    pub(super) fn abandoned(&mut self, started: Instant, now: Instant) {
        let elapsed = now.saturating_duration_since(started).as_secs_f64();
        let slow = |baseline| elapsed > self.config.tolerance * baseline;
        if self.baseline.is_some_and(slow) {
            self.failed(started, now);
        }
    }

    fn clamp(&mut self) {
        let (min, max) = (wide(self.config.min), wide(self.config.max));
        self.limit = self.limit.max(min).min(max);
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits are at most a million")]
fn wide(limit: usize) -> f64 {
    limit as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a limit is between 1 and a million"
)]
fn whole(limit: f64) -> usize {
    limit as usize
}
