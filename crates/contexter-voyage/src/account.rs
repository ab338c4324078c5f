//! What was used, and what it cost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use crate::Model;

/// Models beyond this number are counted together.
const MAX_MODELS: usize = 64;

/// Under this name.
const OTHERS: &str = "others";

/// A geography's host costs so much more, in percent.
///
/// Source: <https://www.mongodb.com/docs/voyageai/>, geography-scoped endpoints.
const SURCHARGE_PERCENT: u64 = 10;

/// A batch job costs so much less, in percent.
///
/// Source: <https://docs.voyageai.com/docs/batch-inference>.
const JOB_DISCOUNT_PERCENT: u64 = 33;

/// Pico-dollars in a micro-dollar: prices are micro-dollars for a million.
const MICRO: u64 = 1_000_000;

/// What an adapter has used since it was made, as the vendor counted it.
///
/// The cost is by the list of prices of [`Model`]: free allowances are not known here, and a model
/// that is not in the table costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UsageSnapshot {
    /// Requests that were answered, by whatever status.
    pub requests: u64,
    /// Requests that were answered by status 429.
    pub throttled: u64,
    /// Tokens.
    pub tokens: u64,
    /// Pixels of images and videos.
    pub pixels: u64,
    /// Micro-dollars: 1,000,000 of them are one dollar.
    pub cost_micro_dollars: u64,
    /// The same for each model.
    pub models: BTreeMap<String, ModelUsage>,
}

/// What one model has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelUsage {
    /// Requests that were answered, by whatever status.
    pub requests: u64,
    /// Requests that were answered by status 429.
    pub throttled: u64,
    /// Tokens.
    pub tokens: u64,
    /// Pixels of images and videos.
    pub pixels: u64,
    /// Micro-dollars, rounded down.
    pub cost_micro_dollars: u64,
}

/// Counts.
#[derive(Debug)]
pub(crate) struct Account {
    has_surcharge: bool,
    models: Mutex<BTreeMap<String, Totals>>,
    last_success: Mutex<Option<Instant>>,
    /// Whether the last request of a model failed, for another reason than the quota.
    is_troubled: AtomicBool,
}

/// What becomes of one request, counted when this is dropped: with the request, if whoever sent it waits
/// no longer. An answer that did not come in time is none.
pub(crate) struct Answer<'a> {
    account: &'a Account,
    model: &'a str,
    status: Option<u16>,
}

impl Answer<'_> {
    /// Takes up that a reply of this status came, or none.
    pub(crate) fn came(&mut self, status: Option<u16>) {
        self.status = status;
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        self.account.answered(self.model, self.status);
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    requests: u64,
    throttled: u64,
    tokens: u64,
    pixels: u64,
    /// In pico-dollars, so that nothing is lost by rounding.
    cost: u64,
}

impl Account {
    pub(crate) fn new(has_surcharge: bool) -> Self {
        Self {
            has_surcharge,
            models: Mutex::default(),
            last_success: Mutex::default(),
            is_troubled: AtomicBool::new(false),
        }
    }

    /// Counts what becomes of a request that is about to be sent.
    pub(crate) fn awaits<'a>(&'a self, model: &'a str) -> Answer<'a> {
        Answer {
            account: self,
            model,
            status: None,
        }
    }

    /// Counts a reply of this status; `None` where none came. After one that is no success, what
    /// succeeded before shows nothing. That the quota was used up says nothing either way, and nor do
    /// files and jobs, which are calls without a model.
    pub(crate) fn answered(&self, model: &str, status: Option<u16>) {
        if !model.is_empty() && !matches!(status, Some(200..300 | 429)) {
            *self.last_success.lock() = None;
            self.is_troubled.store(true, Ordering::Relaxed);
        }
        let Some(status) = status else {
            return;
        };
        self.change(model, |totals| {
            totals.requests = totals.requests.saturating_add(1);
            if status == 429 {
                totals.throttled = totals.throttled.saturating_add(1);
            }
        });
    }

    /// Counts what a successful request used.
    pub(crate) fn used(&self, model: &Model, tokens: u64, pixels: u64, now: Instant) {
        self.charge(model, tokens, pixels, 100);
        *self.last_success.lock() = Some(now);
        self.is_troubled.store(false, Ordering::Relaxed);
    }

    /// Counts what a line of a batch job used.
    pub(crate) fn used_by_job(&self, model: &Model, tokens: u64) {
        self.charge(model, tokens, 0, 100 - JOB_DISCOUNT_PERCENT);
    }

    fn charge(&self, model: &Model, tokens: u64, pixels: u64, percent: u64) {
        let surcharge = if self.has_surcharge {
            SURCHARGE_PERCENT
        } else {
            0
        };
        let price = model.price;
        let of_pixels = pixels.saturating_mul(price.pixels);
        let list = tokens
            .saturating_mul(price.tokens)
            .saturating_add(of_pixels);
        let cost = u128::from(list) * u128::from(percent) * u128::from(100 + surcharge) / 10_000;
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        self.change(&model.name, |totals| {
            totals.tokens = totals.tokens.saturating_add(tokens);
            totals.pixels = totals.pixels.saturating_add(pixels);
            totals.cost = totals.cost.saturating_add(cost);
        });
    }

    fn change(&self, model: &str, change: impl FnOnce(&mut Totals)) {
        let mut models = self.models.lock();
        if let Some(totals) = models.get_mut(model) {
            change(totals);
            return;
        }
        let name = if models.len() < MAX_MODELS {
            model
        } else {
            OTHERS
        };
        change(models.entry(name.to_owned()).or_default());
    }

    /// Returns whether the last request that succeeded is no longer ago than `age`.
    pub(crate) fn has_succeeded_within(&self, age: Duration, now: Instant) -> bool {
        let last = *self.last_success.lock();
        last.is_some_and(|at| now.saturating_duration_since(at) <= age)
    }

    /// Returns whether the last request of a model failed, for another reason than the quota.
    pub(crate) fn is_troubled(&self) -> bool {
        self.is_troubled.load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot(&self) -> UsageSnapshot {
        let mut snapshot = UsageSnapshot::default();
        let mut cost: u64 = 0;
        for (name, totals) in &*self.models.lock() {
            snapshot.requests = snapshot.requests.saturating_add(totals.requests);
            snapshot.throttled = snapshot.throttled.saturating_add(totals.throttled);
            snapshot.tokens = snapshot.tokens.saturating_add(totals.tokens);
            snapshot.pixels = snapshot.pixels.saturating_add(totals.pixels);
            cost = cost.saturating_add(totals.cost);
            // Files and batch jobs are calls without a model.
            if name.is_empty() {
                continue;
            }
            let usage = ModelUsage {
                requests: totals.requests,
                throttled: totals.throttled,
                tokens: totals.tokens,
                pixels: totals.pixels,
                cost_micro_dollars: totals.cost / MICRO,
            };
            snapshot.models.insert(name.clone(), usage);
        }
        snapshot.cost_micro_dollars = cost / MICRO;
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use contexter_service::{Clock as _, DefaultClock};

    use super::*;
    use crate::ModelKind;

    fn now() -> Instant {
        DefaultClock.now()
    }

    #[test]
    fn the_cost_is_that_of_the_list_of_prices() {
        let account = Account::new(false);
        let model = Model::named("voyage-4-large", ModelKind::Text);
        account.used(&model, 1_000_000, 0, now());
        assert_eq!(account.snapshot().cost_micro_dollars, 120_000);
        let images = Model::named("voyage-multimodal-3.5", ModelKind::Multimodal);
        account.used(&images, 0, 1_000_000_000, now());
        assert_eq!(account.snapshot().cost_micro_dollars, 720_000);
        assert_eq!(account.snapshot().models.len(), 2);
    }

    #[test]
    fn small_requests_are_not_rounded_away() {
        let account = Account::new(false);
        let model = Model::named("voyage-4-lite", ModelKind::Text);
        for _ in 0..1_000 {
            account.used(&model, 7, 0, now());
        }
        // 7,000 tokens at 0.02 micro-dollars.
        assert_eq!(account.snapshot().cost_micro_dollars, 140);
    }

    #[test]
    fn a_geography_costs_a_tenth_more_and_a_job_a_third_less() {
        let model = Model::named("voyage-4", ModelKind::Text);
        let account = Account::new(true);
        account.used(&model, 1_000_000, 0, now());
        assert_eq!(account.snapshot().cost_micro_dollars, 66_000);
        let account = Account::new(false);
        account.used_by_job(&model, 1_000_000);
        assert_eq!(account.snapshot().cost_micro_dollars, 40_200);
    }

    #[test]
    fn the_table_of_models_is_bounded() {
        let account = Account::new(false);
        for number in 0..1_000 {
            account.answered(&format!("model-{number}"), Some(200));
        }
        let snapshot = account.snapshot();
        assert_eq!(snapshot.requests, 1_000);
        assert_eq!(snapshot.models.len(), MAX_MODELS + 1);
    }
}
