//! A retry around a breaker around a timeout.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::Retryable;
use contexter_breaker::Breaker;
use contexter_retry::Retry;
use contexter_service::{ByVerdict, Cx, DefaultClock, Policy};
use contexter_timeout::Timeout;
use layered::{Execute, Service as _, Stack};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_resilience_circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer};
use tower_resilience_retry::RetryLayer;
use tower_resilience_timelimiter::{TimeLimiterError, TimeLimiterLayer};

use super::closed::time_window;
use super::seatbelt_layers as seatbelt_with;
use crate::case::{Case, case};
use crate::floor;
use crate::operation::{Error, Outcome, pending, ready};

const LIMIT: Duration = Duration::from_secs(30);

/// What a pipeline of tower-resilience fails with.
type Nested = CircuitBreakerError<TimeLimiterError<Error>>;

/// The names of the cases with one operation.
struct Names {
    ours: &'static str,
    ours_window: &'static str,
    ours_tower: &'static str,
    by_hand: &'static str,
    tower_resilience: &'static str,
    tower_resilience_oneshot: &'static str,
    seatbelt: &'static str,
    seatbelt_tower: &'static str,
}

pub(super) fn add(cases: &mut Vec<Case>) {
    let names = Names {
        ours: "pipe/ours",
        ours_window: "pipe/ours (time window, slow calls)",
        ours_tower: "pipe/ours (tower)",
        by_hand: "pipe/by hand: backon+floor mutex+tokio timeout",
        tower_resilience: "pipe/tower-resilience",
        tower_resilience_oneshot: "pipe/tower-resilience, clone+oneshot per call",
        seatbelt: "pipe/seatbelt (layered execute)",
        seatbelt_tower: "pipe/seatbelt (tower)",
    };
    add_with(cases, &names, ready);
    let names = Names {
        ours: "pipe-pending/ours",
        ours_window: "pipe-pending/ours (time window, slow calls)",
        ours_tower: "pipe-pending/ours (tower)",
        by_hand: "pipe-pending/by hand: backon+floor mutex+tokio timeout",
        tower_resilience: "pipe-pending/tower-resilience",
        tower_resilience_oneshot: "pipe-pending/tower-resilience, clone+oneshot per call",
        seatbelt: "pipe-pending/seatbelt (layered execute)",
        seatbelt_tower: "pipe-pending/seatbelt (tower)",
    };
    add_with(cases, &names, pending);
}

fn add_with<Op, Fut>(cases: &mut Vec<Case>, names: &Names, operation: Op)
where
    Op: Fn(u64) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + Send + 'static,
{
    let retry = RetryLayer::<u64, u64, Nested>::builder()
        .max_attempts(3)
        .exponential_backoff(Duration::from_millis(100));
    let timeout = TimeLimiterLayer::builder().timeout_duration(LIMIT);
    let service = ServiceBuilder::new()
        .layer(retry.build())
        .layer(CircuitBreakerLayer::builder().build().unwrap())
        .layer(timeout.build())
        .service_fn(operation);
    let kept = service.clone();
    case!(cases, names.tower_resilience_oneshot, kept, |i| {
        kept.clone().oneshot(i).await
    });
    case!(cases, names.tower_resilience, mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });

    let context = seatbelt_with::context();
    let layers = || {
        (
            seatbelt_with::retry!(&context),
            seatbelt_with::breaker!(&context),
            seatbelt_with::timeout!(&context),
        )
    };
    let (retry, breaker, timeout) = layers();
    let stack = (retry, breaker, timeout, Execute::new(operation));
    let service = Arc::new(stack.into_service());
    case!(cases, names.seatbelt, service, |i| service.execute(i).await);
    let (retry, breaker, timeout) = layers();
    let service = ServiceBuilder::new()
        .layer(retry)
        .layer(breaker)
        .layer(timeout)
        .service_fn(operation);
    case!(cases, names.seatbelt_tower, mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });

    let backoff = backon::ExponentialBuilder::default().with_jitter();
    let floor = Arc::new(floor::Locked::closed());
    case!(cases, names.by_hand, floor, |i| {
        let floor = &floor;
        let timed = move || async move {
            let timed = tokio::time::timeout(LIMIT, operation(i));
            timed.await.unwrap_or(Err(Error::Elapsed))
        };
        let attempt = move || async move { floor.call(timed()).await };
        attempt
            .retry(backoff)
            .when(|error: &Error| *error != Error::Open)
            .await
    });

    add_ours(cases, names, operation);
}

fn retry() -> Retry<DefaultClock, ByVerdict> {
    Retry::new(contexter_retry::Config::new())
        .unwrap()
        .classify_by(ByVerdict)
}

fn breaker(config: contexter_breaker::Config) -> Breaker<DefaultClock, ByVerdict> {
    Breaker::new(config).unwrap().classify_by(ByVerdict)
}

fn add_ours<Op, Fut>(cases: &mut Vec<Case>, names: &Names, operation: Op)
where
    Op: Fn(u64) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + Send + 'static,
{
    let timeout = || Timeout::new(LIMIT).unwrap();
    let stack = Arc::new((
        retry(),
        breaker(contexter_breaker::Config::new()),
        timeout(),
    ));
    case!(cases, names.ours, stack, |i| stack
        .run(Cx::new(), |_cx| operation(i))
        .await);
    let stack = Arc::new((retry(), breaker(time_window()), timeout()));
    case!(cases, names.ours_window, stack, |i| stack
        .run(Cx::new(), |_cx| operation(i))
        .await);
    let service = ServiceBuilder::new()
        .layer(retry())
        .layer(breaker(contexter_breaker::Config::new()))
        .layer(timeout())
        .service_fn(operation);
    case!(cases, names.ours_tower, mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });
}
