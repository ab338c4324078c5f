//! What an outcome does to the shared state.

use std::time::Duration;

use contexter_service::{Clock, Sample};

use crate::announce::Cause;
use crate::machine::{Core, Machine, Ticket};
use crate::sync::Ordering;
use crate::window::{Mark, nanos};
use crate::word::{Effect, Phase, Word, is_quiet};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taught(Sample),
    Abandoned,
}

impl<C: Clock> Machine<C> {
    /// Counts the outcome of a call; from any other period than its own it is stale and teaches
    /// nothing.
    #[inline]
    pub(crate) fn settle(&self, ticket: Ticket, outcome: Outcome) {
        let raw = self.hot.word.load(Ordering::Acquire);
        if !is_quiet(raw) {
            return self.settle_unless_stale(ticket, outcome, None);
        }
        match outcome {
            Outcome::Taught(Sample::Neutral) => {}
            Outcome::Taught(Sample::Success) => self.succeed(ticket),
            _ => self.settle_unless_stale(ticket, outcome, None),
        }
    }

    /// A success of a closed breaker without failures in a row: most calls.
    #[inline]
    fn succeed(&self, ticket: Ticket) {
        let limits = self.limits();
        if !limits.has_window() {
            return;
        }
        let now = if limits.reads_end() { self.nanos() } else { 0 };
        let kept = !self.is_slow(ticket, now)
            && self
                .hot
                .stripes
                .get()
                .is_some_and(|stripes| stripes.add(ticket.generation, now));
        if !kept {
            self.settle_unless_stale(ticket, Outcome::Taught(Sample::Success), Some(now));
        }
    }

    #[inline]
    fn is_slow(&self, ticket: Ticket, now: u64) -> bool {
        self.limits().reads_begin()
            && now.saturating_sub(ticket.began) >= self.hot.slow_call.load(Ordering::Acquire)
    }

    #[inline(never)]
    fn settle_unless_stale(&self, ticket: Ticket, outcome: Outcome, now: Option<u64>) {
        let raw = self.hot.word.load(Ordering::Acquire);
        let word = Word::unpack(raw);
        if word.generation != ticket.generation {
            return;
        }
        let limits = self.limits();
        let probe = matches!(word.phase, Phase::HalfOpen(_));
        let in_window = !probe && limits.has_window();
        let abandoned = outcome == Outcome::Abandoned && limits.abandoned_has_rate() && in_window;
        let mut sample = match outcome {
            Outcome::Taught(sample) => sample,
            Outcome::Abandoned if limits.abandoned_is_neutral() || limits.abandoned_has_rate() => {
                Sample::Neutral
            }
            Outcome::Abandoned => Sample::Failure,
        };
        let counts = probe || abandoned || sample != Sample::Neutral;
        if !counts || matches!(word.phase, Phase::ForcedClosed) {
            return;
        }
        let timed = sample == Sample::Failure || limits.reads_begin() || in_window;
        let now = match now {
            Some(now) => now,
            None if timed => self.nanos(),
            None => 0,
        };
        let slow = sample != Sample::Neutral && self.is_slow(ticket, now);
        if in_window {
            let mark = Mark {
                failure: sample == Sample::Failure,
                slow,
                abandoned,
            };
            return self.settle_in_window(ticket, sample, mark, now);
        }
        if slow && probe {
            // A far side that is slow again has not recovered.
            sample = Sample::Failure;
        }
        if self.settle_in_word(None, ticket, sample, now) {
            return;
        }
        self.core.hold(|core| {
            self.settle_in_word(Some(core), ticket, sample, now);
        });
        self.deliver();
    }

    /// Adds an outcome to the window and to the failures in a row; whichever opens it first, opens.
    fn settle_in_window(&self, ticket: Ticket, sample: Sample, mark: Mark, now: u64) {
        let changed = self.core.hold(|core| {
            // While the lock is held, the generation stays.
            if self.word().generation != ticket.generation {
                return false;
            }
            let cause = match (&mut core.window, self.hot.stripes.get()) {
                (Some(window), Some(stripes)) => {
                    window.observe(stripes, ticket.generation, now, mark)
                }
                _ => None,
            };
            if mark.failure {
                self.note_failure(now);
            }
            if let Some((cause, failures)) = cause {
                let end = core.next_break(now);
                self.open_whatever_it_counts(core, failures, end, cause);
            } else {
                self.settle_in_word(Some(core), ticket, sample, now);
            }
            self.word().generation != ticket.generation
        });
        if changed {
            self.deliver();
        }
    }

    /// Counts an outcome in the word. Returns false if it is a transition and the lock, which
    /// `core` stands for, is not held.
    fn settle_in_word(
        &self,
        mut core: Option<&mut Core>,
        ticket: Ticket,
        sample: Sample,
        now: u64,
    ) -> bool {
        let mut end = None;
        let mut raw = self.hot.word.load(Ordering::Acquire);
        loop {
            let word = Word::unpack(raw);
            if word.generation != ticket.generation {
                return true;
            }
            let swapped = match (word.settle(sample, self.limits()), &mut core) {
                (Effect::Nothing, _) => return true,
                (Effect::Transition(..), None) => return false,
                (Effect::Count(to), _) => self.swap(raw, to),
                (Effect::Transition(to, cause), Some(core)) => match to.phase {
                    Phase::Open { failures } => {
                        let end = *end.get_or_insert_with(|| core.next_break(now));
                        self.open(core, raw, failures, end, cause)
                    }
                    _ => self.transit(core, raw, to, cause),
                },
            };
            match swapped {
                Ok(()) => {
                    if sample == Sample::Failure {
                        self.note_failure(now);
                    }
                    return true;
                }
                Err(changed) => raw = changed,
            }
        }
    }

    fn note_failure(&self, now: u64) {
        self.last_failure.fetch_max(now + 1, Ordering::AcqRel);
    }

    /// Begins a break from this period. Others may still count in the word meanwhile, which no
    /// longer matters.
    pub(crate) fn open_whatever_it_counts(
        &self,
        core: &mut Core,
        failures: u32,
        end: u64,
        cause: Cause,
    ) {
        let mut raw = self.hot.word.load(Ordering::Acquire);
        while let Err(changed) = self.open(core, raw, failures, end, cause) {
            raw = changed;
        }
    }

    /// Opens for a stated time, if the call belongs to the present period.
    pub(crate) fn trip(&self, ticket: Ticket, duration: Duration) {
        let now = self.nanos();
        self.core.hold(|core| {
            let word = self.word();
            if word.generation == ticket.generation {
                self.open_for(core, word, duration, now);
            }
        });
        self.deliver();
    }

    /// Opens for a stated time, or extends a break.
    pub(crate) fn trip_for(&self, duration: Duration) {
        let now = self.nanos();
        self.core.hold(|core| {
            let word = self.word();
            if let Phase::Open { .. } = word.phase {
                let end = stated_end(core, duration, now);
                self.hot.until.fetch_max(end, Ordering::AcqRel);
            } else {
                self.open_for(core, word, duration, now);
            }
        });
        self.deliver();
    }

    fn open_for(&self, core: &mut Core, word: Word, duration: Duration, now: u64) {
        if let Phase::Closed { .. } | Phase::HalfOpen(_) = word.phase {
            let end = stated_end(core, duration, now);
            self.open_whatever_it_counts(core, word.failures(), end, Cause::Trip);
        }
    }
}

fn stated_end(core: &Core, duration: Duration, now: u64) -> u64 {
    now.saturating_add(nanos(duration.min(core.config.max_trip)))
}
