//! Asking.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Request;
use async_nats::client::RequestErrorKind;
use contexter_event_bus::{RequestError, TransportError};
use contexter_protocol::IntegrationEvent;
use tokio::time::{Instant, sleep_until};

use super::limit::set_limit;
use crate::error::{unavailable, unconfirmed, unexpected};
use crate::message::{Outgoing, decode};
use crate::transport::Inner;

impl Inner {
    pub(crate) async fn request(
        &self,
        request: &Arc<IntegrationEvent>,
        within: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        let deadline = Instant::now() + within;
        let event_type = request.event_type();
        let subject = self.names.request(event_type)?;
        let mut outgoing = Outgoing::event(request)?;
        set_limit(&mut outgoing, within)?;
        outgoing.check(self.limits.event)?;
        let generation = match self.link.ready(Some(deadline)).await {
            Ok(generation) => generation,
            Err(_late) if Instant::now() >= deadline => {
                return Err(RequestError::Timeout { within });
            }
            Err(error) => return Err(error.into()),
        };
        let (client, broken) = (self.link.client(), self.link.broken(generation));
        // An inbox of its own, which ends with this call: the client library would remember for ever
        // what nobody answers.
        let sent = Request::new()
            .inbox(client.new_inbox())
            .payload(outgoing.body)
            .headers(outgoing.headers)
            .timeout(None);
        let answer = tokio::select! {
            biased;
            answer = client.send_request(subject, sent) => answer,
            () = sleep_until(deadline) => return Err(RequestError::Timeout { within }),
            // It may have been answered; asking again is for the caller to decide.
            () = broken => {
                return Err(unconfirmed("connection broke before the reply came").into());
            }
        };
        let message = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => RequestError::NoResponder {
                event_type: event_type.to_owned(),
            },
            RequestErrorKind::TimedOut => RequestError::Timeout { within },
            RequestErrorKind::Other if self.link.is_closed() => TransportError::closed().into(),
            _ => unavailable("request was not sent")
                .with_source(error)
                .into(),
        })?;
        decode(message).event.map_err(|undecodable| {
            unexpected(&format!("reply is no event: {}", undecodable.error)).into()
        })
    }
}
