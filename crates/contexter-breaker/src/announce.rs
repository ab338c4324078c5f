//! Transitions on their way to whoever listens.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use contexter_service::{BreakerState, Event, gauge_breaker_state};
use tracing::level_filters::LevelFilter;

use crate::subscription::Board;

/// How many transitions wait for a listener that is stuck; beyond it, new ones are not told.
const MAX_WAITING: usize = 1024;

/// One change of a breaker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// Which transition of this breaker it is, counted from 1; a gap tells of transitions not seen.
    pub number: u64,
    /// The state before.
    pub from: BreakerState,
    /// The state since.
    pub to: BreakerState,
    /// Why it changed.
    pub cause: Cause,
    /// How many failures counted at that moment: in a row, in the window, or of the probes.
    pub failures: u32,
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// As many failures in a row as are allowed.
    FailuresInARow,
    /// The share of failures in the window.
    FailureRate,
    /// The share of slow calls in the window.
    SlowCallRate,
    /// The share of abandoned calls in the window.
    AbandonedRate,
    /// The far side, or the caller on its behalf, stated a time without calls.
    Trip,
    /// The break is over.
    BreakOver,
    /// The outcomes of the probes.
    Probes,
    /// The probes held every place for too long.
    HungProbes,
    /// Isolated, forced closed or released.
    ByHand,
}

impl Cause {
    /// Returns the cause as a word of its own, such as `"failure_rate"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailuresInARow => "failures_in_a_row",
            Self::FailureRate => "failure_rate",
            Self::SlowCallRate => "slow_call_rate",
            Self::AbandonedRate => "abandoned_rate",
            Self::Trip => "trip",
            Self::BreakOver => "break_over",
            Self::Probes => "probes",
            Self::HungProbes => "hung_probes",
            Self::ByHand => "by_hand",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

pub(crate) type Listener = Arc<dyn Fn(&Transition) + Send + Sync>;

/// The transitions not yet told, in order, and whom to tell. One thread at a time tells them.
#[derive(Default)]
pub(crate) struct Announcements {
    waiting: VecDeque<Transition>,
    telling: bool,
    noted: u64,
    listeners: Option<Arc<Vec<Listener>>>,
    board: Option<Arc<Board>>,
}

impl Announcements {
    /// Takes up a transition in the order of its lock.
    pub(crate) fn note(
        &mut self,
        from: BreakerState,
        to: BreakerState,
        cause: Cause,
        failures: u32,
    ) {
        self.noted += 1;
        let transition = Transition {
            number: self.noted,
            from,
            to,
            cause,
            failures,
        };
        if let Some(board) = &self.board {
            board.post(transition);
        }
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(transition);
        }
    }

    /// Takes the next transition, if nobody else is telling one.
    pub(crate) fn take(&mut self) -> Option<(Transition, Option<Arc<Vec<Listener>>>)> {
        if self.telling {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.telling = true;
        Some((next, self.listeners.clone()))
    }

    pub(crate) fn told(&mut self) {
        self.telling = false;
    }

    pub(crate) fn add_listener(&mut self, listener: Listener) {
        // A teller may hold the old list.
        let mut all = self.listeners.as_deref().cloned().unwrap_or_default();
        all.push(listener);
        self.listeners = Some(Arc::new(all));
    }

    pub(crate) fn board(&self) -> Option<Arc<Board>> {
        self.board.clone()
    }

    /// Returns the board of the subscribers, made with the first of them.
    pub(crate) fn board_at(&mut self, state: BreakerState) -> Arc<Board> {
        let noted = self.noted;
        let board = self
            .board
            .get_or_insert_with(|| Arc::new(Board::new(state, noted)));
        Arc::clone(board)
    }
}

/// Tells everybody but the subscribers, who ask. Nobody who panics takes the outcome of a call, or
/// the turn of the next listener, with them; the panic hook has reported it.
pub(crate) fn tell(
    transition: Transition,
    listeners: Option<&[Listener]>,
    name: Option<&Arc<str>>,
) {
    guarded(|| record(transition, name));
    for listener in listeners.unwrap_or_default() {
        guarded(|| listener(&transition));
    }
}

fn record(transition: Transition, name: Option<&Arc<str>>) {
    let Transition {
        from,
        to,
        cause,
        failures,
        ..
    } = transition;
    let event = match to {
        BreakerState::Open => Event::BreakerOpened,
        BreakerState::HalfOpen => Event::BreakerHalfOpened,
        BreakerState::Closed => Event::BreakerClosed,
    };
    event.count(name);
    gauge_breaker_state(name, to);
    macro_rules! emit {
        ($level:ident) => {
            tracing::$level!(
                name = name.map(|name| &**name),
                mechanism = event.mechanism(),
                event = event.as_str(),
                from = from.as_str(),
                to = to.as_str(),
                cause = cause.as_str(),
                failures,
                "circuit breaker changed state"
            )
        };
    }
    if to == BreakerState::Open {
        emit!(warn);
    } else {
        emit!(info);
    }
}

/// Whether anybody may want to hear of refused calls; there can be very many.
#[inline]
pub(crate) fn is_rejection_told() -> bool {
    cfg!(feature = "metrics") || LevelFilter::current() >= LevelFilter::DEBUG
}

/// Tells of a refused call.
#[cold]
pub(crate) fn tell_rejection(name: Option<&Arc<str>>, retry_after: Option<Duration>) {
    let event = Event::BreakerRejected;
    guarded(|| {
        event.count(name);
        tracing::debug!(
            name = name.map(|name| &**name),
            mechanism = event.mechanism(),
            event = event.as_str(),
            retry_after = retry_after.map(tracing::field::debug),
            "circuit breaker refused a call"
        );
    });
}

pub(crate) fn guarded(f: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(f)));
}

impl fmt::Debug for Announcements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcements")
            .field("noted", &self.noted)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
