//! Retry and hedge as `tower` layers.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use contexter_retry::{BudgetConfig, Hedge, HedgeConfig, Retry};
use contexter_service::{Cx, ManualClock};
use futures_util::FutureExt;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use crate::plain;
use crate::service::{Counting, TELLING, Telling};

/// Insists on its contract: every call is made on an instance that was polled ready since its
/// last call, and a clone is not ready.
struct Strict {
    ready: bool,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<u32>>,
    readied: AtomicU32,
    /// From this readiness on, getting ready fails.
    breaks_at: AtomicU32,
}

impl Strict {
    fn new() -> (Self, Arc<State>) {
        let state = Arc::<State>::default();
        state.breaks_at.store(u32::MAX, Ordering::Relaxed);
        let service = Self {
            ready: false,
            state: Arc::clone(&state),
        };
        (service, state)
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            ready: false,
            state: Arc::clone(&self.state),
        }
    }
}

impl Service<Counting> for Strict {
    type Response = u32;
    type Error = &'static str;
    type Future = Ready<Result<u32, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !self.ready {
            let readied = self.state.readied.fetch_add(1, Ordering::Relaxed) + 1;
            if readied >= self.state.breaks_at.load(Ordering::Relaxed) {
                return Poll::Ready(Err("cannot get ready"));
            }
            self.ready = true;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Counting) -> Self::Future {
        assert!(self.ready, "called without being ready");
        self.ready = false;
        self.state.seen.lock().unwrap().push(req.attempt);
        ready(Err("down"))
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_made_on_an_instance_that_was_polled_ready() {
    let (inner, state) = Strict::new();
    let mut service = Retry::new(plain()).unwrap().layer(inner).repeat_by(TELLING);
    for _ in 0..2 {
        let (request, clones) = Counting::new();
        let out = service.ready().await.unwrap().call(request).await;
        assert_eq!(out, Err("down"));
        assert_eq!(
            clones.load(Ordering::Relaxed),
            2,
            "the last one is the original"
        );
    }
    assert_eq!(*state.seen.lock().unwrap(), [1, 2, 3, 1, 2, 3]);
    assert_eq!(state.readied.load(Ordering::Relaxed), 6);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_getting_ready_is_final() {
    let budget = BudgetConfig::new().ratio(0.001).reserve(5);
    let (inner, state) = Strict::new();
    state.breaks_at.store(2, Ordering::Relaxed);
    let retry = Retry::new(plain().max_attempts(9).budget(budget)).unwrap();
    let mut service = retry.layer(inner).repeat_by(TELLING);
    let request = Counting::new().0;
    let mut call = std::pin::pin!(service.ready().await.unwrap().call(request));
    assert_eq!(call.as_mut().await, Err("cannot get ready"));
    assert_eq!(*state.seen.lock().unwrap(), [1]);
    let tokens = retry.budget().unwrap().tokens();
    assert_eq!(tokens, 5, "the retry that was not made costs nothing");

    state.breaks_at.store(0, Ordering::Relaxed);
    let (inner, state) = (
        Strict {
            ready: false,
            state: Arc::clone(&state),
        },
        state,
    );
    let out = retry.layer(inner).oneshot(Counting::new().0).await;
    assert_eq!(out, Err("cannot get ready"));
    assert_eq!(state.seen.lock().unwrap().len(), 1, "nothing was called");
}

#[tokio::test(start_paused = true)]
async fn services_of_one_layer_share_its_budget() {
    let budget = BudgetConfig::new().ratio(0.001).reserve(1);
    let layer = Retry::new(plain().budget(budget)).unwrap();
    let mut calls = Vec::new();
    for _ in 0..2 {
        let (inner, state) = Strict::new();
        let out = layer.layer(inner).oneshot(Counting::new().0).await;
        assert_eq!(out, Err("down"));
        calls.push(state.seen.lock().unwrap().len());
    }
    assert_eq!(calls, [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_request_says_what_may_be_done_with_it() {
    for telling in [
        Telling {
            copies: false,
            ..TELLING
        },
        Telling {
            cx: Cx::new().with_idempotent(false),
            ..TELLING
        },
    ] {
        let (inner, state) = Strict::new();
        let service = Retry::new(plain()).unwrap().layer(inner).repeat_by(telling);
        assert_eq!(service.oneshot(Counting::new().0).await, Err("down"));
        assert_eq!(*state.seen.lock().unwrap(), [1]);
    }
}

#[test]
fn nothing_of_a_failed_response_lives_on_while_it_waits() {
    struct Body(Arc<AtomicU32>);
    impl Drop for Body {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let bodies = Arc::new(AtomicU32::new(0));
    let made = Arc::clone(&bodies);
    let inner = tower::service_fn(move |_req: ()| {
        made.fetch_add(1, Ordering::Relaxed);
        ready(Err::<(), _>(Body(Arc::clone(&made))))
    });
    let clock = ManualClock::new();
    let retry = Retry::with_timer(plain(), clock.clone()).unwrap();
    let mut call = Box::pin(retry.layer(inner).oneshot(()));
    for wait in [1, 2] {
        assert!(call.as_mut().now_or_never().is_none());
        assert_eq!(bodies.load(Ordering::Relaxed), 0);
        clock.advance(Duration::from_secs(wait));
    }
    let out = call.now_or_never().unwrap();
    assert_eq!(
        bodies.load(Ordering::Relaxed),
        1,
        "the last one is returned"
    );
    drop(out);
}

#[test]
fn dropping_the_future_gives_the_token_back() {
    let budget = BudgetConfig::new().ratio(0.001).reserve(1);
    let retry = Retry::with_timer(plain().budget(budget), ManualClock::new()).unwrap();
    let inner = tower::service_fn(|_req: ()| ready(Err::<(), _>("down")));
    let mut call = Box::pin(retry.layer(inner).oneshot(()));
    assert!(call.as_mut().now_or_never().is_none());
    assert_eq!(retry.budget().unwrap().tokens(), 0);
    drop(call);
    assert_eq!(retry.budget().unwrap().tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_hedged_attempt_gets_an_instance_of_its_own() {
    let (inner, state) = Strict::new();
    let hedge = Hedge::new(HedgeConfig::new().max_attempts(4)).unwrap();
    let mut service = hedge.layer(inner).repeat_by(TELLING);
    for _ in 0..2 {
        let out = service.ready().await.unwrap().call(Counting::new().0).await;
        assert_eq!(out, Err("down"));
    }
    assert_eq!(*state.seen.lock().unwrap(), [1, 2, 3, 4, 1, 2, 3, 4]);
    assert_eq!(state.readied.load(Ordering::Relaxed), 8);
}

type Slow = Pin<Box<dyn Future<Output = Result<u32, ()>> + Send>>;

#[tokio::test(start_paused = true)]
async fn a_hedge_begins_beside_a_slow_response_and_drops_the_loser() {
    let running = Arc::new(());
    let calls = Arc::new(AtomicU32::new(0));
    let inner = {
        let (running, calls) = (Arc::clone(&running), Arc::clone(&calls));
        tower::service_fn(move |_req: ()| -> Slow {
            let held = Arc::clone(&running);
            let number = calls.fetch_add(1, Ordering::Relaxed) + 1;
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(if number == 1 { 900 } else { 10 })).await;
                drop(held);
                Ok(number)
            })
        })
    };
    let hedge = Hedge::new(HedgeConfig::new().delay(Duration::from_millis(100))).unwrap();
    let started = tokio::time::Instant::now();
    let service = hedge.layer(inner.clone());
    assert_eq!(service.oneshot(()).await, Ok(2));
    assert_eq!(started.elapsed(), Duration::from_millis(110));
    drop(inner);
    assert_eq!(
        Arc::strong_count(&running),
        1,
        "no attempt and no service is left"
    );
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_request_that_must_not_be_repeated_is_not() {
    let (inner, state) = Strict::new();
    let hedge = Hedge::new(HedgeConfig::new()).unwrap();
    let once = |_req: &Counting| Cx::new().with_idempotent(false);
    let service = hedge.layer(inner).repeat_by(once);
    assert_eq!(service.oneshot(Counting::new().0).await, Err("down"));
    assert_eq!(state.seen.lock().unwrap().len(), 1);
}
