//! A breaker that is closed: the call succeeds.

use std::sync::Arc;
use std::time::Duration;

use contexter_breaker::{Breaker, Config, Window};
use failsafe::futures::CircuitBreaker as _;
use layered::{Execute, Service as _, Stack};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

use super::seatbelt_layers as seatbelt_with;
use crate::case::{Case, case};
use crate::floor;
use crate::operation::ready;

pub(super) fn add_floors(cases: &mut Vec<Case>) {
    let floor = Arc::new(floor::Atomic::closed());
    case!(cases, "closed/floor atomic consecutive", floor, |i| floor
        .call(ready(i))
        .await);
    let floor = Arc::new(floor::Atomic::closed());
    case!(
        cases,
        "closed/floor atomic consecutive, named future",
        floor,
        |i| floor.wrap(ready(i)).await
    );
    let floor = Arc::new(floor::Locked::closed());
    case!(cases, "closed/floor mutex ring+2 clock reads", floor, |i| {
        floor.call(ready(i)).await
    });
}

pub(super) fn add_peers(cases: &mut Vec<Case>) {
    let breaker = failsafe::Config::new().build();
    case!(cases, "closed/failsafe (default policy)", breaker, |i| {
        breaker.call(ready(i)).await
    });
    let breaker = failsafe::Config::new()
        .failure_policy(failsafe::failure_policy::consecutive_failures(
            5,
            failsafe::backoff::constant(Duration::from_secs(30)),
        ))
        .build();
    case!(cases, "closed/failsafe (consecutive only)", breaker, |i| {
        breaker.call(ready(i)).await
    });

    let breaker = recloser::AsyncRecloser::from(recloser::Recloser::default());
    case!(cases, "closed/recloser", breaker, |i| breaker
        .call(ready(i))
        .await);

    let layer = CircuitBreakerLayer::builder().sliding_window_size(100);
    let service = layer.build().unwrap().layer(service_fn(ready));
    case!(cases, "closed/tower-resilience (count)", mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });
    let layer = CircuitBreakerLayer::builder().consecutive_failures(5);
    let service = layer.build().unwrap().layer(service_fn(ready));
    case!(
        cases,
        "closed/tower-resilience (consecutive)",
        mut service,
        |i| service.ready().await.unwrap().call(i).await
    );

    let context = seatbelt_with::context();
    let stack = (seatbelt_with::breaker!(&context), Execute::new(ready));
    let service = Arc::new(stack.into_service());
    case!(cases, "closed/seatbelt (layered execute)", service, |i| {
        service.execute(i).await
    });
    let keyed = seatbelt_with::breaker!(&context)
        .breaker_id(|key: &u64| seatbelt::breaker::BreakerId::from(*key & 15));
    let service = Arc::new((keyed, Execute::new(ready)).into_service());
    case!(
        cases,
        "closed/seatbelt (16 keyed breakers, u64 id)",
        service,
        |i| service.execute(i).await
    );
    let service = ServiceBuilder::new()
        .layer(seatbelt_with::breaker!(&context))
        .service_fn(ready);
    case!(cases, "closed/seatbelt (tower)", mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });
}

/// The settings that ours are measured with.
pub(crate) fn count_window() -> Config {
    Config::new().window(Window::Calls(100))
}

/// A window of time, and calls timed.
pub(crate) fn time_window() -> Config {
    Config::new()
        .window(Window::Time(Duration::from_secs(10)))
        .slow_call(Duration::from_secs(1))
}

pub(super) fn add_ours(cases: &mut Vec<Case>) {
    let breaker = Breaker::new(Config::new()).unwrap();
    case!(cases, "closed/ours (consecutive)", breaker, |i| {
        breaker.call(|| ready(i)).await
    });
    let breaker = Breaker::new(count_window()).unwrap();
    case!(cases, "closed/ours (count window)", breaker, |i| {
        breaker.call(|| ready(i)).await
    });
    let breaker = Breaker::new(time_window()).unwrap();
    case!(
        cases,
        "closed/ours (time window, slow calls)",
        breaker,
        |i| breaker.call(|| ready(i)).await
    );
    let service = ServiceBuilder::new()
        .layer(Breaker::new(Config::new()).unwrap())
        .service_fn(ready);
    case!(
        cases,
        "closed/ours (consecutive, tower)",
        mut service,
        |i| { service.ready().await.unwrap().call(i).await }
    );
    let service = ServiceBuilder::new()
        .layer(Breaker::new(time_window()).unwrap())
        .service_fn(ready);
    case!(
        cases,
        "closed/ours (time window, slow calls, tower)",
        mut service,
        |i| service.ready().await.unwrap().call(i).await
    );
}
