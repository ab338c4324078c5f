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
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::limit::set_left;
use super::waiting::{Held, Waiting};
use crate::error::{refused, unavailable};
use crate::message::{Outgoing, decode};
use crate::transport::Inner;

/// The queue of all responders: of those of one queue the server chooses one, whatever their
/// patterns. With a queue for each group, several groups would carry out one request.
const QUEUE: &str = "responders";

/// How long a responder that ends may take to turn away what has come.
const TURNED_AWAY_WITHIN: Duration = Duration::from_millis(500);

/// The pause before requests are subscribed to once more.
const PAUSE: Duration = Duration::from_millis(50);

/// One responder.
pub(crate) struct Answering {
    inner: Arc<Inner>,
    waiting: Arc<Waiting>,
    closing: watch::Sender<bool>,
    /// Takes in what comes, at once: the time of a request begins then.
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Answering {
    pub(crate) async fn start(
        inner: Arc<Inner>,
        spec: &SubscriptionSpec,
    ) -> Result<Self, TransportError> {
        let subject = inner.names.requests(&spec.pattern);
        let intake = Intake {
            requests: listen(&inner, &subject).await?,
            inner: Arc::clone(&inner),
            subject,
            waiting: Arc::default(),
        };
        let (waiting, closing) = (Arc::clone(&intake.waiting), watch::Sender::new(false));
        let task = tokio::spawn(intake.run(closing.clone()));
        Ok(Self {
            inner,
            waiting,
            closing,
            task: Mutex::new(Some(task)),
        })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.closing.send_replace(true);
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

/// Waits until it is to end.
async fn told(closing: &watch::Sender<bool>) {
    let mut closing = closing.subscribe();
    let _told = closing.wait_for(|closing| *closing).await;
}

/// Takes requests from the client library.
struct Intake {
    inner: Arc<Inner>,
    subject: String,
    requests: Subscriber,
    waiting: Arc<Waiting>,
}

impl Intake {
    async fn run(mut self, closing: watch::Sender<bool>) {
        tokio::select! {
            biased;
            () = told(&closing) => {}
            () = self.take_in() => {}
        }
        // Also where the connection has been closed: whoever receives is told.
        closing.send_replace(true);
        if timeout(TURNED_AWAY_WITHIN, self.turn_all_away())
            .await
            .is_err()
        {
            tracing::debug!("requests could not be turned away in time");
        }
    }

    /// Takes in what comes, until the connection is closed.
    async fn take_in(&mut self) {
        loop {
            self.waiting.has_room().await;
            match self.requests.next().await {
                Some(message) => self.waiting.add(message),
                None if self.inner.link.is_closed() => return,
                // The client library was begun anew and knows nothing of it.
                None => match listen(&self.inner, &self.subject).await {
                    Ok(requests) => self.requests = requests,
                    Err(error) => {
                        tracing::debug!(%error, "requests cannot be subscribed to for now");
                        sleep(PAUSE).await;
                    }
                },
            }
        }
    }

    /// Turns away what has come and nobody has taken: it is for another responder, if there is one.
    async fn turn_all_away(mut self) {
        if let Err(error) = self.requests.drain().await {
            tracing::debug!(%error, "connection had ended before the responder");
            return;
        }
        while let Some(message) = self.requests.next().await {
            self.waiting.add(message);
        }
        for held in self.waiting.take_all() {
            self.turn_away(held).await;
        }
    }

    /// Sends a request once more, for another responder. Without one, the server tells whoever asks.
    async fn turn_away(&self, held: Held) {
        let Message {
            subject,
            reply: Some(reply),
            headers,
            payload,
            ..
        } = held.message
        else {
            return;
        };
        let mut headers = headers.unwrap_or_default();
        if let Some(until) = held.until {
            set_left(&mut headers, until.duration_since(Instant::now()));
        }
        let client = self.inner.link.client();
        let sent = client
            .publish_with_reply_and_headers(subject, reply, headers, payload)
            .await;
        if let Err(error) = sent {
            tracing::debug!(%error, "request could not be turned away");
        }
    }
}

#[async_trait]
impl RequestSource for Answering {
    async fn receive(&self, max: usize) -> Result<Vec<IncomingRequest>, TransportError> {
        loop {
            if *self.closing.borrow() {
                return Err(TransportError::closed());
            }
            let taken = self.waiting.take(max.max(1));
            let some: Vec<_> = taken.into_iter().filter_map(open).collect();
            if !some.is_empty() {
                return Ok(some);
            }
            tokio::select! {
                () = self.waiting.arrived() => {}
                () = told(&self.closing) => {}
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
        let task = self.task.lock().take();
        if let Some(task) = task {
            let _ended = task.await;
        }
    }
}

fn open(message: Message) -> Option<IncomingRequest> {
    let Some(reply) = message.reply.clone() else {
        tracing::warn!("request without a place for the reply was left out");
        return None;
    };
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
