//! The shared state of a breaker: who is admitted, and how periods follow one another.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use contexter_service::{BreakerState, Clock, InvalidConfig, Open};

use crate::Config;
use crate::announce::{Announcements, Cause, is_rejection_told, tell, tell_rejection};
use crate::growth::Growth;
use crate::limits::Limits;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::window::{Stripes, Watched, nanos};
use crate::word::{Phase, Probes, UNCOUNTED, Word, generation, is_open, is_quiet};

/// Every change of the word is a compare-and-swap. A change of the generation, an admission of a
/// probe and a change of the window also hold `core`, which orders them; nothing else needs the
/// lock. Announcements are delivered after it is released.
pub(crate) struct Machine<C> {
    pub(crate) hot: Hot<C>,
    /// When the last failure was counted, in nanoseconds after the epoch, plus one; zero is never.
    pub(crate) last_failure: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) core: Mutex<Core>,
    name: OnceLock<Arc<str>>,
}

/// What every call reads, on one line that nothing writes while the breaker stays closed.
#[repr(align(64))]
pub(crate) struct Hot<C> {
    pub(crate) word: AtomicU64,
    /// [`Limits`], packed.
    pub(crate) limits: AtomicU64,
    /// Nanoseconds from which on a call is slow, if calls are timed.
    pub(crate) slow_call: AtomicU64,
    /// Nanoseconds after the epoch: when the break ends, or when probes in flight count as hung.
    pub(crate) until: AtomicU64,
    /// Made with the first window, and kept when later settings have none.
    pub(crate) stripes: OnceLock<Box<Stripes>>,
    pub(crate) epoch: Instant,
    pub(crate) clock: C,
}

/// What only transitions, failures and windows need.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) growth: Growth,
    pub(crate) window: Option<Box<Watched>>,
    pub(crate) announcements: Announcements,
}

impl Core {
    /// Returns when a break that begins now will end. Whether it begins is still open.
    pub(crate) fn next_break(&mut self, now: u64) -> u64 {
        now.saturating_add(nanos(self.growth.peek(&self.config)))
    }
}

/// What a call has been admitted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The period that its outcome belongs to.
    pub(crate) generation: u32,
    /// When it began, in nanoseconds after the epoch; the largest number if it is not timed, which
    /// makes it last no time at all.
    pub(crate) began: u64,
}

const UNTIMED: u64 = u64::MAX;

impl<C: Clock> Machine<C> {
    pub(crate) fn new(config: Config, clock: C) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let machine = Self {
            hot: Hot {
                word: AtomicU64::new(0),
                limits: AtomicU64::new(Limits::of(&config).0),
                slow_call: AtomicU64::new(config.slow_call.map_or(u64::MAX, nanos)),
                until: AtomicU64::new(0),
                stripes: OnceLock::new(),
                epoch: clock.now(),
                clock,
            },
            last_failure: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            core: Mutex::new(Core {
                config,
                growth: Growth::of(&config),
                window: Watched::of(&config),
                announcements: Announcements::default(),
            }),
            name: OnceLock::new(),
        };
        if config.window.is_some() {
            machine.hot.stripes.get_or_init(Box::default);
        }
        Ok(machine)
    }

    /// Returns whether this is the first name, which stays: the breaker may be shared by then.
    pub(crate) fn set_name(&self, name: Arc<str>) -> bool {
        self.name.set(name).is_ok()
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.name.get()
    }

    pub(crate) fn word(&self) -> Word {
        Word::unpack(self.hot.word.load(Ordering::Acquire))
    }

    pub(crate) fn state(&self) -> BreakerState {
        self.word().state()
    }

    pub(crate) fn refuses_calls(&self) -> bool {
        let word = self.word();
        match word.phase {
            Phase::Isolated => true,
            Phase::Open { .. } => {
                let until = self.until();
                // If another call has begun the half-open period meanwhile, that was its time.
                !self.limits().is_dry_run() && until > self.nanos() && self.word() == word
            }
            Phase::Closed { .. } | Phase::ForcedClosed | Phase::HalfOpen(_) => false,
        }
    }

    #[inline]
    pub(crate) fn limits(&self) -> Limits {
        Limits(self.hot.limits.load(Ordering::Acquire))
    }

    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        let now = self.hot.clock.now();
        // The largest is kept free: it stands for never.
        nanos(now.saturating_duration_since(self.hot.epoch)).min(u64::MAX - 1)
    }

    /// Admits one call, or says how long none is admitted.
    #[inline]
    pub(crate) fn admit(&self) -> Result<Ticket, Open> {
        let raw = self.hot.word.load(Ordering::Acquire);
        if is_quiet(raw) {
            return Ok(self.ticket(generation(raw)));
        }
        self.admit_unless_refused(raw)
    }

    #[inline]
    fn ticket(&self, generation: u32) -> Ticket {
        let began = if self.limits().reads_begin() {
            self.nanos()
        } else {
            UNTIMED
        };
        Ticket { generation, began }
    }

    /// Refuses at once while a break lasts; apart from all else that a call may meet, so that a
    /// refusal sets up none of it.
    #[inline(never)]
    fn admit_unless_refused(&self, raw: u64) -> Result<Ticket, Open> {
        if is_open(raw)
            && !self.limits().is_dry_run()
            && let Ok(left @ 1..) = self.break_left(raw, self.nanos())
        {
            return Err(self.reject(Some(Duration::from_nanos(left))));
        }
        self.admit_by_phase(raw)
    }

    #[inline(never)]
    fn admit_by_phase(&self, mut raw: u64) -> Result<Ticket, Open> {
        loop {
            let word = Word::unpack(raw);
            let now = match word.phase {
                Phase::Closed { .. } | Phase::ForcedClosed => {
                    return Ok(self.ticket(word.generation));
                }
                // By hand, also in a dry run.
                Phase::Isolated => return Err(self.reject(None)),
                Phase::Open { .. } => {
                    let now = self.nanos();
                    match self.break_left(raw, now) {
                        Ok(0) => now,
                        Ok(left) => return self.refuse(Some(Duration::from_nanos(left))),
                        Err(changed) => {
                            raw = changed;
                            continue;
                        }
                    }
                }
                Phase::HalfOpen(probes) => {
                    let now = self.nanos();
                    if probes.admit(self.limits()).is_none() && now < self.until() {
                        return self.refuse(None);
                    }
                    now
                }
            };
            let admitted = self.core.hold(|core| self.admit_probe(core, raw, now));
            if word.state() == BreakerState::Open || matches!(admitted, Ok(None)) {
                self.deliver();
            }
            match admitted {
                Ok(Some(generation)) => {
                    let timed = self.limits().reads_begin();
                    let began = if timed { now } else { UNTIMED };
                    return Ok(Ticket { generation, began });
                }
                Ok(None) | Err(Stale::Until) => raw = self.hot.word.load(Ordering::Acquire),
                Err(Stale::Word(changed)) => raw = changed,
            }
        }
    }

    pub(crate) fn until(&self) -> u64 {
        self.hot.until.load(Ordering::Acquire)
    }

    /// Returns how much is left of the break that `raw` stands for; or what the word has changed to,
    /// because the time may then be that of the next period.
    #[inline]
    fn break_left(&self, raw: u64, now: u64) -> Result<u64, u64> {
        let left = self.until().saturating_sub(now);
        let found = self.hot.word.load(Ordering::Acquire);
        if found == raw { Ok(left) } else { Err(found) }
    }

    /// Admits a probe into the period that `raw` stands for or begins, and returns its generation;
    /// none if the period was given up because its probes hang.
    fn admit_probe(&self, core: &mut Core, raw: u64, now: u64) -> Result<Option<u32>, Stale> {
        let from = Word::unpack(raw);
        let over = now >= self.until();
        let hung_at = now.saturating_add(nanos(core.config.max_half_open));
        match from.phase {
            Phase::Open { .. } if over => {
                let to = from.enter(Phase::HalfOpen(Probes {
                    in_flight: 1,
                    ..Probes::default()
                }));
                self.transit(core, raw, to, Cause::BreakOver)?;
                self.hot.until.store(hung_at, Ordering::Release);
                Ok(Some(to.generation))
            }
            Phase::HalfOpen(probes) => match probes.admit(self.limits()) {
                Some(probes) => {
                    let phase = Phase::HalfOpen(probes);
                    self.swap(raw, Word { phase, ..from })?;
                    self.hot.until.store(hung_at, Ordering::Release);
                    Ok(Some(from.generation))
                }
                None if over => {
                    let end = core.next_break(now);
                    let failures = probes.failures;
                    self.open(core, raw, failures, end, Cause::HungProbes)?;
                    Ok(None)
                }
                None => Err(Stale::Until),
            },
            _ => Err(Stale::Until),
        }
    }

    /// Refuses a call, or in a dry run only counts that it would be refused.
    fn refuse(&self, retry_after: Option<Duration>) -> Result<Ticket, Open> {
        let open = self.reject(retry_after);
        if self.limits().is_dry_run() {
            return Ok(Ticket {
                generation: UNCOUNTED,
                began: UNTIMED,
            });
        }
        Err(open)
    }

    #[inline]
    fn reject(&self, retry_after: Option<Duration>) -> Open {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        if is_rejection_told() {
            tell_rejection(self.name(), retry_after);
        }
        Open { retry_after }
    }

    /// Begins a break until `end`. Holding the lock keeps other ends out, so that a race for the word
    /// that is lost leaves the end and the length of the next break as they were.
    pub(crate) fn open(
        &self,
        core: &mut Core,
        raw: u64,
        failures: u32,
        end: u64,
        cause: Cause,
    ) -> Result<(), u64> {
        // Before the word: who sees it open must see when it ends.
        let before = self.hot.until.swap(end, Ordering::AcqRel);
        let to = Word::unpack(raw).enter(Phase::Open { failures });
        let opened = self.transit(core, raw, to, cause);
        match opened {
            // The far side states its time by itself.
            Ok(()) if cause != Cause::Trip => core.growth.spend(),
            Ok(()) => {}
            Err(_) => self.hot.until.store(before, Ordering::Release),
        }
        opened
    }

    /// Begins a period, with what belongs to it, and notes the transition if others can see it.
    pub(crate) fn transit(
        &self,
        core: &mut Core,
        raw: u64,
        to: Word,
        cause: Cause,
    ) -> Result<(), u64> {
        self.swap(raw, to)?;
        if let Phase::Closed { .. } = to.phase {
            // Nothing of this period can get in before: that takes the lock.
            core.growth.reset(&core.config);
            if let Some(window) = &mut core.window {
                window.clear();
            }
        }
        let from = Word::unpack(raw);
        if from.state() != to.state() {
            if let Phase::Open { .. } = to.phase {
                self.opened.fetch_add(1, Ordering::Relaxed);
            }
            let failures = from.failures().max(to.failures());
            core.announcements
                .note(from.state(), to.state(), cause, failures);
        }
        Ok(())
    }

    pub(crate) fn swap(&self, from: u64, to: Word) -> Result<(), u64> {
        self.hot
            .word
            .compare_exchange(from, to.pack(), Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }

    /// Tells about the transitions noted so far, unless another thread, or a listener further up
    /// this thread's stack, is at it and will tell about ours too.
    pub(crate) fn deliver(&self) {
        if let Some(board) = self.core.hold(|core| core.announcements.board()) {
            board.wake();
        }
        while let Some((transition, listeners)) = self.core.hold(|core| core.announcements.take()) {
            let listeners = listeners.as_ref().map(|listeners| listeners.as_slice());
            tell(transition, listeners, self.name());
            self.core.hold(|core| core.announcements.told());
        }
    }
}

/// Why an admission has to look again.
enum Stale {
    Word(u64),
    /// The time was up, but somebody has moved it meanwhile.
    Until,
}

impl From<u64> for Stale {
    fn from(changed: u64) -> Self {
        Self::Word(changed)
    }
}

impl<C> Drop for Machine<C> {
    fn drop(&mut self) {
        if let Some(board) = self.core.hold(|core| core.announcements.board()) {
            board.end();
        }
    }
}

impl<C> fmt::Debug for Machine<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Word::unpack(self.hot.word.load(Ordering::Acquire));
        f.debug_struct("Breaker")
            .field("name", &self.name.get())
            .field("state", &word.state())
            .field("failures", &word.failures())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(contexter_loom)))]
mod tests {
    use contexter_service::{DefaultClock, ManualClock};

    use super::*;

    #[test]
    fn a_lost_race_for_the_word_postpones_nothing_and_makes_no_break_longer() {
        let config = Config::new().recovery_multiplier(2.0);
        let machine = Machine::new(config, ManualClock::new()).unwrap();
        let open = |raw| {
            machine.core.hold(|core| {
                let end = core.next_break(0);
                machine.open(core, raw, 1, end, Cause::Probes).map(|()| end)
            })
        };
        let raw = machine.hot.word.load(Ordering::Acquire);
        assert_eq!(open(raw + 1), Err(raw), "somebody has changed it meanwhile");
        assert_eq!(machine.until(), 0);
        assert_eq!(open(raw), Ok(nanos(config.recovery_timeout)));
        assert_eq!(machine.until(), nanos(config.recovery_timeout));
        let raw = machine.hot.word.load(Ordering::Acquire);
        assert_eq!(
            open(raw),
            Ok(nanos(config.recovery_timeout * 2)),
            "the next"
        );
    }

    #[test]
    fn a_breaker_without_a_window_takes_512_bytes_at_most() {
        // As allocated: with the two counts of an Arc, on the line before the hot one.
        let counts = align_of::<Machine<DefaultClock>>();
        assert!(size_of::<Machine<DefaultClock>>() + counts <= 512);
        assert_eq!(size_of::<Hot<DefaultClock>>(), 64, "one line");
    }
}
