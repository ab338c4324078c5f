//! What all handles to one rate limiter share.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use contexter_service::{Clock, InvalidConfig, Limited, later};

use super::config::RateLimitConfig;
use super::gcra::{Arrival, Taken};
use super::rules::{Rule, Rules, RulesCell};
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

/// A call that has taken its part of every quota, and may go when it is due by all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reservation {
    taken: [Option<Taken>; MAX_QUOTAS],
    generation: u64,
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
        let mut wait = rules.pause_left(clock);
        for (rule, taken) in rules.quotas.iter().zip(&self.taken) {
            if let Some(taken) = taken {
                wait = wait.max(rule.freeze.wait(clock, taken.due));
            }
        }
        match wait {
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
        let rules = settings.take(config);
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

    pub(crate) fn rules(&self) -> Rules {
        self.rules.read(&self.settings)
    }

    /// Takes the call's part if there is one quota, which admits it at once. The short way of
    /// [`reserve`](Self::reserve), which is to be asked if this says no.
    #[inline]
    pub(crate) fn reserve_at_once(&self, weight: u32, clock: u64) -> bool {
        let [arrival, ..] = &self.arrivals;
        let took = self
            .rules
            .read_single(weight, clock)
            .and_then(|(rule, amount)| {
                let (cost, now) = (rule.pace.cost(amount)?, rule.freeze.time(clock));
                arrival.take(rule.pace, now, cost, now)
            });
        took.is_some()
    }

    /// Takes the call's part of every quota, or of none, if the call may then go within `longest`
    /// ticks of `clock`. The empty `reservation` is filled in its place.
    pub(crate) fn reserve(
        &self,
        rules: &Rules,
        weight: u32,
        clock: u64,
        longest: u64,
        reservation: &mut Reservation,
    ) -> Result<(), Limited> {
        // A pause that is too long for it refuses a call before it takes anything. And asking first
        // leaves nothing to give back unless another call comes in between.
        let single = rules.kinds.is_single();
        let too_long = || {
            self.wait(rules, weight, clock)
                .is_none_or(|wait| wait > longest)
        };
        if rules.pause_left(clock) > longest || (!single && too_long()) {
            return Err(self.refuse(rules, weight, clock));
        }
        reservation.generation = rules.generation;
        for (index, ((arrival, rule), taken)) in self
            .arrivals
            .iter()
            .zip(&rules.quotas)
            .zip(&mut reservation.taken)
            .take(rules.kinds.len())
            .enumerate()
        {
            let amount = rules.kinds.amount(index, weight);
            if amount > 0 {
                *taken = rule.pace.cost(amount).and_then(|cost| {
                    let latest = rule.freeze.latest(clock, longest);
                    arrival.take(rule.pace, rule.freeze.time(clock), cost, latest)
                });
                if taken.is_none() {
                    self.give_back(reservation);
                    return Err(self.refuse(rules, weight, clock));
                }
            }
        }
        Ok(())
    }

    /// Returns how long a call would have to wait; `None` if it takes more than a burst.
    fn wait(&self, rules: &Rules, weight: u32, clock: u64) -> Option<u64> {
        let mut wait = rules.pause_left(clock);
        let quotas = self.arrivals.iter().zip(&rules.quotas);
        for (index, (arrival, rule)) in quotas.take(rules.kinds.len()).enumerate() {
            let amount = rules.kinds.amount(index, weight);
            if amount > 0 {
                let cost = rule.pace.cost(amount)?;
                let due = arrival.due(rule.pace, rule.freeze.time(clock), cost);
                wait = wait.max(rule.freeze.wait(clock, due));
            }
        }
        Some(wait)
    }

    /// Counts and tells a refusal.
    #[cold]
    fn refuse(&self, rules: &Rules, weight: u32, clock: u64) -> Limited {
        let retry_after = self.wait(rules, weight, clock).map(ticks::to_duration);
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
        if self.reserve_at_once(weight, clock) {
            return Ok(());
        }
        let mut reservation = Reservation::default();
        self.reserve(&self.rules(), weight, clock, 0, &mut reservation)
    }

    /// Refuses a call whose wait became too long because of a pause.
    #[cold]
    pub(crate) fn revoke(&self, reservation: &Reservation, wait: u64) -> Limited {
        self.give_back(reservation);
        self.tell_limited(Limited {
            retry_after: Some(ticks::to_duration(wait)),
        })
    }

    /// Gives back what a call has taken that does not go. After new settings it stays taken: it was
    /// counted by the old ones.
    #[cold]
    pub(crate) fn give_back(&self, reservation: &Reservation) {
        for (index, (arrival, taken)) in self.arrivals.iter().zip(&reservation.taken).enumerate() {
            let rule = || {
                let rules = self.rules();
                let rule = rules.quotas.get(index)?;
                (rules.generation == reservation.generation).then_some(*rule)
            };
            if let (Some(taken), Some(Rule { pace, .. })) = (taken, rule()) {
                arrival.give_back(pace, *taken, || {
                    let freeze = rule().map(|rule| rule.freeze).unwrap_or_default();
                    freeze.time(self.now())
                });
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
            if end <= rules.until.max(clock) {
                return None;
            }
            rules.until = end;
            for rule in &mut rules.quotas {
                rule.freeze = rule.freeze.extended(clock, end);
            }
            self.rules.write(&rules);
            Some(duration)
        });
        if let Some(duration) = extended {
            self.pauses.fetch_add(1, Ordering::Relaxed);
            tell::paused(self.name.get(), duration);
        }
    }

    pub(crate) fn pause_left(&self) -> Duration {
        ticks::to_duration(self.rules().pause_left(self.now()))
    }

    /// Takes up what the far side counts; `false` if there is no such quota.
    pub(crate) fn correct(&self, quota: &str, remaining: u64, reset_after: Duration) -> bool {
        let clock = self.now();
        let found = self.settings.hold(|settings| {
            let index = settings.index(quota)?;
            let reset = ticks::from_duration(reset_after.min(settings.max_pause));
            if remaining > 0 {
                self.lower(index, clock, remaining, reset);
            }
            Some(())
        });
        if found.is_some() && remaining == 0 {
            self.pause_for(reset_after);
        }
        found.is_some()
    }

    /// Makes a quota admit no more than `remaining` in the next `reset` ticks: what is there at once,
    /// and the rest by what is renewed in the last part of them. The lock is held.
    fn lower(&self, index: usize, clock: u64, remaining: u64, reset: u64) {
        let mut rules = self.rules.current();
        let (Some(rule), Some(arrival)) = (rules.quotas.get_mut(index), self.arrivals.get(index))
        else {
            return;
        };
        let remaining = remaining.saturating_mul(rule.pace.interval);
        let at_once = arrival.lower_to(rule.pace, rule.freeze.time(clock), remaining);
        let frozen = reset.saturating_sub(remaining.saturating_sub(at_once));
        if frozen > 0 {
            rule.freeze = rule.freeze.extended(clock, clock.saturating_add(frozen));
            self.rules.write(&rules);
        }
    }

    /// Takes new settings; a quota that keeps its name keeps how much of it is in use.
    pub(crate) fn reconfigure(&self, config: &RateLimitConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        let clock = self.now();
        self.settings.hold(|settings| {
            let old = self.rules.current();
            let names = settings.names.clone();
            let mut new = settings.take(config);
            new.until = old.until;
            new.generation = old.generation.wrapping_add(1);
            for (index, arrival) in self.arrivals.iter().enumerate() {
                let kept = settings.names.get(index) == names.get(index);
                match (old.quotas.get(index), new.quotas.get_mut(index)) {
                    (Some(from), Some(to)) if kept => {
                        to.freeze = from.freeze;
                        arrival.rescale(from.pace, to.pace, to.freeze.time(clock));
                    }
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
        if rules.pause_left(clock) > 0 {
            return Some(0);
        }
        let (arrival, rule) = (self.arrivals.get(index)?, rules.quotas.get(index)?);
        Some(arrival.available(rule.pace, rule.freeze.time(clock)))
    }

    pub(crate) fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    pub(crate) fn pauses(&self) -> u64 {
        self.pauses.load(Ordering::Relaxed)
    }

    /// Whether nothing of a quota is in use, and no pause lasts. What was refused does not matter.
    pub(crate) fn is_as_new(&self) -> bool {
        let (rules, clock) = (self.rules(), self.now());
        let mut quotas = self.arrivals.iter().zip(&rules.quotas);
        rules.pause_left(clock) == 0
            && quotas.all(|(arrival, Rule { freeze, .. })| {
                !freeze.lasts(clock) && arrival.is_whole(freeze.time(clock))
            })
    }
}

impl Settings {
    /// Takes new settings and returns their rules. A name keeps its place.
    fn take(&mut self, config: &RateLimitConfig) -> Rules {
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
            max_wait: ticks::from_duration(config.max_wait),
            ..Rules::default()
        };
        for (name, quota, takes) in config.all() {
            let free = || self.names.iter().position(Option::is_none);
            let Some(index) = self.index(name).or_else(free) else {
                continue;
            };
            if let (Some(place), Some(rule)) =
                (self.names.get_mut(index), rules.quotas.get_mut(index))
            {
                place.get_or_insert_with(|| name.into());
                rule.pace = quota.pace();
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
