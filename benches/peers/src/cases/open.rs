//! A breaker that is open: the call is refused.

use std::sync::Arc;
use std::time::Duration;

use contexter_breaker::{Breaker, Config};
use failsafe::futures::CircuitBreaker as _;
use layered::{Execute, Service as _, Stack};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_resilience_circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer};

use super::seatbelt_layers as seatbelt_with;
use crate::case::{Case, case};
use crate::floor;
use crate::operation::{Error, fail, fail_at_max, ready};

/// Longer than any measurement.
const BREAK: Duration = Duration::from_hours(10);

pub(super) fn add_peers(cases: &mut Vec<Case>) {
    let floor = Arc::new(floor::Atomic::open());
    case!(cases, "open/floor atomic", floor, |i| floor
        .call(ready(i))
        .await);

    let breaker = failsafe::Config::new()
        .failure_policy(failsafe::failure_policy::consecutive_failures(
            1,
            failsafe::backoff::constant(BREAK),
        ))
        .build();
    case!(
        cases,
        "open/failsafe",
        breaker,
        first {
            let _ = breaker.call(fail(0)).await;
            let refused = breaker.call(ready(0)).await;
            assert!(matches!(refused, Err(failsafe::Error::Rejected)));
        },
        |i| breaker.call(ready(i)).await
    );

    let breaker = recloser::Recloser::custom().closed_len(1).open_wait(BREAK);
    let breaker = recloser::AsyncRecloser::from(breaker.build());
    case!(
        cases,
        "open/recloser",
        breaker,
        first {
            for _ in 0..2 {
                let _ = breaker.call(fail(0)).await;
            }
            let refused = breaker.call(ready(0)).await;
            assert!(matches!(refused, Err(recloser::Error::Rejected)));
        },
        |i| breaker.call(ready(i)).await
    );

    let layer = CircuitBreakerLayer::builder().wait_duration_in_open(BREAK);
    let (layer, handle) = layer.build_with_handle().unwrap();
    let both = (layer.layer(service_fn(ready)), handle);
    case!(
        cases,
        "open/tower-resilience",
        mut both,
        first {
            let (service, handle) = &mut both;
            handle.force_open().await;
            let refused = service.ready().await.unwrap().call(0).await;
            assert!(matches!(refused, Err(CircuitBreakerError::OpenCircuit)));
        },
        |i| both.0.ready().await.unwrap().call(i).await
    );

    let context = seatbelt_with::context();
    let layer = || {
        seatbelt_with::breaker!(&context)
            .min_throughput(1)
            .break_duration(BREAK)
    };
    let service = Arc::new((layer(), Execute::new(fail_at_max)).into_service());
    case!(
        cases,
        "open/seatbelt (layered execute)",
        service,
        first {
            for _ in 0..3 {
                let _ = service.execute(u64::MAX).await;
            }
            assert_eq!(service.execute(0).await, Err(Error::Open));
        },
        |i| service.execute(i).await
    );
    let service = ServiceBuilder::new().layer(layer()).service_fn(fail_at_max);
    case!(
        cases,
        "open/seatbelt (tower)",
        mut service,
        first {
            for _ in 0..3 {
                let _ = service.ready().await.unwrap().call(u64::MAX).await;
            }
            let refused = service.ready().await.unwrap().call(0).await;
            assert_eq!(refused, Err(Error::Open));
        },
        |i| service.ready().await.unwrap().call(i).await
    );
}

pub(super) fn add_ours(cases: &mut Vec<Case>) {
    let config = Config::new().failure_threshold(1).recovery_timeout(BREAK);
    let breaker = Breaker::new(config).unwrap();
    case!(
        cases,
        "open/ours",
        breaker,
        first {
            let _ = breaker.call(|| fail(0)).await;
            let refused = breaker.call(|| ready(0)).await;
            let left = refused.unwrap_err();
            assert!(left.is_open(), "{left}");
        },
        |i| breaker.call(|| ready(i)).await
    );

    let service = ServiceBuilder::new()
        .layer(Breaker::new(config).unwrap())
        .service_fn(fail_at_max);
    case!(
        cases,
        "open/ours (tower)",
        mut service,
        first {
            let _ = service.ready().await.unwrap().call(u64::MAX).await;
            let refused = service.ready().await.unwrap().call(0).await;
            assert_eq!(refused, Err(Error::Open));
        },
        |i| service.ready().await.unwrap().call(i).await
    );
}
