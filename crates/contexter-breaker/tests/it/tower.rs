//! The face for tower.

use std::future::{Pending, Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use contexter_breaker::{Abandoned, Config, Error};
use contexter_service::{BreakerState, ManualClock, Sample};
use futures_util::FutureExt;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use crate::{after_break, breaker, record, trip};

type Outcome = Result<u32, Error<&'static str>>;

/// Ready once for each time that it says so; panics if called otherwise, as a semaphore would.
#[derive(Default)]
struct Strict {
    touched: Arc<AtomicU32>,
    ready: bool,
    fails_readiness: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            touched: Arc::clone(&self.touched),
            ready: false,
            fails_readiness: self.fails_readiness,
        }
    }
}

impl Service<Outcome> for Strict {
    type Response = u32;
    type Error = Error<&'static str>;
    type Future = Ready<Outcome>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.touched.fetch_add(1, Ordering::Relaxed);
        if self.fails_readiness {
            return Poll::Ready(Err(Error::Inner("not ready")));
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, out: Outcome) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being ready"
        );
        self.touched.fetch_add(1, Ordering::Relaxed);
        ready(out)
    }
}

#[tokio::test]
async fn the_very_instance_that_was_made_ready_is_called() {
    let (breaker, _clock) = breaker(Config::new());
    let mut service = breaker.layer(Strict::default());
    for _ in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(Ok(1)).await, Ok(1));
        assert_eq!(service.clone().oneshot(Ok(2)).await, Ok(2));
        // Also by who forgets to ask.
        assert_eq!(service.call(Ok(3)).await, Ok(3));
    }
}

#[tokio::test]
async fn a_refused_call_neither_readies_nor_calls_the_inner_service() {
    let (breaker, _clock) = breaker(Config::new());
    trip(&breaker);
    let inner = Strict::default();
    let mut service = breaker.layer(inner.clone());
    let out = service.ready().await.unwrap().call(Ok(1)).await;
    assert!(out.unwrap_err().is_open());
    assert_eq!(inner.touched.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_readiness_error_is_an_outcome_and_final() {
    let (breaker, _clock) = breaker(Config::new().failure_threshold(1));
    let inner = Strict {
        fails_readiness: true,
        ..Strict::default()
    };
    let out = breaker.layer(inner.clone()).oneshot(Ok(1)).await;
    assert_eq!(out, Err(Error::Inner("not ready")));
    assert_eq!(inner.touched.load(Ordering::Relaxed), 1, "not called");
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test]
async fn services_of_two_layers_and_their_clones_share_one_state() {
    let (breaker, _clock) = breaker(Config::new().failure_threshold(2));
    let (one, other) = (
        breaker.layer(Strict::default()),
        breaker.clone().layer(Strict::default()),
    );
    assert!(
        one.clone()
            .oneshot(Err(Error::Inner("down")))
            .await
            .is_err()
    );
    assert!(other.oneshot(Err(Error::Inner("down"))).await.is_err());
    assert!(one.oneshot(Ok(1)).await.unwrap_err().is_open());
}

#[test]
fn readiness_and_a_future_never_polled_take_no_probe_s_place() {
    let (breaker, _clock) = after_break(Config::new().permitted_probes(1));
    let mut service = breaker.layer(Strict::default());
    assert!(service.ready().now_or_never().unwrap().is_ok());
    drop(service.call(Ok(1)));
    assert_eq!(breaker.snapshot().counter("probes"), Some(0));
    record(&breaker, Sample::Neutral);
}

#[derive(Clone)]
struct Hangs;

impl Service<()> for Hangs {
    type Response = u32;
    type Error = Error<&'static str>;
    type Future = Pending<Outcome>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        pending()
    }
}

#[test]
fn a_dropped_call_gives_its_place_back_though_the_service_is_gone() {
    let config = Config::new()
        .permitted_probes(1)
        .abandoned(Abandoned::Neutral);
    let (breaker, _clock): (_, ManualClock) = after_break(config);
    let mut probe = Box::pin(breaker.layer(Hangs).oneshot(()));
    assert!(probe.as_mut().now_or_never().is_none());
    assert!(breaker.try_acquire().is_err());
    drop(probe);
    record(&breaker, Sample::Neutral);
}
