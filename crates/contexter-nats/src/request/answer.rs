//! Answering.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{
    IncomingRequest, RequestSource, RequestToken, SubscriptionSpec, TransportHealth,
};
use contexter_protocol::IntegrationEvent;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout_at};

use super::end::is_over;
use crate::error::{refused, unavailable};
use crate::message::{Outgoing, decode};
use crate::transport::Inner;

/// The queue of all responders: of those of one queue the server chooses one, whatever their
/// patterns. With a queue for each group, several groups would carry out one request.
const QUEUE: &str = "responders";

/// How long a responder that ends may take to turn away what has come.
const TURNED_AWAY_WITHIN: Duration = Duration::from_millis(500);

/// One responder.
pub(crate) struct Answering {
    inner: Arc<Inner>,
    subject: String,
    /// Held by whoever receives. (An async lock.)
    requests: Mutex<Subscriber>,
    closing: watch::Sender<bool>,
}

impl Answering {
    pub(crate) async fn start(
        inner: Arc<Inner>,
        spec: &SubscriptionSpec,
    ) -> Result<Self, TransportError> {
        let subject = inner.names.requests(&spec.pattern);
        let subscriber = listen(&inner, &subject).await?;
        Ok(Self {
            inner,
            subject,
            requests: Mutex::new(subscriber),
            closing: watch::Sender::new(false),
        })
    }
}

/// Subscribes to requests. When this returns, they are delivered.
async fn listen(inner: &Inner, subject: &str) -> Result<Subscriber, TransportError> {
    inner.link.ready(Some(inner.link.deadline())).await?;
    let client = inner.link.client();
    let subscriber = client
        .queue_subscribe(subject.to_owned(), QUEUE.to_owned())
        .await
        .map_err(|error| unavailable("requests cannot be subscribed to").with_source(error))?;
    // When the server answers this, it knows the subscription.
    inner.link.ping(inner.config.response_timeout).await?;
    Ok(subscriber)
}

#[async_trait]
impl RequestSource for Answering {
    async fn receive(&self, max: usize) -> Result<Vec<IncomingRequest>, TransportError> {
        let mut closing = self.closing.subscribe();
        let mut closing = std::pin::pin!(closing.wait_for(|closing| *closing));
        loop {
            let mut requests = tokio::select! {
                biased;
                _ = &mut closing => return Err(TransportError::closed()),
                requests = self.requests.lock() => requests,
            };
            let first = tokio::select! {
                biased;
                _ = &mut closing => return Err(TransportError::closed()),
                first = requests.next() => first,
            };
            let Some(first) = first else {
                if self.inner.link.is_closed() {
                    return Err(TransportError::closed());
                }
                // The client library was begun anew and knows nothing of it.
                tokio::select! {
                    biased;
                    _ = &mut closing => return Err(TransportError::closed()),
                    again = listen(&self.inner, &self.subject) => *requests = again?,
                }
                continue;
            };
            let mut some: Vec<_> = open(first).into_iter().collect();
            while some.len() < max
                && let Some(Some(message)) = requests.next().now_or_never()
            {
                some.extend(open(message));
            }
            if !some.is_empty() {
                return Ok(some);
            }
        }
    }

    async fn reply(
        &self,
        to: RequestToken,
        reply: &Arc<IntegrationEvent>,
    ) -> Result<(), TransportError> {
        let link = &self.inner.link;
        let outgoing = Outgoing::event(reply)?;
        outgoing.check(self.inner.limits.event)?;
        link.ready(Some(link.deadline())).await?;
        link.client()
            .publish_with_headers(to.0.to_string(), outgoing.headers, outgoing.body)
            .await
            .map_err(|error| refused("reply was not sent").with_source(error))
    }

    fn health(&self) -> TransportHealth {
        self.inner.link.health()
    }

    async fn close(&self) {
        self.closing.send_replace(true);
        // Whoever receives lets go of it at once.
        let mut requests = self.requests.lock().await;
        if let Err(error) = requests.drain().await {
            tracing::debug!(%error, "connection had ended before the responder");
            return;
        }
        // What has come and nobody has asked for is for another responder, if there is one.
        let deadline = Instant::now() + TURNED_AWAY_WITHIN;
        while let Ok(Some(message)) = timeout_at(deadline, requests.next()).await {
            self.turn_away(message).await;
        }
    }
}

impl Answering {
    /// Sends a request once more, for another responder. Without one, the server tells whoever asks.
    async fn turn_away(&self, message: Message) {
        let Message {
            subject,
            reply: Some(reply),
            headers,
            payload,
            ..
        } = message
        else {
            return;
        };
        let client = self.inner.link.client();
        let headers = headers.unwrap_or_default();
        let sent = client
            .publish_with_reply_and_headers(subject, reply, headers, payload)
            .await;
        if let Err(error) = sent {
            tracing::debug!(%error, "request could not be turned away");
        }
    }
}

fn open(message: Message) -> Option<IncomingRequest> {
    let Some(reply) = message.reply.clone() else {
        tracing::warn!("request without a place for the reply was left out");
        return None;
    };
    if is_over(&message) {
        tracing::debug!("request is over and was left out");
        return None;
    }
    match decode(message).event {
        Ok(event) => Some(IncomingRequest::new(
            event,
            RequestToken(Arc::from(reply.as_str())),
        )),
        Err(undecodable) => {
            tracing::warn!(
                error = undecodable.error,
                "request is no event and was left out"
            );
            None
        }
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
