//! The shared state machine: admissions and outcomes by compare-and-swap, transitions one by one.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use contexter_service::{BreakerState, Clock, InvalidConfig, Open, PolicySnapshot, Sample};

use crate::Config;
use crate::announce::{Announcements, Transition};
use crate::sync::{AtomicU64, Mutex, Ordering, RwLock};
use crate::word::{Effect, Phase, Probes, Word, generation, is_quiet};

/// Every change of the word is a compare-and-swap. A change of the generation also holds
/// `transition`, which orders the break's end, the announcement and the word; nothing else needs
/// the lock. Announcements are delivered after it is released.
pub(crate) struct Machine<C> {
    word: AtomicU64,
    /// When the break ends, in nanoseconds after `epoch`. Written before the word turns open.
    until: AtomicU64,
    /// When the last failure was counted, in nanoseconds after `epoch`, plus one; zero is never.
    last_failure: AtomicU64,
    opened: AtomicU64,
    rejected: AtomicU64,
    config: RwLock<Config>,
    transition: Mutex<Announcements>,
    name: OnceLock<Arc<str>>,
    epoch: Instant,
    clock: C,
}

impl<C: Clock> Machine<C> {
    pub(crate) fn new(config: Config, clock: C) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            word: AtomicU64::new(0),
            until: AtomicU64::new(0),
            last_failure: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            config: RwLock::new(config),
            transition: Mutex::new(Announcements::default()),
            name: OnceLock::new(),
            epoch: clock.now(),
            clock,
        })
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        // The first name stays: the breaker may be shared by then.
        let _ = self.name.set(name);
    }

    pub(crate) fn config(&self) -> Config {
        self.config.read(|config| *config)
    }

    fn word(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    pub(crate) fn state(&self) -> BreakerState {
        self.word().state()
    }

    pub(crate) fn failures(&self) -> u32 {
        self.word().failures()
    }

    pub(crate) fn last_failure(&self) -> Option<Instant> {
        let nanos = self.last_failure.load(Ordering::Acquire).checked_sub(1)?;
        self.epoch.checked_add(Duration::from_nanos(nanos))
    }

    pub(crate) fn snapshot(&self) -> PolicySnapshot {
        let word = self.word();
        let probes = match word.phase {
            Phase::HalfOpen(probes) => probes,
            _ => Probes::default(),
        };
        let ago = self
            .last_failure()
            .map(|failed| self.clock.now().saturating_duration_since(failed));
        PolicySnapshot::new("breaker")
            .with_state(word.state())
            .with_counter("failures", u64::from(word.failures()))
            .with_counter("successes", u64::from(probes.successes))
            .with_counter("probes", u64::from(probes.in_flight))
            .with_counter("opened", self.opened.load(Ordering::Relaxed))
            .with_counter("rejected", self.rejected.load(Ordering::Relaxed))
            .with_last_failure(ago)
    }

    fn nanos(&self) -> u64 {
        let since = self.clock.now().saturating_duration_since(self.epoch);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX - 1)
    }

    /// Admits one call and returns the generation that its outcome belongs to.
    pub(crate) fn admit(&self) -> Result<u32, Open> {
        let mut raw = self.word.load(Ordering::Acquire);
        loop {
            if is_quiet(raw) {
                return Ok(generation(raw));
            }
            let word = Word::unpack(raw);
            match word.phase {
                Phase::Closed { .. } | Phase::ForcedClosed => return Ok(word.generation),
                Phase::Isolated => return Err(self.reject(None)),
                Phase::Open { .. } => {
                    let left = self
                        .until
                        .load(Ordering::Acquire)
                        .saturating_sub(self.nanos());
                    if left > 0 {
                        return Err(self.reject(Some(Duration::from_nanos(left))));
                    }
                    match self.first_probe(raw) {
                        Ok(generation) => return Ok(generation),
                        Err(changed) => raw = changed,
                    }
                }
                Phase::HalfOpen(probes) => {
                    let Some(probes) = probes.admit(&self.config()) else {
                        return Err(self.reject(None));
                    };
                    let next = Word {
                        phase: Phase::HalfOpen(probes),
                        ..word
                    };
                    match self.swap(raw, next) {
                        Ok(()) => return Ok(word.generation),
                        Err(changed) => raw = changed,
                    }
                }
            }
        }
    }

    fn reject(&self, retry_after: Option<Duration>) -> Open {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        Open { retry_after }
    }

    /// Ends the break that `open` stands for with one probe in flight.
    fn first_probe(&self, open: u64) -> Result<u32, u64> {
        let admitted = self.transition.hold(|announcements| {
            let from = Word::unpack(open);
            let to = from.enter(Phase::HalfOpen(Probes {
                in_flight: 1,
                ..Probes::default()
            }));
            self.swap(open, to)?;
            self.note(announcements, from, to);
            Ok(to.generation)
        });
        self.deliver();
        admitted
    }

    /// Counts the outcome of a call that was admitted in `admitted`; from any other period it is
    /// stale and teaches nothing.
    pub(crate) fn settle(&self, admitted: u32, sample: Sample) {
        let raw = self.word.load(Ordering::Acquire);
        if sample != Sample::Failure && is_quiet(raw) {
            return;
        }
        let config = self.config();
        if self.try_settle(raw, admitted, sample, &config, None) {
            return;
        }
        self.transition.hold(|announcements| {
            let raw = self.word.load(Ordering::Acquire);
            self.try_settle(raw, admitted, sample, &config, Some(announcements));
        });
        self.deliver();
    }

    /// Returns false if the outcome is a transition and the lock, which gives the announcements,
    /// is not held.
    fn try_settle(
        &self,
        mut raw: u64,
        admitted: u32,
        sample: Sample,
        config: &Config,
        mut locked: Option<&mut Announcements>,
    ) -> bool {
        loop {
            let word = Word::unpack(raw);
            if word.generation != admitted {
                return true;
            }
            let to = match word.settle(sample, config) {
                Effect::Nothing => return true,
                Effect::Transition(_) if locked.is_none() => return false,
                Effect::Transition(to) => {
                    self.start_break(to, config);
                    to
                }
                Effect::Count(to) => to,
            };
            match self.swap(raw, to) {
                Ok(()) => {
                    if sample == Sample::Failure {
                        self.last_failure
                            .fetch_max(self.nanos() + 1, Ordering::AcqRel);
                    }
                    if to.generation != word.generation
                        && let Some(announcements) = locked.take()
                    {
                        self.note(announcements, word, to);
                    }
                    return true;
                }
                Err(changed) => raw = changed,
            }
        }
    }

    /// Sets the end of the break, if `to` is one. Holding the lock keeps other ends out.
    fn start_break(&self, to: Word, config: &Config) {
        if let Phase::Open { .. } = to.phase {
            let length = u64::try_from(config.recovery_timeout.as_nanos()).unwrap_or(u64::MAX);
            self.until
                .store(self.nanos().saturating_add(length), Ordering::Release);
        }
    }

    /// Takes new settings and keeps the state.
    pub(crate) fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate()?;
        self.transition.hold(|announcements| {
            self.config.replace(config);
            // Probes were admitted against other thresholds: their period starts over, or counts
            // beyond the new ones could leave it waiting for an outcome that nobody owes.
            self.change(announcements, |word| match word.phase {
                Phase::HalfOpen(_) => Some(word.enter(Phase::HalfOpen(Probes::default()))),
                _ => None,
            });
        });
        Ok(())
    }

    /// Moves to `phase` by hand; does nothing if the breaker is in it already.
    pub(crate) fn force(&self, phase: Phase) {
        self.transition.hold(|announcements| {
            self.change(announcements, |word| {
                (word.phase != phase).then(|| word.enter(phase))
            });
        });
        self.deliver();
    }

    /// Ends what was done by hand.
    pub(crate) fn release(&self) {
        self.transition.hold(|announcements| {
            self.change(announcements, |word| match word.phase {
                Phase::Isolated | Phase::ForcedClosed => {
                    Some(word.enter(Phase::Closed { failures: 0 }))
                }
                _ => None,
            });
        });
        self.deliver();
    }

    fn change(&self, announcements: &mut Announcements, next: impl Fn(Word) -> Option<Word>) {
        let mut raw = self.word.load(Ordering::Acquire);
        loop {
            let from = Word::unpack(raw);
            let Some(to) = next(from) else { return };
            match self.swap(raw, to) {
                Ok(()) => return self.note(announcements, from, to),
                Err(changed) => raw = changed,
            }
        }
    }

    fn swap(&self, from: u64, to: Word) -> Result<(), u64> {
        self.word
            .compare_exchange(from, to.pack(), Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }

    /// Notes a transition that others can see, in the order of the words.
    fn note(&self, announcements: &mut Announcements, from: Word, to: Word) {
        if from.state() == to.state() {
            return;
        }
        if let Phase::Open { .. } = to.phase {
            self.opened.fetch_add(1, Ordering::Relaxed);
        }
        announcements.push(Transition {
            from: from.state(),
            to: to.state(),
            failures: from.failures().max(to.failures()),
        });
    }

    /// Tells about the transitions noted so far, unless another thread, or a listener further up
    /// this thread's stack, is at it and will tell about ours too.
    fn deliver(&self) {
        while let Some(transition) = self.transition.hold(Announcements::take) {
            transition.tell(self.name.get().map(|name| &**name));
            self.transition.hold(Announcements::told);
        }
    }
}

impl<C> fmt::Debug for Machine<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Word::unpack(self.word.load(Ordering::Acquire));
        f.debug_struct("Breaker")
            .field("name", &self.name.get())
            .field("state", &word.state())
            .field("failures", &word.failures())
            .finish_non_exhaustive()
    }
}
