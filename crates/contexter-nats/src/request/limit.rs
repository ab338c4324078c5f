//! For how long a request is wanted.
//!
//! That travels with the request, which may lie in the memory of a busy responder for longer. It is
//! counted from when the request has come: the server stores no request, so it comes at once or never, and
//! the clocks of both sides need not agree.

use std::time::Duration;

use async_nats::{HeaderMap, HeaderName, HeaderValue, Message};
use contexter_event_bus::TransportError;

use crate::message::{Outgoing, header};

/// The header that says for how long, in milliseconds. It is no attribute of the event.
const LIMIT: &str = "contexter-request-limit";

/// Says in a request that nobody wants it once so much time is over.
pub(super) fn set_limit(request: &mut Outgoing, within: Duration) -> Result<(), TransportError> {
    request.add(LIMIT, itoa::Buffer::new().format(millis(within)))
}

/// Returns for how long a request is wanted. One of an older version does not say.
pub(super) fn limit_of(request: &Message) -> Option<Duration> {
    let limit = header(request, LIMIT)?.parse().ok()?;
    Some(Duration::from_millis(limit))
}

/// Says in a request that is sent on how much of its time is left.
pub(super) fn set_left(headers: &mut HeaderMap, left: Duration) {
    const NAME: HeaderName = HeaderName::from_static(LIMIT);
    headers.insert(NAME, HeaderValue::from(millis(left)));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
