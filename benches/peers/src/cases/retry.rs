//! A retry whose first attempt succeeds.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use backon::Retryable;
use contexter_retry::{Config, Hedge, HedgeConfig, Retry};
use layered::{Execute, Service as _, Stack};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_resilience_retry::RetryLayer;

use super::seatbelt_layers as seatbelt_with;
use crate::case::{Case, case};
use crate::operation::{Error, ready};

/// A policy for the retry of tower: as often as the number says, at once.
#[derive(Clone)]
struct Times(usize);

impl<T> tower::retry::Policy<u64, T, Error> for Times {
    type Future = future::Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<T, Error>) -> Option<Self::Future> {
        if result.is_ok() {
            return None;
        }
        self.0 = self.0.checked_sub(1)?;
        Some(future::ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

pub(super) fn add_peers(cases: &mut Vec<Case>) {
    let backoff = backon::ExponentialBuilder::default().with_jitter();
    case!(cases, "retry/backon (exponential+jitter)", backoff, |i| {
        (|| ready(i)).retry(backoff).await
    });
    let backoff = backon::ConstantBuilder::default();
    case!(cases, "retry/backon (constant)", backoff, |i| {
        (|| ready(i)).retry(backoff).await
    });
    let service = tower::retry::Retry::new(Times(3), service_fn(ready));
    case!(cases, "retry/tower 0.5 Retry", mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });
    let layer = RetryLayer::<u64, u64, Error>::builder()
        .max_attempts(3)
        .exponential_backoff(Duration::from_millis(100));
    let service = layer.build().layer(service_fn(ready));
    case!(cases, "retry/tower-resilience", mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });
    let context = seatbelt_with::context();
    let stack = (seatbelt_with::retry!(&context), Execute::new(ready));
    let service = Arc::new(stack.into_service());
    case!(cases, "retry/seatbelt (layered execute)", service, |i| {
        service.execute(i).await
    });
    let service = ServiceBuilder::new()
        .layer(seatbelt_with::retry!(&context))
        .service_fn(ready);
    case!(cases, "retry/seatbelt (tower)", mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });
}

pub(super) fn add_ours(cases: &mut Vec<Case>) {
    let retry = Retry::new(Config::new()).unwrap();
    case!(cases, "retry/ours", retry, |i| retry
        .call(|| ready(i))
        .await);

    let service = ServiceBuilder::new()
        .layer(Retry::new(Config::new()).unwrap())
        .service_fn(ready);
    case!(cases, "retry/ours (tower)", mut service, |i| {
        service.ready().await.unwrap().call(i).await
    });
    let hedge = Hedge::new(HedgeConfig::new()).unwrap();
    case!(cases, "retry/ours (hedge)", hedge, |i| hedge
        .call(|| ready(i))
        .await);
}
