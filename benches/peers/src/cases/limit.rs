//! A limit that admits the call at once.

use std::num::NonZeroU32;
use std::sync::Arc;

use contexter_limit::{
    AdaptiveConfig, AdaptiveLimit, Bulkhead, BulkheadConfig, Quota, RateLimitConfig, RateLimiter,
};
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::case::{Case, case};
use crate::operation::ready;

/// How many calls are renewed in a second: faster than any case calls.
const RENEWED: u32 = 500_000_000;
/// Nothing is refused even if a thread is stopped for a while with the time already read.
const BURST: u32 = RENEWED;
const CONCURRENT: usize = 64;

pub(super) fn add_peers(cases: &mut Vec<Case>) {
    let number = |number| NonZeroU32::new(number).unwrap();
    let quota = governor::Quota::per_second(number(RENEWED)).allow_burst(number(BURST));
    let limiter = Arc::new(governor::RateLimiter::direct(quota));
    case!(cases, "limit/governor", limiter, |i| {
        limiter.until_ready().await;
        ready(i).await
    });
    // By default it reads the processor's counter; here the clock that ours reads.
    let clock = governor::clock::MonotonicClock;
    let limiter = Arc::new(governor::RateLimiter::direct_with_clock(quota, clock));
    case!(cases, "limit/governor (std clock)", limiter, |i| {
        limiter.until_ready().await;
        ready(i).await
    });
    let limiter = Arc::new(governor::RateLimiter::direct(quota));
    case!(cases, "limit/governor (check)", limiter, |i| {
        limiter.check().unwrap();
        ready(i).await
    });

    let semaphore = Arc::new(Semaphore::new(CONCURRENT));
    case!(cases, "limit/tokio Semaphore", semaphore, |i| {
        let _permit = semaphore.acquire().await.unwrap();
        ready(i).await
    });
    let service = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(CONCURRENT))
        .service_fn(ready);
    case!(
        cases,
        "limit/tower 0.5 ConcurrencyLimit",
        mut service,
        |i| { service.ready().await.unwrap().call(i).await }
    );
}

pub(super) fn add_ours(cases: &mut Vec<Case>) {
    // Of ours, the limit of a second has the burst in it.
    let quota = Quota::per_second(u64::from(RENEWED) + u64::from(BURST)).burst(BURST.into());
    let limiter = || RateLimiter::new(RateLimitConfig::new().requests(quota)).unwrap();
    let shared = limiter();
    case!(cases, "limit/ours (rate)", shared, |i| {
        shared.call(|| ready(i)).await.unwrap()
    });
    let shared = limiter();
    case!(cases, "limit/ours (rate, try_acquire)", shared, |i| {
        shared.try_acquire(1).unwrap();
        ready(i).await
    });
    let both = RateLimitConfig::new().requests(quota).tokens(quota);
    let shared = RateLimiter::new(both).unwrap();
    case!(cases, "limit/ours (two quotas)", shared, |i| {
        shared.call(|| ready(i)).await.unwrap()
    });
    let service = ServiceBuilder::new().layer(limiter()).service_fn(ready);
    case!(cases, "limit/ours (rate, tower)", mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });

    let bulkhead = || Bulkhead::new(BulkheadConfig::new().max_concurrent(CONCURRENT)).unwrap();
    let shared = bulkhead();
    case!(cases, "limit/ours (bulkhead)", shared, |i| {
        shared.call(|| ready(i)).await.unwrap()
    });
    let service = ServiceBuilder::new().layer(bulkhead()).service_fn(ready);
    case!(cases, "limit/ours (bulkhead, tower)", mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });

    let adaptive = AdaptiveLimit::new(AdaptiveConfig::new()).unwrap();
    case!(cases, "limit/ours (adaptive)", adaptive, |i| {
        adaptive.call(|| ready(i)).await.unwrap()
    });
}
