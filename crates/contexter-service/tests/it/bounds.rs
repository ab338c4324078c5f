//! Which public types cross threads and may be moved.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Ready;
use std::rc::Rc;
use std::time::Duration;

use contexter_service::{
    Again, Backoff, Both, BoxedCall, BreakerState, ByStatus, ByVerdict, Capability, Cx,
    DefaultClock, Delays, Either, Elapsed, ErrIsFailure, Event, Fault, FromTower, Full, Handle,
    HttpStatus, IntoTower, InvalidConfig, Jitter, Limited, ManualClock, ManualSleep, Open,
    PolicySnapshot, ReadyCall, Sample, Start, StdClock, Switch, TokioTimer, WithSent, WithTrip,
};

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn sent<T: Send + 'static>() {}

struct Ask(#[expect(dead_code, reason = "only its type matters")] Cell<u8>);

impl Capability for Ask {
    const NAME: &'static str = "asking";
    type Response = Cell<u8>;
    type Error = Infallible;
}

#[test]
fn everything_that_is_kept_is_send_sync_and_unpin() {
    shared::<(Again, Sample, Cx, Event, BreakerState, PolicySnapshot)>();
    shared::<(Open, Full, Limited, Elapsed)>();
    shared::<(Fault, InvalidConfig)>();
    shared::<(Backoff, Jitter, Delays)>();
    shared::<(ByVerdict, ErrIsFailure, HttpStatus)>();
    shared::<ByStatus<fn(&u16) -> Option<HttpStatus>>>();
    shared::<WithTrip<ByVerdict, fn(&u16) -> Option<Duration>>>();
    shared::<WithSent<ByVerdict, fn(&u16) -> bool>>();
    shared::<(StdClock, DefaultClock, TokioTimer, ManualClock, ManualSleep)>();
    shared::<(Either<(), ()>, Switch<(), ()>, Both<()>)>();
    shared::<Start<fn(Cx) -> Ready<()>, Ready<()>>>();
    shared::<Handle<Ask>>();
    shared::<(FromTower<()>, IntoTower<()>)>();
}

type Tower = tower::util::BoxCloneSyncService<Ask, Cell<u8>, Infallible>;

#[test]
fn a_call_is_send_even_if_request_and_response_are_not_sync() {
    sent::<BoxedCall<Cell<u8>, Infallible>>();
    sent::<ReadyCall<Tower, Ask>>();
}

trait NotSend<A> {
    fn answer() {}
}

impl<T: ?Sized> NotSend<()> for T {}
impl<T: ?Sized + Send> NotSend<u8> for T {}

#[test]
fn a_bridge_of_what_is_not_send_is_not_send() {
    // Ambiguous, and so an error, if it were `Send`.
    <FromTower<Rc<()>> as NotSend<_>>::answer();
    <IntoTower<Rc<()>> as NotSend<_>>::answer();
}
