//! Which call meets which fault.

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contexter_service::{Event, InvalidConfig, PolicySnapshot};
use parking_lot::RwLock;

use crate::Config;

/// How a call ends that meets a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Error,
    Hang,
    Panic,
}

/// What one call meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lot {
    pub(crate) latency: Option<Duration>,
    pub(crate) fault: Option<Fault>,
}

/// What all handles to one chaos share.
#[derive(Debug)]
pub(crate) struct Dice {
    enabled: AtomicBool,
    /// How many calls have drawn a lot.
    calls: AtomicU64,
    errors: AtomicU64,
    latencies: AtomicU64,
    hangs: AtomicU64,
    panics: AtomicU64,
    settings: RwLock<Settings>,
    name: OnceLock<Arc<str>>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    config: Config,
    seed: u64,
}

impl Dice {
    pub(crate) fn new(config: Config) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let seed = config
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(()));
        Ok(Self {
            enabled: AtomicBool::new(config.enabled),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            latencies: AtomicU64::new(0),
            hangs: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            settings: RwLock::new(Settings { config, seed }),
            name: OnceLock::new(),
        })
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        // The first name stays: the chaos may be shared by then.
        let _ = self.name.set(name);
    }

    #[inline]
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    pub(crate) fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    pub(crate) fn config(&self) -> Config {
        let config = self.settings.read().config;
        config.enabled(self.is_enabled())
    }

    pub(crate) fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate()?;
        let mut settings = self.settings.write();
        settings.seed = config.seed.unwrap_or(settings.seed);
        settings.config = config;
        self.set_enabled(config.enabled);
        Ok(())
    }

    /// Draws the lot of the next call.
    pub(crate) fn draw(&self) -> Lot {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let Settings { config, seed } = *self.settings.read();
        lot(&config, seed, number)
    }

    /// Counts a fault and tells of it.
    pub(crate) fn tell(&self, fault: Option<Fault>, latency: Option<Duration>) {
        let (counter, word) = match fault {
            None => (&self.latencies, "latency"),
            Some(Fault::Error) => (&self.errors, "error"),
            Some(Fault::Hang) => (&self.hangs, "hang"),
            Some(Fault::Panic) => (&self.panics, "panic"),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let event = Event::ChaosInjected;
        let name = self.name.get();
        // A listener that panics must inject nothing of its own; the panic hook has reported it.
        let told = catch_unwind(AssertUnwindSafe(|| {
            event.count(name);
            tracing::debug!(
                name = name.map(|name| &**name),
                mechanism = event.mechanism(),
                event = event.as_str(),
                fault = word,
                latency = latency.map(tracing::field::debug),
                "a fault is injected"
            );
        }));
        drop(told);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot(&self) -> PolicySnapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PolicySnapshot::new("chaos")
            .with_counter("calls", self.calls())
            .with_counter("errors", get(&self.errors))
            .with_counter("latencies", get(&self.latencies))
            .with_counter("hangs", get(&self.hangs))
            .with_counter("panics", get(&self.panics))
    }
}

/// Three draws for each call: how it ends, whether it begins later, by how much.
fn lot(config: &Config, seed: u64, number: u64) -> Lot {
    let first = number.wrapping_mul(3);
    let ends = share(split_mix(seed, first));
    let (panic, hang) = (config.panic_rate, config.hang_rate);
    let fault = if ends < panic {
        Some(Fault::Panic)
    } else if ends < panic + hang {
        Some(Fault::Hang)
    } else if ends < panic + hang + config.error_rate {
        Some(Fault::Error)
    } else {
        None
    };
    let later = share(split_mix(seed, first.wrapping_add(1))) < config.latency_rate;
    let latency = later.then(|| {
        let by = split_mix(seed, first.wrapping_add(2));
        between(config.min_latency, config.max_latency, by)
    });
    Lot { latency, fault }
}

/// A number from 0 up to, but not including, 1, in steps of 2⁻³².
fn share(bits: u64) -> f64 {
    const STEPS: f64 = 4_294_967_296.0;
    f64::from(high(bits)) / STEPS
}

fn high(bits: u64) -> u32 {
    u32::try_from(bits >> 32).expect("32 bits are left")
}

/// Both ends included. No product overflows: a duration has fewer than 95 bits.
fn between(min: Duration, max: Duration, bits: u64) -> Duration {
    let span = max.saturating_sub(min).as_nanos() + 1;
    let nanos = (span * u128::from(high(bits))) >> 32;
    min.saturating_add(Duration::from_nanos_u128(nanos))
}

/// The output with this index of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
/// Number Generators, OOPSLA 2014), which can be had without those before it.
fn split_mix(seed: u64, index: u64) -> u64 {
    let steps = index.wrapping_add(1);
    let mut z = seed.wrapping_add(steps.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Fault, Lot, between, lot, share, split_mix};
    use crate::Config;

    /// The first outputs for the seed 1234567, as published with other implementations of it.
    #[test]
    fn split_mix_is_split_mix() {
        let outputs = [0, 1, 2, 3, 4].map(|index| split_mix(1_234_567, index));
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(outputs, expected);
    }

    /// Within five standard deviations of a binomial law.
    fn is_near(count: usize, of: usize, rate: f64) -> bool {
        let [count, of] = [count, of].map(|n| f64::from(u32::try_from(n).expect("a small count")));
        let mean = of * rate;
        (count - mean).abs() <= 5.0 * (mean * (1.0 - rate)).sqrt()
    }

    #[test]
    fn lots_come_at_their_rates_and_independently_of_latency_and_of_the_call_before() {
        const CALLS: usize = 20_000;
        let second = Duration::from_secs(1);
        let config = Config::new()
            .panic_rate(0.1)
            .hang_rate(0.2)
            .error_rate(0.3)
            .latency(0.4, second, second);
        let lots: Vec<Lot> = (0..)
            .take(CALLS)
            .map(|call| lot(&config, 1, call))
            .collect();
        let late: Vec<bool> = lots.iter().map(|lot| lot.latency.is_some()).collect();
        assert!(is_near(
            late.iter().filter(|late| **late).count(),
            CALLS,
            0.4
        ));
        for (fault, rate) in [
            (Some(Fault::Panic), 0.1),
            (Some(Fault::Hang), 0.2),
            (Some(Fault::Error), 0.3),
            (None, 0.4),
        ] {
            let met = lots.iter().map(|lot| lot.fault == fault);
            let count = met.clone().filter(|met| *met).count();
            assert!(is_near(count, CALLS, rate), "{fault:?} {count}");
            let together = met.clone().zip(&late).filter(|(met, late)| *met && **late);
            let count = together.count();
            assert!(is_near(count, CALLS, rate * 0.4), "late {fault:?} {count}");
            let after = met.skip(1).zip(&late).filter(|(met, late)| *met && **late);
            let count = after.count();
            assert!(
                is_near(count, CALLS, rate * 0.4),
                "{fault:?} after a late one {count}"
            );
        }
    }

    #[test]
    fn a_share_is_never_one_and_a_latency_never_outside_its_bounds() {
        assert!(share(u64::MAX) < 1.0);
        assert!(share(0) <= 0.0);
        let bounds = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
        for min in bounds {
            for max in bounds.into_iter().filter(|max| min <= *max) {
                assert_eq!(between(min, max, 0), min);
                let longest = between(min, max, u64::MAX);
                assert!(
                    min <= longest && longest <= max,
                    "{min:?} {longest:?} {max:?}"
                );
            }
        }
        assert_eq!(
            between(Duration::ZERO, Duration::from_nanos(1), u64::MAX),
            Duration::from_nanos(1)
        );
    }
}
