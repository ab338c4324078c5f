//! The two ways across to `tower`.

use std::cell::Cell;
use std::future::{Future, Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use contexter_service::{FromTower, IntoTower, ReadyCall, Service};
use futures_util::FutureExt;
use futures_util::task::noop_waker;
use tower::{ServiceExt, service_fn};

/// Has one permit for all its clones; an instance that is called without holding it says so.
struct OnePermit {
    free: Arc<AtomicU32>,
    holds: bool,
}

impl OnePermit {
    fn new() -> Self {
        Self {
            free: Arc::new(AtomicU32::new(1)),
            holds: false,
        }
    }
}

impl Clone for OnePermit {
    fn clone(&self) -> Self {
        Self {
            free: Arc::clone(&self.free),
            holds: false,
        }
    }
}

impl Drop for OnePermit {
    fn drop(&mut self) {
        if self.holds {
            self.free.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl tower::Service<u32> for OnePermit {
    type Response = u32;
    type Error = &'static str;
    type Future = Ready<Result<u32, &'static str>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let taken = self.holds
            || self
                .free
                .compare_exchange(1, 0, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok();
        self.holds = taken;
        if taken {
            Poll::Ready(Ok(()))
        } else {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    fn call(&mut self, req: u32) -> Self::Future {
        ready(if self.holds {
            Ok(req + 1)
        } else {
            Err("called without being ready")
        })
    }
}

#[test]
fn the_instance_that_was_readied_is_the_one_that_is_called() {
    let service = FromTower::new(OnePermit::new());
    for req in 0..3 {
        assert_eq!(service.call(req).now_or_never(), Some(Ok(req + 1)));
    }
}

#[test]
fn a_call_waits_until_the_service_is_ready_and_a_dropped_one_reserves_nothing() {
    let mut holder = OnePermit::new();
    let service = FromTower::new(holder.clone());
    let free = Arc::clone(&holder.free);
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);

    drop(service.ready_call(1));
    assert_eq!(free.load(Ordering::SeqCst), 1, "before the first poll");
    assert!(tower::Service::poll_ready(&mut holder, &mut cx).is_ready());
    let mut call = Box::pin(service.call(7));
    let mut dropped = Box::pin(service.call(7));
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert!(dropped.as_mut().poll(&mut cx).is_pending());
    drop((holder, dropped));
    assert_eq!(call.as_mut().poll(&mut cx), Poll::Ready(Ok(8)));
    assert_eq!(free.load(Ordering::SeqCst), 1);
}

/// Fails to become ready and must not be called.
#[derive(Clone)]
struct NeverReady<'a>(&'a AtomicU32);

impl tower::Service<u32> for NeverReady<'_> {
    type Response = u32;
    type Error = &'static str;
    type Future = Ready<Result<u32, &'static str>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Err("shut down"))
    }

    fn call(&mut self, _req: u32) -> Self::Future {
        self.0.fetch_add(1, Ordering::SeqCst);
        ready(Ok(0))
    }
}

#[test]
fn a_readiness_error_is_terminal() {
    let calls = AtomicU32::new(0);
    let service = FromTower::new(NeverReady(&calls));
    assert_eq!(service.call(1).now_or_never(), Some(Err("shut down")));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[test]
#[should_panic(expected = "polled after it had ended")]
fn a_call_that_has_ended_says_so_when_it_is_polled_again() {
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    let mut call = Box::pin(ReadyCall::new(OnePermit::new(), 1));
    assert!(call.as_mut().poll(&mut cx).is_ready());
    let _ = call.as_mut().poll(&mut cx);
}

/// Our service, neither `Clone` nor in need of being ready.
struct AddOne;

impl Service<u32> for AddOne {
    type Response = u32;
    type Error = &'static str;

    async fn call(&self, req: u32) -> Result<u32, &'static str> {
        tokio::task::yield_now().await;
        req.checked_add(1).ok_or("too large")
    }
}

#[tokio::test]
async fn our_service_is_always_ready_for_tower_and_keeps_its_errors() {
    let mut service = IntoTower::new(AddOne);
    assert_eq!(service.clone().oneshot(1).await, Ok(2));
    assert_eq!(service.clone().oneshot(u32::MAX).await, Err("too large"));
    assert!(ServiceExt::<u32>::ready(&mut service).await.is_ok());
    let task = tokio::spawn(tower::Service::call(&mut service, 4));
    assert_eq!(task.await.unwrap(), Ok(5), "the future owns what it needs");
}

#[tokio::test]
async fn there_and_back_is_the_same_service() {
    let service = FromTower::new(IntoTower::new(AddOne));
    assert_eq!(service.call(1).await, Ok(2));
    let service = IntoTower::new(FromTower::new(OnePermit::new()));
    assert_eq!(service.oneshot(1).await, Ok(2));
}

#[test]
fn a_bridge_is_send_and_sync_if_what_it_wraps_is() {
    fn shared<T: Send + Sync + Unpin>(_: &T) {}
    fn sent<T: Send>(_: T) {}
    let service = FromTower::new(OnePermit::new());
    shared(&service);
    sent(service.ready_call(1));
    shared(&IntoTower::new(AddOne));
    sent(tower::Service::call(&mut IntoTower::new(AddOne), 1));
    // A request that cannot be shared crosses all the same.
    let by_cell = FromTower::new(service_fn(|req: Cell<u32>| ready(Ok::<_, ()>(req.get()))));
    sent(by_cell.call(Cell::new(1)));
}
