//! Requests: one asks, one of those who can answers.

mod ask;
mod local;
mod remote;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::{BuildError, EventBuilder, EventPayload, IntegrationEvent};
use contexter_service::InvalidConfig;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub(crate) use local::Responders;

use crate::bus::Bus;
use crate::error::SubscribeError;
use crate::handler::HandlerError;
use crate::pattern::Pattern;
use local::Entry;

/// The type of the event that says that a responder could not answer.
pub(crate) const REQUEST_FAILED: &str = "contexter.request.failed";

/// A request that somebody waits to be answered.
#[derive(Clone, Debug)]
pub struct Request {
    event: Arc<IntegrationEvent>,
}

impl Request {
    /// Returns the request as an event.
    #[must_use]
    pub fn event(&self) -> &Arc<IntegrationEvent> {
        &self.event
    }

    /// Starts a reply from `source`: it belongs to the flow of the request and names it as its
    /// cause.
    pub fn reply(&self, source: impl Into<String>, event_type: impl Into<String>) -> EventBuilder {
        IntegrationEvent::builder(source, event_type).caused_by(&self.event)
    }
}

/// How requests are answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ResponderConfig {
    /// The responders of one group share the requests. Default: the pattern.
    pub group: Option<String>,
    /// How many requests are answered at once; more wait. Default 64.
    pub concurrency: usize,
    /// How long answering may take. Default 30 s.
    #[serde(with = "contexter_service::duration")]
    pub timeout: Duration,
}

impl Default for ResponderConfig {
    fn default() -> Self {
        Self {
            group: None,
            concurrency: 64,
            timeout: Duration::from_secs(30),
        }
    }
}

impl ResponderConfig {
    /// Sets the group that shares the requests.
    #[must_use]
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets how many requests are answered at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets how long answering may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// Returns all faults at once.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let none = self.concurrency == 0;
        let short = self.timeout.is_zero();
        InvalidConfig::check([
            (
                "concurrency",
                none.then(|| "must be at least 1, got 0".to_owned()),
            ),
            (
                "timeout",
                short.then(|| "must be longer than zero, got 0s".to_owned()),
            ),
        ])
    }
}

/// What a responder does with a request, erased.
pub(crate) type Answer =
    dyn Fn(Request) -> BoxFuture<'static, Result<IntegrationEvent, HandlerError>> + Send + Sync;

/// Keeps a responder alive; dropping it ends it, and cancels what it is answering: whoever has asked
/// is told so.
#[must_use = "dropping a responder ends it"]
pub struct Responder {
    bus: std::sync::Weak<crate::bus::Inner>,
    entry: Arc<Entry>,
    ready: watch::Receiver<Option<Result<(), String>>>,
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("pattern", &self.entry.pattern)
            .finish_non_exhaustive()
    }
}

impl Responder {
    /// Returns which requests are answered.
    #[must_use]
    pub fn pattern(&self) -> &Pattern {
        &self.entry.pattern
    }

    /// Waits until requests reach the responder; in process that is so from the beginning.
    ///
    /// # Errors
    ///
    /// Returns an error if the broker refuses it for good.
    pub async fn ready(&self) -> Result<(), SubscribeError> {
        let mut ready = self.ready.clone();
        match ready.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(message))) => Err(SubscribeError::Refused {
                message: message.clone(),
            }),
            Ok(_) => Ok(()),
            Err(_ended) => Err(SubscribeError::Closed),
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(bus) = self.bus.upgrade() {
            bus.responders.remove(self.entry.id);
        }
        self.entry.end();
    }
}

impl Bus {
    /// Answers the requests whose type matches `pattern`.
    ///
    /// Each request goes to one responder. In process the handler runs in the task of whoever asks,
    /// so it ends when nobody waits any more; over a broker it runs in a task of its own. Either way
    /// it may be dropped at any `.await`, and a panic is an answer that failed.
    ///
    /// # Errors
    ///
    /// As for [`subscribe`](Self::subscribe).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use contexter_event_bus::{Bus, HandlerError, Request, ResponderConfig};
    /// use contexter_protocol::IntegrationEvent;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = Bus::default();
    /// let _responder = bus.respond(
    ///     "library.count",
    ///     ResponderConfig::default(),
    ///     |request: Request| async move {
    ///         let reply = request.reply("index", "library.counted");
    ///         reply
    ///             .data(serde_json::json!(12))
    ///             .build()
    ///             .map_err(HandlerError::permanent)
    ///     },
    /// )?;
    /// let request = IntegrationEvent::builder("cli", "library.count").build()?;
    /// let reply = bus.request(request, Duration::from_secs(1)).await?;
    /// assert_eq!(reply.data(), &serde_json::json!(12));
    /// # Ok(())
    /// # }
    /// ```
    pub fn respond<F, Fut>(
        &self,
        pattern: &str,
        config: ResponderConfig,
        answer: F,
    ) -> Result<Responder, SubscribeError>
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<IntegrationEvent, HandlerError>> + Send + 'static,
    {
        let pattern: Pattern = pattern.parse()?;
        config.validate()?;
        let runtime =
            tokio::runtime::Handle::try_current().map_err(|_none| SubscribeError::NoRuntime)?;
        let answer: Arc<Answer> = Arc::new(move |request| Box::pin(answer(request)));
        let entry = self.inner.responders.entry(pattern, &config, answer);
        {
            let routes = self.inner.routes.read();
            if !routes.open || routes.draining {
                return Err(SubscribeError::Closed);
            }
            self.inner.responders.add(Arc::clone(&entry));
        }
        let (ready, is_ready) = watch::channel(self.transport().is_none().then_some(Ok(())));
        if let Some(transport) = self.transport() {
            let serving = Arc::clone(&entry).serve();
            let task = remote::serve(Arc::clone(transport), serving, config, ready);
            runtime.spawn(task);
        }
        Ok(Responder {
            bus: Arc::downgrade(&self.inner),
            entry,
            ready: is_ready,
        })
    }

    /// Answers requests of the payload type `Q` with the payload type `A`, as `source`.
    ///
    /// A request whose data is no `Q` is answered by a failure without reaching the handler.
    ///
    /// # Errors
    ///
    /// As for [`subscribe`](Self::subscribe).
    pub fn respond_to<Q, A, F, Fut>(
        &self,
        source: &str,
        config: ResponderConfig,
        answer: F,
    ) -> Result<Responder, SubscribeError>
    where
        Q: EventPayload,
        A: EventPayload + Sync,
        F: Fn(Q, Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<A, HandlerError>> + Send + 'static,
    {
        let source: Arc<str> = source.into();
        self.respond(Q::TYPE, config, move |request: Request| {
            let event = Arc::clone(&request.event);
            let source = Arc::clone(&source);
            let answering = event.payload::<Q>().map(|payload| answer(payload, request));
            async move {
                let payload = answering?.await?;
                let reply = IntegrationEvent::of(&*source, &payload).and_then(|builder| {
                    let built = builder.caused_by(&event).build();
                    built.map_err(BuildError::from)
                });
                reply.map_err(HandlerError::permanent)
            }
        })
    }
}
