//! Asking, over whatever the bus runs on.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::{BuildError, EventPayload, IntegrationEvent};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::REQUEST_FAILED;
use crate::bus::{Bus, MAX_WITHIN};
use crate::transport::RequestError;

impl Bus {
    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    ///
    /// Returns [`RequestError::NoResponder`] at once if nobody answers requests of this type (over a
    /// broker, where it [can tell](crate::transport::Capability::NoResponder)), and
    /// [`RequestError::Timeout`] when `within` is over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request: a reply that comes later is discarded.
    pub async fn request(
        &self,
        request: impl Into<Arc<IntegrationEvent>>,
        within: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        let request = request.into();
        let within = within.min(MAX_WITHIN);
        if !self.inner.routes.read().open {
            return Err(RequestError::Closed);
        }
        let Some(transport) = self.transport() else {
            return self.inner.responders.ask(&request, within).await;
        };
        let reply = transport.request(&request, within).await?;
        if reply.event_type() == REQUEST_FAILED {
            let text = reply.data().get("error").and_then(Value::as_str);
            let retryable = reply.data().get("retryable").and_then(Value::as_bool);
            return Err(RequestError::Failed {
                error: text.unwrap_or("no reason given").to_owned(),
                retryable: retryable.unwrap_or(false),
            });
        }
        Ok(reply)
    }

    /// Sends the payload `Q` as a request from `source`, and waits for a reply of the payload `A`.
    ///
    /// The request expires when `within` is over, so no responder begins with it any more.
    ///
    /// # Errors
    ///
    /// As for [`request`](Self::request), and [`RequestError::Reply`] if the reply is no `A`.
    ///
    /// # Cancel safety
    ///
    /// As for [`request`](Self::request).
    pub async fn ask<Q, A>(
        &self,
        source: &str,
        request: &Q,
        within: Duration,
    ) -> Result<A, RequestError>
    where
        Q: EventPayload + Sync,
        A: EventPayload,
    {
        let mut builder = IntegrationEvent::of(source, request)?;
        let end = SignedDuration::try_from(within).ok();
        let end = end.and_then(|within| Timestamp::now().checked_add(within).ok());
        if let Some(end) = end {
            builder = builder.expiry_time(end);
        }
        let event = builder.build().map_err(BuildError::from)?;
        let reply = self.request(event, within).await?;
        reply.payload::<A>().map_err(RequestError::Reply)
    }
}
