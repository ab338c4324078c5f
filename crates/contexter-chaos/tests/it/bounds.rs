//! Which public types cross threads and may be moved.

use std::cell::Cell;
use std::future::ready;

use contexter_chaos::{Always, Chaos, ChaosFuture, ChaosService, Config, ErrWith};
use contexter_service::{Cx, DefaultClock, ManualClock};
use tower::util::BoxCloneSyncService;

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn sent<T: Send + 'static>() {}

type MakeError = ErrWith<fn(Cx) -> Cell<u8>>;

#[test]
fn what_is_kept_is_send_sync_and_unpin() {
    shared::<(Config, Always)>();
    shared::<Chaos<MakeError>>();
    shared::<Chaos<fn(Cx) -> Cell<u8>, fn(&Cx) -> bool, ManualClock>>();
    shared::<ChaosService<(), MakeError, Always, DefaultClock, fn(&Cell<u8>) -> bool>>();
}

#[test]
fn calls_are_send_if_what_they_hold_is() {
    fn check<F: Future + Send>(_: F) {}
    type Inner = BoxCloneSyncService<Cell<u8>, Cell<u8>, Cell<u8>>;
    sent::<ChaosFuture<Inner, Cell<u8>, MakeError, Always, DefaultClock>>();
    let chaos = Chaos::new(Config::new(), |_cx| Cell::new(1_u8)).unwrap();
    check(chaos.call(|| ready(Ok::<_, Cell<u8>>(Cell::new(1)))));
}
