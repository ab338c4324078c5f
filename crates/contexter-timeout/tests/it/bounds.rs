//! Which public types cross threads and may be moved.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use contexter_service::{DefaultClock, Elapsed, ManualClock};
use contexter_timeout::{Error, Timeout, TimeoutFuture, TimeoutService};
use tower::util::BoxCloneSyncService;

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn sent<T: Send + 'static>() {}

#[test]
fn what_is_kept_is_send_sync_and_unpin() {
    shared::<Timeout>();
    shared::<Timeout<ManualClock>>();
    shared::<TimeoutService<(), DefaultClock>>();
    shared::<Error<Infallible>>();
}

#[test]
fn calls_are_send_if_what_they_hold_is() {
    fn check<F: Future + Send>(_: F) {}
    type Inner = BoxCloneSyncService<Cell<u8>, Cell<u8>, Elapsed>;
    sent::<TimeoutFuture<Inner, Cell<u8>, DefaultClock>>();
    let timeout = Timeout::new(Duration::from_secs(1)).unwrap();
    check(timeout.call(|| ready(Ok::<_, Infallible>(Cell::new(1)))));
}
