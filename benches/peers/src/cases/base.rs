//! What everything else is made of.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use contexter_service::{Clock, StdClock};
use parking_lot::Mutex;
use tower::{Service, ServiceExt, service_fn};

use crate::case::{Case, case};
use crate::operation::{Outcome, pending, ready};

type Boxed = Pin<Box<dyn Future<Output = Outcome> + Send>>;

pub(super) fn add(cases: &mut Vec<Case>) {
    case!(cases, "base/async fn", |i| ready(i).await);
    case!(cases, "base/Box::pin(async fn)", |i| {
        let boxed: Boxed = Box::pin(ready(i));
        boxed.await
    });
    let service = service_fn(ready);
    case!(
        cases,
        "base/tower service_fn ready+call",
        mut service,
        |i| { service.ready().await.unwrap().call(i).await }
    );
    case!(cases, "base/Instant::now", |_i| StdClock.now());
    let lock = Arc::new(Mutex::new(0_u64));
    case!(cases, "base/parking_lot lock+unlock", lock, |_i| {
        *std::hint::black_box(&lock).lock() += 1;
    });
    case!(cases, "base/async fn, pending once", |i| pending(i).await);
}
