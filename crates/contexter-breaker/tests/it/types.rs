//! What the types promise to the compiler and to memory.

use std::future::Ready;

use contexter_breaker::{
    Abandoned, Breaker, BreakerService, Call, Cause, Changed, Config, Error, OwnedPermit, Permit,
    Subscription, Transition, UnlessOpen, Window,
};
use contexter_service::{ErrIsFailure, ManualClock, StdClock};

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_unpin<T: Unpin>() {}

macro_rules! pinned {
    ($($ty:ty),+ $(,)?) => {$(
        is_send::<$ty>();
        is_sync::<$ty>();
        is_unpin::<$ty>();
    )+};
}

type Outcome = Result<(), ()>;
type Op = fn() -> Ready<Outcome>;
type Guarded = Call<'static, Op, Ready<Outcome>, StdClock, ErrIsFailure>;

#[test]
fn all_public_types_are_send_sync_and_unpin() {
    pinned!(
        Breaker,
        Breaker<ManualClock, fn()>,
        BreakerService<u8>,
        Guarded,
        Permit<'static>,
        OwnedPermit,
        Subscription,
        Changed<'static>,
        Transition,
        Cause,
        Config,
        Abandoned,
        Window,
        Error<()>,
        UnlessOpen,
    );
}

#[cfg(feature = "tower")]
#[test]
fn the_future_of_the_tower_face_is_send_sync_and_unpin() {
    #[derive(Clone)]
    struct Inner;
    impl tower_service::Service<u8> for Inner {
        type Response = ();
        type Error = ();
        type Future = Ready<Outcome>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Outcome> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: u8) -> Ready<Outcome> {
            std::future::ready(Ok(()))
        }
    }
    pinned!(contexter_breaker::BreakerFuture<Inner, u8, StdClock, ErrIsFailure>);
}

#[test]
fn a_handle_is_one_pointer_and_a_permit_four_words() {
    assert_eq!(size_of::<Breaker<StdClock>>(), size_of::<usize>());
    assert!(size_of::<Permit<'_, StdClock>>() <= 32);
    assert!(size_of::<OwnedPermit<StdClock>>() <= 32);
    // A guarded call is its operation and a permit.
    assert!(size_of::<Guarded>() <= size_of::<Ready<Outcome>>() + 48);
}
