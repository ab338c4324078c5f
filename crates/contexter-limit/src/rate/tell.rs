//! What a rate limiter tells. A listener that panics must not take the outcome of a call with it;
//! the panic hook has reported it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use contexter_service::Event;

pub(super) fn limited(name: Option<&Arc<str>>, retry_after: Option<Duration>) {
    let event = Event::RateLimited;
    let told = catch_unwind(AssertUnwindSafe(|| {
        event.count(name);
        tracing::debug!(
            name = name.map(|name| &**name),
            mechanism = event.mechanism(),
            event = event.as_str(),
            ?retry_after,
            "a rate limit refused a call"
        );
    }));
    drop(told);
}

pub(super) fn paused(name: Option<&Arc<str>>, duration: Duration) {
    let event = Event::RateLimitPaused;
    let told = catch_unwind(AssertUnwindSafe(|| {
        event.count(name);
        tracing::info!(
            name = name.map(|name| &**name),
            mechanism = event.mechanism(),
            event = event.as_str(),
            ?duration,
            "the far side made a rate limit pause"
        );
    }));
    drop(told);
}
