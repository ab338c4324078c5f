//! How many repeats there may be for the first attempts that are made.

mod bucket;
mod config;

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use contexter_service::{InvalidConfig, PolicySnapshot, is_unshared};

use self::bucket::Bucket;

pub use self::config::BudgetConfig;

/// A bound on repeats as a share of first attempts.
///
/// Without one, a far side that fails gets several times its usual load, just when it can bear it
/// least. Every first attempt earns `ratio` tokens, whether it succeeds or not; every retry and
/// every hedged attempt takes one. Where there is none, the original outcome stands. Successes of
/// repeats earn nothing.
///
/// The bucket is bounded: it starts with `reserve` tokens and keeps at most `max_tokens`, so that
/// a long time without failures does not pay for a storm. Tokens do not expire.
///
/// Cloning shares the tokens: give clones to several retries and hedges of one far side. All
/// operations are one atomic operation; a full bucket is only read. Shares are exact: with a ratio
/// of 0.6, five first attempts earn three tokens.
///
/// # Examples
///
/// ```
/// use contexter_retry::{Budget, BudgetConfig};
///
/// let budget = Budget::new(BudgetConfig::new().ratio(0.2).reserve(0))?;
/// assert!(budget.try_withdraw().is_none());
/// for _ in 0..5 {
///     budget.deposit();
/// }
/// let token = budget.try_withdraw().expect("five first attempts earn a repeat");
/// token.spend();
/// assert_eq!(budget.tokens(), 0);
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

struct Inner {
    bucket: Bucket,
    withdrawn: AtomicU64,
    exhausted: AtomicU64,
}

impl Budget {
    /// Makes a budget that holds its reserve.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: BudgetConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            inner: Arc::new(Inner {
                bucket: Bucket::new(&config),
                withdrawn: AtomicU64::new(0),
                exhausted: AtomicU64::new(0),
            }),
        })
    }

    /// Adds what one first attempt earns.
    #[inline]
    pub fn deposit(&self) {
        self.inner.bucket.earn();
    }

    /// Takes a token for one repeat, or nothing if there is no whole token.
    #[must_use = "a token that is dropped goes back"]
    pub fn try_withdraw(&self) -> Option<Token> {
        if !self.inner.bucket.take() {
            self.inner.exhausted.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.inner.withdrawn.fetch_add(1, Ordering::Relaxed);
        Some(Token {
            from: Some(self.clone()),
        })
    }

    /// Returns how many whole tokens there are.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.inner.bucket.tokens()
    }

    /// Takes new settings, for all clones. The tokens stay, up to the new `max_tokens`.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: BudgetConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        self.inner.bucket.reconfigure(&config);
        Ok(())
    }

    /// Returns the counters `tokens`, `withdrawn` (tokens taken so far, those given back included)
    /// and `exhausted` (repeats that got none).
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        PolicySnapshot::new("budget")
            .with_counter("tokens", self.tokens())
            .with_counter("withdrawn", self.inner.withdrawn.load(Ordering::Relaxed))
            .with_counter("exhausted", self.inner.exhausted.load(Ordering::Relaxed))
    }

    /// Returns whether this budget allows all that a new one would: it holds its reserve or more, and
    /// has no other handle. What it has counted for its [`snapshot`](Self::snapshot) does not matter,
    /// and what it has earned beyond the reserve is no right to keep.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.inner) && self.is_as_new()
    }

    fn is_as_new(&self) -> bool {
        self.inner.bucket.has_reserve()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("tokens", &self.tokens())
            .finish_non_exhaustive()
    }
}

/// The right to one repeat, from [`Budget::try_withdraw`].
///
/// It is held while the repeat waits. Dropping it unspent, because the repeat is not made after
/// all, gives it back.
#[derive(Debug)]
#[must_use = "a token that is dropped goes back"]
pub struct Token {
    from: Option<Budget>,
}

impl Token {
    /// Says that the repeat has begun: the token is gone.
    pub fn spend(mut self) {
        self.from = None;
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(budget) = self.from.take() {
            budget.inner.bucket.give_back();
        }
    }
}

/// The budget of one mechanism: none, one of its own, or one that was given to it.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    budget: OnceLock<Budget>,
    given: bool,
}

impl Allowance {
    pub(crate) fn own(config: Option<BudgetConfig>) -> Result<Self, InvalidConfig> {
        let allowance = Self {
            budget: OnceLock::new(),
            given: false,
        };
        allowance.reconfigure(config)?;
        Ok(allowance)
    }

    pub(crate) fn given(budget: Budget) -> Self {
        Self {
            budget: OnceLock::from(budget),
            given: true,
        }
    }

    /// Whether repeats are bounded under these settings.
    pub(crate) fn is_on(&self, config: Option<BudgetConfig>) -> bool {
        self.given || config.is_some()
    }

    /// The budget, which is there from the first time that it was on.
    #[inline]
    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.budget.get()
    }

    /// Takes new settings. A budget that was given is left to whoever gave it.
    pub(crate) fn reconfigure(&self, config: Option<BudgetConfig>) -> Result<(), InvalidConfig> {
        let Some(config) = config.filter(|_| !self.given) else {
            return Ok(());
        };
        // Two at once make one budget, and the later settings are its.
        let made = Budget::new(config)?;
        self.budget.get_or_init(|| made).reconfigure(config)
    }

    /// Whether it allows what a new one would. Other handles to its budget do not matter: they go on
    /// with it as it is.
    pub(crate) fn is_pristine(&self) -> bool {
        self.given || self.budget.get().is_none_or(Budget::is_as_new)
    }
}
