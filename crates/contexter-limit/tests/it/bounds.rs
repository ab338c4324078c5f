//! Which public types cross threads and may be moved.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;

use contexter_limit::{
    AcquireAdaptivePermit, AcquirePermit, AdaptiveConfig, AdaptiveLimit, AdaptivePermit,
    AdaptiveService, Bulkhead, BulkheadConfig, BulkheadService, Error, LimitFuture, Permit, Quota,
    RateLimitConfig, RateLimitService, RateLimiter, WithPermit,
};
use contexter_service::{Cx, DefaultClock, Full, Limited, ManualClock, Service};
use tower::util::BoxCloneSyncService;

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn sent<T: Send + 'static>() {}

#[test]
fn what_is_kept_is_send_sync_and_unpin() {
    shared::<RateLimiter>();
    shared::<RateLimiter<ManualClock>>();
    shared::<RateLimitService<()>>();
    shared::<RateLimitConfig>();
    shared::<Error<Infallible, Limited>>();
    shared::<AdaptiveLimit>();
    shared::<AdaptiveService<()>>();
    shared::<AdaptiveConfig>();
    shared::<AdaptivePermit>();
    shared::<Bulkhead>();
    shared::<BulkheadService<()>>();
    shared::<BulkheadConfig>();
    shared::<Permit>();
    shared::<WithPermit<(), Permit>>();
}

#[test]
fn calls_are_send_if_what_they_hold_is() {
    fn check<F: Future + Send>(_: F) {}
    type Inner = BoxCloneSyncService<Cell<u8>, Cell<u8>, Limited>;
    type Inside = BoxCloneSyncService<Cell<u8>, Cell<u8>, Full>;
    sent::<LimitFuture<Inner, Cell<u8>, RateLimiter>>();
    sent::<LimitFuture<Inside, Cell<u8>, Bulkhead>>();
    sent::<LimitFuture<Inside, Cell<u8>, AdaptiveLimit>>();
    sent::<AcquirePermit<DefaultClock>>();
    sent::<AcquireAdaptivePermit<DefaultClock>>();
    let adaptive = AdaptiveLimit::new(AdaptiveConfig::new()).unwrap();
    check(adaptive.call(|| ready(Ok::<_, Infallible>(Cell::new(1)))));
    let bulkhead = Bulkhead::new(BulkheadConfig::new()).unwrap();
    check(bulkhead.call(|| ready(Ok::<_, Infallible>(Cell::new(1)))));
    let config = RateLimitConfig::new().requests(Quota::per_second(1));
    let limiter = RateLimiter::new(config).unwrap();
    check(limiter.acquire(Cx::new()));
    check(limiter.call(|| ready(Ok::<_, Infallible>(Cell::new(1)))));
}

struct Echo;

impl Service<u8> for Echo {
    type Response = u8;
    type Error = Limited;

    async fn call(&self, req: u8) -> Result<u8, Limited> {
        Ok(req)
    }
}

#[tokio::test]
async fn a_service_can_be_called_in_a_task_of_its_own() {
    let config = RateLimitConfig::new().requests(Quota::per_second(1));
    let service = RateLimiter::new(config).unwrap().service(Echo);
    let answer = tokio::spawn(async move { service.call(7).await });
    assert_eq!(answer.await.unwrap(), Ok(7));
}
