//! What the account is allowed.

use std::time::Duration;

use contexter_limit::{Quota, RateLimitConfig, Shape};
use serde::{Deserialize, Serialize};

use crate::limits::MARKERS;
use crate::{Model, ModelKind};

/// The usage tier of the organisation, which multiplies the quotas of every model.
///
/// Source: <https://docs.voyageai.com/docs/rate-limits>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Tier {
    /// No payment method on file: 3 requests and 10,000 tokens a minute. `unpaid` in configuration.
    ///
    /// With this tier the vendor's answer that a payment method is missing counts as ordinary
    /// throttling; with any other it ends the call as
    /// [`QuotaExhausted`](contexter_model::ErrorKind::QuotaExhausted).
    #[serde(rename = "unpaid")]
    Unpaid,
    /// A payment method is on file: 2,000 requests a minute, and the tokens of
    /// [`Model::tokens_per_minute`]. `tier_1` in configuration; the default.
    #[default]
    #[serde(rename = "tier_1")]
    One,
    /// $100 have been paid: twice the quotas. `tier_2` in configuration.
    #[serde(rename = "tier_2")]
    Two,
    /// $1,000 have been paid: three times the quotas. `tier_3` in configuration.
    #[serde(rename = "tier_3")]
    Three,
}

/// How many requests a minute tier 1 allows, of every model.
pub const TIER_1_REQUESTS: u64 = 2_000;
/// How many requests a minute there are without a payment method.
pub const UNPAID_REQUESTS: u64 = 3;
/// How many tokens a minute there are without a payment method.
pub const UNPAID_TOKENS: u64 = 10_000;

/// The wait after which an account without a payment method has another request.
pub(crate) const UNPAID_WAIT: Duration = Duration::from_secs(20);

impl Tier {
    fn factor(self) -> u64 {
        match self {
            Self::Unpaid | Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }

    /// Returns how many requests a minute of one model the tier allows.
    #[must_use]
    pub fn requests_per_minute(self) -> u64 {
        match self {
            Self::Unpaid => UNPAID_REQUESTS,
            _ => TIER_1_REQUESTS * self.factor(),
        }
    }

    /// Returns how many tokens a minute of `model` the tier allows.
    #[must_use]
    pub fn tokens_per_minute(self, model: &Model) -> u64 {
        match self {
            Self::Unpaid => UNPAID_TOKENS,
            _ => model.tokens_per_minute.saturating_mul(self.factor()),
        }
    }
}

/// A burst of tokens is this part of the quota, in thousandths, where a single text is no larger:
/// what a burst takes goes off the rate, so that it costs as much of the quota's use.
const BURST_PER_MILLE: u64 = 15;
/// A burst of requests, in thousandths.
const REQUEST_BURST_PER_MILLE: u64 = 20;
/// A burst of a reranker, in thousandths: somebody waits for the answer, and one search is one
/// request with all its documents.
const RERANK_BURST_PER_MILLE: u64 = 300;

/// Returns the quotas of `model` such that, whichever way the vendor counts a minute, no minute sees
/// more than is allowed, and all but the burst of it can be used.
pub(crate) fn quotas(
    model: &Model,
    requests: u64,
    tokens: u64,
    max_wait: Duration,
) -> RateLimitConfig {
    RateLimitConfig::new()
        .requests(request_quota(requests))
        .tokens(token_quota(model, tokens))
        .max_wait(max_wait)
}

fn request_quota(limit: u64) -> Quota {
    let burst = limit.saturating_mul(REQUEST_BURST_PER_MILLE) / 1_000;
    let quota = Quota::per_minute(limit);
    if burst > 1 {
        quota.burst(burst)
    } else {
        // Evenly spaced calls never have more than the limit in any minute.
        quota.shape(Shape::TokenBucket).burst(1)
    }
}

fn token_quota(model: &Model, limit: u64) -> Quota {
    let share = match model.kind {
        ModelKind::Rerank => RERANK_BURST_PER_MILLE,
        _ => BURST_PER_MILLE,
    };
    let needed = model.context.saturating_add(MARKERS);
    let burst = (limit.saturating_mul(share) / 1_000).max(needed);
    let quota = Quota::per_minute(limit);
    // A quota hardly larger than one text cannot keep a burst back. Then it is a bucket that holds
    // all of it, and what the vendor says corrects it.
    if burst <= limit.saturating_mul(RERANK_BURST_PER_MILLE) / 1_000 {
        quota.burst(burst)
    } else {
        quota.shape(Shape::TokenBucket).burst(limit)
    }
}
