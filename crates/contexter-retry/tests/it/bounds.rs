//! What may be sent, shared and moved.

use std::future::{Ready, ready};

use contexter_retry::{
    Attempts, Budget, BudgetConfig, ByClone, Config, Counted, GaveUp, Hedge, HedgeConfig,
    HedgeService, Hedged, Reason, Retry, RetryContext, RetryService, Scheduled, Token,
};
use contexter_service::{Cx, DefaultClock, ErrIsFailure, ManualClock, Policy};

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn sent<T: Send + Sync>(future: T) -> T {
    future
}

fn only_sent<T: Send>(_future: T) {}

type Op = fn(Cx) -> Ready<Result<u8, u8>>;
type Fut = Ready<Result<u8, u8>>;

#[test]
fn handles_and_data_are_send_sync_and_unpin() {
    shared::<(Retry, Retry<ManualClock>, RetryContext)>();
    shared::<(Hedge, Hedge<ManualClock>)>();
    shared::<(Config, HedgeConfig, BudgetConfig)>();
    shared::<(Budget, Token)>();
    shared::<(RetryService<u8>, HedgeService<u8>, ByClone)>();
    shared::<(Scheduled<'static>, GaveUp<'static>, Reason)>();
}

#[test]
fn futures_are_send_and_sync_and_unpin_as_their_parts_are() {
    shared::<Attempts<'static, Op, Fut, ManualClock, ErrIsFailure>>();
    shared::<Counted<'static, Op, Fut, ManualClock, ErrIsFailure>>();
    shared::<Hedged<'static, Op, Fut, ManualClock, ErrIsFailure>>();
    let retry = Retry::new(Config::new()).unwrap();
    let hedge = Hedge::new(HedgeConfig::new()).unwrap();
    drop(sent(retry.call(|| async { Ok::<_, ()>(1) })));
    drop(sent(hedge.call(|| async { Ok::<_, ()>(1) })));
    only_sent((&retry, &hedge).run(Cx::new(), |_cx| async { Ok::<_, ()>(1) }));
}

#[cfg(feature = "tower")]
#[test]
fn tower_futures_are_send_and_sync() {
    use contexter_retry::{HedgeFuture, RetryFuture};
    type Inner = tower::util::ServiceFn<fn(u8) -> Fut>;
    fn check<T: Send + Sync + 'static>() {}
    check::<RetryFuture<Inner, u8, DefaultClock, ErrIsFailure, ByClone>>();
    check::<HedgeFuture<Inner, u8, DefaultClock, ErrIsFailure, ByClone>>();
}

#[test]
fn the_future_of_a_retry_is_small_whatever_its_timer() {
    let on_tokio = Retry::new(Config::new()).unwrap();
    let by_hand = Retry::with_timer(Config::new(), ManualClock::new()).unwrap();
    let sizes = [
        size_of_val(&on_tokio.call(|| ready(Ok::<u8, u8>(1)))),
        size_of_val(&by_hand.call(|| ready(Ok::<u8, u8>(1)))),
    ];
    assert!(sizes.iter().all(|size| *size <= 80), "{sizes:?}");
}

#[test]
fn settings_build_what_they_describe_or_say_what_is_wrong() {
    assert!(Config::new().build().is_ok());
    assert!(Config::new().max_attempts(0).build().is_err());
    assert!(HedgeConfig::new().build().is_ok());
    assert!(HedgeConfig::new().max_attempts(0).build().is_err());
    assert!(BudgetConfig::new().build().is_ok());
}
