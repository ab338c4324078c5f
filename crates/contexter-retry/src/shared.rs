//! What all clones of a retry share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use contexter_service::{Backoff, InvalidConfig, PolicySnapshot};
use parking_lot::RwLock;

use crate::budget::{Allowance, Token};
use crate::hooks::Hooks;
use crate::opening::{Opening, SharedOpening};
use crate::plan::Repeats;
use crate::schedule::Schedule;
use crate::{Budget, Config, GaveUp, Scheduled};

/// The settings and counts of a retry. A call that succeeds at once reads only the opening.
#[derive(Debug)]
pub(crate) struct Shared {
    opening: SharedOpening,
    allowance: Allowance,
    settings: RwLock<(Config, Backoff)>,
    schedule: Option<Schedule>,
    hooks: Hooks,
    name: OnceLock<Arc<str>>,
    retries: AtomicU64,
    gave_up: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let allowance = Allowance::own(config.budget)?;
        Ok(Self {
            opening: SharedOpening::new(opening(&config, &allowance)),
            allowance,
            settings: RwLock::new((config, config.backoff()?)),
            schedule: None,
            hooks: Hooks::default(),
            name: OnceLock::new(),
            retries: AtomicU64::new(0),
            gave_up: AtomicU64::new(0),
        })
    }

    /// The same settings, for another handle; nothing has been counted yet.
    fn copied(&self) -> Self {
        let settings = *self.settings.read();
        Self {
            opening: SharedOpening::new(opening(&settings.0, &self.allowance)),
            allowance: self.allowance.clone(),
            settings: RwLock::new(settings),
            schedule: self.schedule.clone(),
            hooks: self.hooks.clone(),
            name: self.name.clone(),
            retries: AtomicU64::new(0),
            gave_up: AtomicU64::new(0),
        }
    }

    /// Changes what cannot change while others use it. Other handles go on as they were.
    pub(crate) fn edited(this: Arc<Self>, edit: impl FnOnce(&mut Self)) -> Arc<Self> {
        let mut shared = Arc::try_unwrap(this).unwrap_or_else(|shared| shared.copied());
        edit(&mut shared);
        Arc::new(shared)
    }

    pub(crate) fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = Some(schedule);
    }

    pub(crate) fn hooks_mut(&mut self) -> &mut Hooks {
        &mut self.hooks
    }

    pub(crate) fn set_budget(&mut self, budget: Budget) {
        self.allowance = Allowance::given(budget);
        self.opening
            .set(opening(&self.settings.get_mut().0, &self.allowance));
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        // The first name stays.
        drop(self.name.set(name));
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.get().map(|name| &**name)
    }

    #[inline]
    pub(crate) fn opening(&self) -> Opening {
        self.opening.get()
    }

    pub(crate) fn config(&self) -> Config {
        self.settings.read().0
    }

    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.allowance
            .budget()
            .filter(|_| self.opening().is_budgeted())
    }

    pub(crate) fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate()?;
        let backoff = config.backoff()?;
        let mut settings = self.settings.write();
        self.allowance.reconfigure(config.budget)?;
        *settings = (config, backoff);
        // Under the same lock, so that the two never tell of different settings.
        self.opening.set(opening(&config, &self.allowance));
        Ok(())
    }

    /// The settings in force and a fresh sequence of delays, for a call that has failed.
    pub(crate) fn repeats(&self) -> Repeats {
        let (config, backoff) = *self.settings.read();
        Repeats {
            config,
            delays: backoff.delays(),
            custom: self.schedule.as_ref().map(Schedule::delays),
            token: None,
            waited_for_refusal: false,
        }
    }

    /// Counts a first attempt in the budget.
    #[inline]
    pub(crate) fn deposit(&self) {
        if let Some(budget) = self.allowance.budget() {
            budget.deposit();
        }
    }

    pub(crate) fn withdraw(&self) -> Option<Token> {
        self.allowance.budget()?.try_withdraw()
    }

    pub(crate) fn tell_scheduled(&self, scheduled: &Scheduled<'_>) {
        self.retries.fetch_add(1, Ordering::Relaxed);
        self.hooks.scheduled(scheduled, self.name.get());
    }

    pub(crate) fn tell_gave_up(&self, gave_up: &GaveUp<'_>) {
        self.gave_up.fetch_add(1, Ordering::Relaxed);
        self.hooks.gave_up(gave_up, self.name.get());
    }

    pub(crate) fn snapshot(&self) -> PolicySnapshot {
        let snapshot = PolicySnapshot::new("retry")
            .with_counter("retries", self.retries.load(Ordering::Relaxed))
            .with_counter("gave_up", self.gave_up.load(Ordering::Relaxed));
        match self.budget() {
            Some(budget) => snapshot.with_counter("budget_tokens", budget.tokens()),
            None => snapshot,
        }
    }

    pub(crate) fn is_pristine(&self) -> bool {
        self.allowance.is_pristine()
    }
}

fn opening(config: &Config, allowance: &Allowance) -> Opening {
    Opening::new(config.max_attempts)
        .timed(config.max_elapsed.is_some())
        .budgeted(allowance.is_on(config.budget))
        .waits_if_refused(config.wait_if_refused)
}
