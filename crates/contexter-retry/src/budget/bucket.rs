//! The arithmetic of a budget: one word, which no interleaving overdraws.

use crate::BudgetConfig;
use crate::sync::{AtomicU64, Ordering};

/// The parts of a token. Divisible by all numbers to 16 and by a million, so that the usual ratios
/// are whole numbers of parts.
const TOKEN: u64 = 720_720_000_000;

/// Tokens in parts. All orderings are relaxed: the balance guards no other memory.
#[derive(Debug)]
pub(crate) struct Bucket {
    balance: AtomicU64,
    share: AtomicU64,
    limit: AtomicU64,
    reserve: AtomicU64,
}

impl Bucket {
    /// The settings must be valid.
    pub(crate) fn new(config: &BudgetConfig) -> Self {
        let reserve = parts(config.reserve);
        Self {
            balance: AtomicU64::new(reserve),
            share: AtomicU64::new(share(config.ratio)),
            limit: AtomicU64::new(parts(config.max_tokens)),
            reserve: AtomicU64::new(reserve),
        }
    }

    /// Adds what one first attempt earns. A full bucket is only read.
    #[inline]
    pub(crate) fn earn(&self) {
        self.add(self.share.load(Ordering::Relaxed));
    }

    /// Takes one token if there is a whole one.
    pub(crate) fn take(&self) -> bool {
        let mut balance = self.balance.load(Ordering::Relaxed);
        loop {
            let Some(rest) = balance.checked_sub(TOKEN) else {
                return false;
            };
            match self.exchange(balance, rest) {
                Ok(()) => return true,
                Err(found) => balance = found,
            }
        }
    }

    /// Puts one token back.
    pub(crate) fn give_back(&self) {
        self.add(TOKEN);
    }

    fn add(&self, amount: u64) {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut balance = self.balance.load(Ordering::Relaxed);
        while balance < limit {
            // Both are below 2⁶³: the limit by validation, the amount by being one token at most.
            let sum = (balance + amount).min(limit);
            match self.exchange(balance, sum) {
                Ok(()) => return,
                Err(found) => balance = found,
            }
        }
    }

    /// Takes new settings, which must be valid. The tokens stay, up to the new limit.
    pub(crate) fn reconfigure(&self, config: &BudgetConfig) {
        let limit = parts(config.max_tokens);
        self.share.store(share(config.ratio), Ordering::Relaxed);
        self.limit.store(limit, Ordering::Relaxed);
        self.reserve.store(parts(config.reserve), Ordering::Relaxed);
        let mut balance = self.balance.load(Ordering::Relaxed);
        while balance > limit {
            match self.exchange(balance, limit) {
                Ok(()) => return,
                Err(found) => balance = found,
            }
        }
    }

    fn exchange(&self, from: u64, to: u64) -> Result<(), u64> {
        self.balance
            .compare_exchange_weak(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .map(drop)
    }

    /// Returns how many whole tokens there are.
    pub(crate) fn tokens(&self) -> u64 {
        self.balance.load(Ordering::Relaxed) / TOKEN
    }

    /// Whether it holds what a new one would, or more.
    pub(crate) fn has_reserve(&self) -> bool {
        self.balance.load(Ordering::Relaxed) >= self.reserve.load(Ordering::Relaxed)
    }
}

fn parts(tokens: u32) -> u64 {
    u64::from(tokens) * TOKEN
}

/// A ratio in parts of a token.
///
/// It is rounded up to whole parts, never down: `n` first attempts then earn exactly `⌊n × ratio⌋`
/// tokens, until the error of less than 10⁻¹¹ of a token an attempt has added up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a valid ratio is above 0 and at most 1, and a token has less than 2⁵³ parts"
)]
fn share(ratio: f64) -> u64 {
    (ratio * TOKEN as f64).ceil() as u64
}
