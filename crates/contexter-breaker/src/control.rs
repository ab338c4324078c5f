//! What is done by hand, and what is asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contexter_service::{BreakerState, Clock, InvalidConfig, PolicySnapshot};

use crate::announce::{Cause, Listener};
use crate::limits::Limits;
use crate::machine::{Core, Machine};
use crate::subscription::Subscription;
use crate::sync::Ordering;
use crate::window::{Tally, Watched, nanos};
use crate::word::{Phase, Probes, Word};
use crate::{Config, Window};

impl<C: Clock> Machine<C> {
    pub(crate) fn config(&self) -> Config {
        self.core.hold(|core| core.config)
    }

    /// Takes new settings and keeps the state.
    pub(crate) fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate()?;
        let now = self.nanos();
        self.core.hold(|core| {
            self.replace_window(core, &config);
            core.growth.reconfigure(&core.config, &config);
            core.config = config;
            self.hot
                .slow_call
                .store(config.slow_call.map_or(u64::MAX, nanos), Ordering::Release);
            self.hot
                .limits
                .store(Limits::of(&config).0, Ordering::Release);
            // Probes were admitted against other thresholds: their period starts over, or counts
            // beyond the new ones could leave it waiting for an outcome that nobody owes.
            self.change(core, |word| match word.phase {
                Phase::HalfOpen(_) => Some(word.enter(Phase::HalfOpen(Probes::default()))),
                _ => None,
            });
            if self.state() == BreakerState::HalfOpen {
                let hung_at = now.saturating_add(nanos(config.max_half_open));
                self.hot.until.store(hung_at, Ordering::Release);
            }
        });
        Ok(())
    }

    /// Keeps a window of the same calls, with new rates from the next outcome on.
    fn replace_window(&self, core: &mut Core, config: &Config) {
        if let (Some(window), Some(stripes)) = (&mut core.window, self.hot.stripes.get()) {
            // What they may keep was decided by the old rates.
            window.gather(stripes, self.word().generation);
            if window.fits(config) {
                window.judge_by(config);
                return;
            }
        }
        core.window = Watched::of(config);
        if core.window.is_some() {
            self.hot.stripes.get_or_init(Box::default);
        }
    }

    /// Moves to `phase` by hand; does nothing if the breaker is in it already.
    pub(crate) fn force(&self, phase: Phase) {
        self.core.hold(|core| {
            self.change(core, |word| {
                (word.phase != phase).then(|| word.enter(phase))
            });
        });
        self.deliver();
    }

    /// Ends what was done by hand.
    pub(crate) fn release(&self) {
        self.core.hold(|core| {
            self.change(core, |word| match word.phase {
                Phase::Isolated | Phase::ForcedClosed => {
                    Some(word.enter(Phase::Closed { failures: 0 }))
                }
                _ => None,
            });
        });
        self.deliver();
    }

    fn change(&self, core: &mut Core, next: impl Fn(Word) -> Option<Word>) {
        let mut raw = self.hot.word.load(Ordering::Acquire);
        while let Some(to) = next(Word::unpack(raw)) {
            match self.transit(core, raw, to, Cause::ByHand) {
                Ok(()) => return,
                Err(changed) => raw = changed,
            }
        }
    }

    pub(crate) fn add_listener(&self, listener: Listener) {
        self.core
            .hold(|core| core.announcements.add_listener(listener));
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        // Transitions hold the lock, so the state and the board cannot disagree.
        let board = self
            .core
            .hold(|core| core.announcements.board_at(self.state()));
        board.subscribe()
    }

    /// What the window holds now, if there is one and it is in use.
    fn tally(&self) -> Option<Tally> {
        if !self.limits().has_window() {
            return None;
        }
        let now = self.nanos();
        self.core.hold(|core| {
            let window = core.window.as_mut()?;
            let stripes = self.hot.stripes.get()?;
            let word = self.word();
            match word.phase {
                Phase::Closed { .. } => Some(window.tally(stripes, word.generation, now)),
                // It is cleared when the breaker closes.
                _ => Some(Tally::default()),
            }
        })
    }

    pub(crate) fn failures(&self) -> u32 {
        failures(self.word(), self.tally())
    }

    pub(crate) fn last_failure(&self) -> Option<Instant> {
        let nanos = self.last_failure.load(Ordering::Acquire).checked_sub(1)?;
        self.hot.epoch.checked_add(Duration::from_nanos(nanos))
    }

    /// Returns whether a new machine with these settings would decide everything alike, or what it
    /// would not know is old. The caller knows about other handles, which permits in flight need.
    pub(crate) fn decides_as_new(&self) -> bool {
        let Phase::Closed { failures } = self.word().phase else {
            return false;
        };
        let config = self.config();
        let in_window = self.tally().is_some_and(|tally| tally.calls > 0);
        let forgets = matches!(config.window, Some(Window::Time(_)));
        // After as long as a break lasts, failures that had opened the breaker would not keep it from
        // another try either.
        let failed = self.last_failure.load(Ordering::Acquire);
        let since = self.nanos().saturating_sub(failed.saturating_sub(1));
        let is_old = since >= nanos(config.recovery_timeout);
        let counts = in_window && (forgets || !is_old) || failures > 0 && !is_old;
        !counts && self.core.hold(|core| core.announcements.board()).is_none()
    }

    pub(crate) fn snapshot(&self) -> PolicySnapshot {
        let (word, tally) = (self.word(), self.tally());
        let probes = match word.phase {
            Phase::HalfOpen(probes) => probes,
            _ => Probes::default(),
        };
        let ago = self
            .last_failure()
            .map(|failed| self.hot.clock.now().saturating_duration_since(failed));
        let snapshot = PolicySnapshot::new("breaker")
            .with_state(word.state())
            .with_counter("failures", u64::from(failures(word, tally)))
            .with_counter("successes", u64::from(probes.successes))
            .with_counter("probes", u64::from(probes.in_flight))
            .with_counter("opened", self.opened.load(Ordering::Relaxed))
            .with_counter("rejected", self.rejected.load(Ordering::Relaxed))
            .with_last_failure(ago);
        let Some(tally) = tally else {
            return snapshot;
        };
        snapshot
            .with_counter("window_calls", tally.calls)
            .with_counter("window_failures", tally.failures)
            .with_counter("window_slow", tally.slow)
            .with_counter("window_abandoned", tally.abandoned)
    }
}

/// The failures that count: in the window or in a row, whichever are more, while it is closed.
fn failures(word: Word, tally: Option<Tally>) -> u32 {
    match word.phase {
        Phase::Closed { failures } => {
            tally.map_or(failures, |tally| tally.failures_in_word().max(failures))
        }
        _ => word.failures(),
    }
}

/// A name, and the gauges that show the state under it from now on.
impl<C: Clock> Machine<C> {
    pub(crate) fn take_name(&self, name: Arc<str>) {
        if self.set_name(name) {
            contexter_service::gauge_breaker_state(self.name(), self.state());
        }
    }
}
