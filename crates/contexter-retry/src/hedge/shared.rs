//! What all clones of a hedge share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contexter_service::{Event, InvalidConfig, PolicySnapshot};
use parking_lot::RwLock;

use crate::budget::{Allowance, Token};
use crate::hooks::guarded;
use crate::opening::{Opening, SharedOpening};
use crate::schedule::{CustomDelays, Schedule};
use crate::{Budget, HedgeConfig};

/// The settings and counts of a hedge. A call that is ready at once reads only the opening.
#[derive(Debug)]
pub(crate) struct HedgeShared {
    opening: SharedOpening,
    allowance: Allowance,
    config: RwLock<HedgeConfig>,
    schedule: Option<Schedule>,
    name: OnceLock<Arc<str>>,
    started: AtomicU64,
    won: AtomicU64,
}

/// The budget has no token left.
pub(crate) struct Exhausted;

impl HedgeShared {
    pub(crate) fn new(config: HedgeConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let allowance = Allowance::own(config.budget)?;
        Ok(Self {
            opening: SharedOpening::new(opening(&config, &allowance)),
            allowance,
            config: RwLock::new(config),
            schedule: None,
            name: OnceLock::new(),
            started: AtomicU64::new(0),
            won: AtomicU64::new(0),
        })
    }

    /// Changes what cannot change while others use it. Other handles go on as they were.
    pub(crate) fn edited(this: Arc<Self>, edit: impl FnOnce(&mut Self)) -> Arc<Self> {
        let mut shared = Arc::try_unwrap(this).unwrap_or_else(|shared| Self {
            opening: SharedOpening::new(shared.opening()),
            allowance: shared.allowance.clone(),
            config: RwLock::new(shared.config()),
            schedule: shared.schedule.clone(),
            name: shared.name.clone(),
            started: AtomicU64::new(0),
            won: AtomicU64::new(0),
        });
        edit(&mut shared);
        Arc::new(shared)
    }

    pub(crate) fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = Some(schedule);
    }

    pub(crate) fn set_budget(&mut self, budget: Budget) {
        self.allowance = Allowance::given(budget);
        self.opening
            .set(opening(self.config.get_mut(), &self.allowance));
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        // The first name stays.
        drop(self.name.set(name));
    }

    #[inline]
    pub(crate) fn opening(&self) -> Opening {
        self.opening.get()
    }

    pub(crate) fn config(&self) -> HedgeConfig {
        *self.config.read()
    }

    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.allowance
            .budget()
            .filter(|_| self.opening().is_budgeted())
    }

    pub(crate) fn reconfigure(&self, config: HedgeConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        let mut current = self.config.write();
        self.allowance.reconfigure(config.budget)?;
        *current = config;
        // Under the same lock, so that the two never tell of different settings.
        self.opening.set(opening(&config, &self.allowance));
        Ok(())
    }

    /// Counts a first attempt in the budget.
    #[inline]
    pub(crate) fn deposit(&self) {
        if let Some(budget) = self.allowance.budget() {
            budget.deposit();
        }
    }

    /// Returns the token of one more attempt, if there is a budget.
    pub(crate) fn withdraw(&self, attempt: u32) -> Result<Option<Token>, Exhausted> {
        if !self.opening().is_budgeted() {
            return Ok(None);
        }
        let token = self.allowance.budget().and_then(Budget::try_withdraw);
        if token.is_none() {
            self.tell(Event::RetryBudgetExhausted, attempt);
            return Err(Exhausted);
        }
        Ok(token)
    }

    /// The delay before the next attempt. `custom` is made by the first that is asked for.
    pub(crate) fn delay(&self, custom: &mut Option<CustomDelays>) -> Option<Duration> {
        match &self.schedule {
            None => Some(self.config.read().delay),
            Some(schedule) => custom.get_or_insert_with(|| schedule.delays()).next(),
        }
    }

    pub(crate) fn tell_started(&self, attempt: u32) {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.tell(Event::HedgeStarted, attempt);
    }

    pub(crate) fn tell_won(&self, attempt: u32) {
        self.won.fetch_add(1, Ordering::Relaxed);
        self.tell(Event::HedgeWon, attempt);
    }

    fn tell(&self, event: Event, attempt: u32) {
        guarded(|| {
            event.count(self.name.get());
            tracing::debug!(
                name = self.name.get().map(|name| &**name),
                mechanism = event.mechanism(),
                event = event.as_str(),
                attempt,
                "hedged call"
            );
        });
    }

    pub(crate) fn snapshot(&self) -> PolicySnapshot {
        let snapshot = PolicySnapshot::new("hedge")
            .with_counter("started", self.started.load(Ordering::Relaxed))
            .with_counter("won", self.won.load(Ordering::Relaxed));
        match self.budget() {
            Some(budget) => snapshot.with_counter("budget_tokens", budget.tokens()),
            None => snapshot,
        }
    }

    pub(crate) fn is_pristine(&self) -> bool {
        self.allowance.is_pristine()
    }
}

fn opening(config: &HedgeConfig, allowance: &Allowance) -> Opening {
    Opening::new(config.max_attempts).budgeted(allowance.is_on(config.budget))
}
