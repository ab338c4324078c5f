//! What all handles to one rate limiter share.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use contexter_service::{Clock, InvalidConfig, Limited, later};

use super::config::RateLimitConfig;
use super::gcra::{Arrival, Pace, Taken};
use super::rules::{Kinds, Pause, Rules, RulesCell};
use super::{tell, ticks};
use crate::sync::{AtomicU64, Mutex, Ordering};

/// How many quotas a limiter has at most: all state has a fixed place, and nothing allocates.
pub(crate) const MAX_QUOTAS: usize = 4;

/// The state machine. Times are in ticks since it was made.
#[derive(Debug)]
pub struct Shared<C> {
    pub(crate) clock: C,
    epoch: Instant,
    rules: RulesCell,
    arrivals: [Arrival; MAX_QUOTAS],
    /// Held by who writes the rules.
    settings: Mutex<Settings>,
    limited: AtomicU64,
    pauses: AtomicU64,
    name: OnceLock<Arc<str>>,
}

#[derive(Debug)]
struct Settings {
    names: [Option<Arc<str>>; MAX_QUOTAS],
    max_pause: Duration,
}

/// A call that has taken its part of every quota, and may go from `due` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reservation {
    taken: [Option<Taken>; MAX_QUOTAS],
    /// In the limiter's own time.
    due: u64,
}

/// What a reservation has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Now,
    /// In so many ticks.
    In(u64),
}

impl Reservation {
    /// Returns what is still to be waited for, a pause that came after the reservation included.
    #[inline]
    pub(crate) fn due(&self, rules: &Rules, clock: u64) -> Due {
        let left = rules.pause.left(clock);
        let rest = self.due.saturating_sub(rules.pause.time(clock));
        match left.saturating_add(rest) {
            0 => Due::Now,
            wait => Due::In(wait),
        }
    }
}

impl<C: Clock> Shared<C> {
    pub(crate) fn new(config: &RateLimitConfig, clock: C) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let mut settings = Settings {
            names: [const { None }; MAX_QUOTAS],
            max_pause: config.max_pause,
        };
        let rules = settings.take(config, Pause::default());
        Ok(Self {
            epoch: clock.now(),
            clock,
            rules: RulesCell::new(&rules),
            arrivals: std::array::from_fn(|_| Arrival::new()),
            settings: Mutex::new(settings),
            limited: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
            name: OnceLock::new(),
        })
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        // The first name stays: the limiter may be shared by then.
        let _ = self.name.set(name);
    }

    /// A clock that goes backwards, which none should, makes everybody wait: it renews nothing.
    #[inline]
    pub(crate) fn ticks_at(&self, now: Instant) -> u64 {
        ticks::from_duration(now.saturating_duration_since(self.epoch))
    }

    #[inline]
    fn now(&self) -> u64 {
        self.ticks_at(self.clock.now())
    }

    #[inline]
    pub(crate) fn rules(&self) -> Rules {
        self.rules.read(&self.settings)
    }

    /// Takes the call's part of every quota, or of none, if the call may then go within `longest`
    /// ticks of `clock`.
    #[inline]
    pub(crate) fn reserve(
        &self,
        rules: &Rules,
        weight: u32,
        clock: u64,
        longest: u64,
    ) -> Result<Reservation, Limited> {
        let left = rules.pause.left(clock);
        let now = rules.pause.time(clock);
        // A pause that is too long for it refuses a call before it takes anything.
        let latest = longest
            .checked_sub(left)
            .map(|rest| now.saturating_add(rest));
        let mut reservation = Reservation {
            taken: [None; MAX_QUOTAS],
            due: 0,
        };
        let Some(latest) = latest else {
            return Err(self.refuse(rules, weight, clock));
        };
        // Asking first leaves nothing to give back unless another call comes in between.
        if !rules.kinds.is_single() && self.due(rules, weight, now).is_none_or(|due| due > latest) {
            return Err(self.refuse(rules, weight, clock));
        }
        for (index, ((arrival, pace), taken)) in self
            .arrivals
            .iter()
            .zip(&rules.paces)
            .zip(&mut reservation.taken)
            .enumerate()
        {
            let amount = rules.kinds.amount(index, weight);
            if amount > 0 {
                let took = match pace.cost(amount) {
                    Some(cost) => arrival.take(*pace, now, cost, latest).ok(),
                    None => None,
                };
                let Some((took, due)) = took else {
                    self.give_back(&reservation);
                    return Err(self.refuse(rules, weight, clock));
                };
                *taken = Some(took);
                reservation.due = reservation.due.max(due);
            }
            if rules.kinds.is_single() {
                break;
            }
        }
        Ok(reservation)
    }

    /// Returns when a call could go by all quotas; `None` if it takes more than a burst.
    fn due(&self, rules: &Rules, weight: u32, now: u64) -> Option<u64> {
        let mut due = 0;
        for (index, (arrival, pace)) in self.arrivals.iter().zip(&rules.paces).enumerate() {
            let amount = rules.kinds.amount(index, weight);
            if amount > 0 {
                due = due.max(arrival.due(*pace, now, pace.cost(amount)?));
            }
        }
        Some(due)
    }

    /// Counts and tells a refusal.
    #[cold]
    fn refuse(&self, rules: &Rules, weight: u32, clock: u64) -> Limited {
        let now = rules.pause.time(clock);
        let retry_after = self.due(rules, weight, now).map(|due| {
            let wait = rules.pause.left(clock);
            ticks::to_duration(wait.saturating_add(due.saturating_sub(now)))
        });
        self.tell_limited(Limited { retry_after })
    }

    #[cold]
    fn tell_limited(&self, limited: Limited) -> Limited {
        self.limited.fetch_add(1, Ordering::Relaxed);
        tell::limited(self.name.get(), limited.retry_after);
        limited
    }

    /// Admits a call that does not wait.
    #[inline]
    pub(crate) fn try_acquire(&self, weight: u32) -> Result<(), Limited> {
        let clock = self.now();
        self.reserve(&self.rules(), weight, clock, 0).map(drop)
    }

    /// Refuses a call whose wait became too long because of a pause.
    #[cold]
    pub(crate) fn revoke(&self, reservation: &Reservation, wait: u64) -> Limited {
        self.give_back(reservation);
        self.tell_limited(Limited {
            retry_after: Some(ticks::to_duration(wait)),
        })
    }

    /// Gives back what a call has taken that does not go.
    #[cold]
    pub(crate) fn give_back(&self, reservation: &Reservation) {
        let rules = self.rules();
        let quotas = self.arrivals.iter().zip(&rules.paces);
        for ((arrival, pace), taken) in quotas.zip(&reservation.taken) {
            if let Some(taken) = taken {
                arrival.give_back(*pace, *taken, || rules.pause.time(self.now()));
            }
        }
    }

    /// Returns the moment so many ticks after `clock`.
    pub(crate) fn instant(&self, clock: u64, wait: u64) -> Instant {
        later(self.epoch, ticks::to_duration(clock.saturating_add(wait)))
    }

    /// Admits nothing for so long from now, or for longer if that is so already.
    pub(crate) fn pause_for(&self, duration: Duration) {
        let clock = self.now();
        let extended = self.settings.hold(|settings| {
            let duration = duration.min(settings.max_pause);
            let end = clock.saturating_add(ticks::from_duration(duration));
            let mut rules = self.rules.current();
            if end <= rules.pause.until.max(clock) {
                return None;
            }
            rules.pause = rules.pause.extended(clock, end);
            self.rules.write(&rules);
            Some(duration)
        });
        if let Some(duration) = extended {
            self.pauses.fetch_add(1, Ordering::Relaxed);
            tell::paused(self.name.get(), duration);
        }
    }

    pub(crate) fn pause_left(&self) -> Duration {
        ticks::to_duration(self.rules().pause.left(self.now()))
    }

    /// Takes up what the far side counts; `false` if there is no such quota.
    pub(crate) fn correct(&self, quota: &str, remaining: u64, reset_after: Duration) -> bool {
        let found = self
            .settings
            .hold(|settings| Some((settings.index(quota)?, settings.max_pause)));
        let Some((index, max_pause)) = found else {
            return false;
        };
        if remaining == 0 {
            self.pause_for(reset_after);
            return true;
        }
        let rules = self.rules();
        if let (Some(pace), Some(arrival)) = (rules.paces.get(index), self.arrivals.get(index)) {
            let now = rules.pause.time(self.now());
            let reset = ticks::from_duration(reset_after.min(max_pause));
            // What is left and what is renewed until then are together no more than `remaining`.
            let used = now
                .saturating_add(reset)
                .saturating_add(pace.tolerance)
                .saturating_sub(remaining.saturating_mul(pace.interval));
            arrival.advance_to(used);
        }
        true
    }

    /// Takes new settings; a quota that keeps its name keeps how much of it is in use.
    pub(crate) fn reconfigure(&self, config: &RateLimitConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        let clock = self.now();
        self.settings.hold(|settings| {
            let old = self.rules.current();
            let names = settings.names.clone();
            let new = settings.take(config, old.pause);
            let now = old.pause.time(clock);
            for (index, arrival) in self.arrivals.iter().enumerate() {
                let kept = settings.names.get(index) == names.get(index);
                match (old.paces.get(index), new.paces.get(index)) {
                    (Some(from), Some(to)) if kept => arrival.rescale(*from, *to, now),
                    _ => arrival.reset(),
                }
            }
            self.rules.write(&new);
        });
        Ok(())
    }

    /// Returns how much of a quota a call could take at once; `None` if there is no such quota.
    pub(crate) fn available(&self, quota: &str) -> Option<u64> {
        let index = self.settings.hold(|settings| settings.index(quota))?;
        let rules = self.rules();
        let clock = self.now();
        if rules.pause.left(clock) > 0 {
            return Some(0);
        }
        let (arrival, pace) = (self.arrivals.get(index)?, rules.paces.get(index)?);
        Some(arrival.available(*pace, rules.pause.time(clock)))
    }

    pub(crate) fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    pub(crate) fn pauses(&self) -> u64 {
        self.pauses.load(Ordering::Relaxed)
    }

    /// Whether nothing was refused, paused, or is in use.
    pub(crate) fn is_as_new(&self) -> bool {
        let now = self.rules().pause.time(self.now());
        self.limited() == 0
            && self.pauses() == 0
            && self.arrivals.iter().all(|arrival| arrival.is_whole(now))
    }
}

impl Settings {
    /// Takes new settings and returns their rules. A name keeps its place.
    fn take(&mut self, config: &RateLimitConfig, pause: Pause) -> Rules {
        self.max_pause = config.max_pause;
        for place in &mut self.names {
            if !config
                .all()
                .any(|(name, ..)| place.as_deref() == Some(name))
            {
                *place = None;
            }
        }
        let mut rules = Rules {
            paces: [Pace::default(); MAX_QUOTAS],
            kinds: Kinds::default(),
            max_wait: ticks::from_duration(config.max_wait),
            pause,
        };
        for (name, quota, takes) in config.all() {
            let free = || self.names.iter().position(Option::is_none);
            let Some(index) = self.index(name).or_else(free) else {
                continue;
            };
            if let (Some(place), Some(pace)) =
                (self.names.get_mut(index), rules.paces.get_mut(index))
            {
                place.get_or_insert_with(|| name.into());
                *pace = quota.pace();
                rules.kinds = rules.kinds.with(index, takes);
            }
        }
        rules
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .position(|place| place.as_deref() == Some(name))
    }
}
