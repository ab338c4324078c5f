//! Until when a request is wanted.
//!
//! It travels with the request, because that may lie in the memory of a client for longer. The server
//! tells nobody its time, so it is the time of whoever asks.

use std::time::Duration;

use async_nats::Message;
use contexter_event_bus::TransportError;
use jiff::Timestamp;

use crate::message::{Outgoing, header};

/// The header that says until when, in milliseconds since 1970. It is no attribute of the event.
const END: &str = "contexter-request-end";

/// Says in a request that nobody wants it once so much time is over.
pub(super) fn set_end(request: &mut Outgoing, within: Duration) -> Result<(), TransportError> {
    let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    let end = Timestamp::now().as_millisecond().saturating_add(within);
    request.add(END, itoa::Buffer::new().format(end))
}

/// Returns whether nobody wants a request any more. One of an older version does not say.
pub(super) fn is_over(request: &Message) -> bool {
    let end: Option<i64> = header(request, END).and_then(|end| end.parse().ok());
    end.is_some_and(|end| end <= Timestamp::now().as_millisecond())
}
