//! Spans of publishing and handling, and how they are related through the events.
//!
//! A publication is a span of the kind *producer*, an attempt to handle an event one of the kind
//! *consumer*. Both have the target `contexter_event_bus` and the level INFO; while nobody is
//! interested in them they cost nothing. Their names and fields follow the messaging conventions of
//! OpenTelemetry, version 1.45, which are still in development
//! (<https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/>): all of them are in this
//! module.
//!
//! An event carries the context of the span that published it in `traceparent` and `tracestate`. The
//! span of an attempt is **linked** to it and is the root of a trace of its own, because many events
//! may be handled long after the one request that led to them has ended;
//! [`TraceRelation::Parent`] makes it a child instead.
//!
//! What a span is called outside this process only a tracing system knows. It takes part as a
//! [`TracePropagator`], which a bus is given by [`Bus::set_trace_propagator`]. Without one, events
//! keep the contexts that they were built with, and the spans show them as fields.
//!
//! | field | on | is |
//! |---|---|---|
//! | `otel.name` | both | `send TYPE` or `process TYPE` |
//! | `otel.kind` | both | `producer` or `consumer` |
//! | `messaging.system` | both | the name of the transport, or `in_process` |
//! | `messaging.operation.type` | both | `send` or `process` |
//! | `messaging.destination.name` | both | the type of the event |
//! | `messaging.message.id` | both | the id of the event |
//! | `messaging.message.conversation_id` | both | its correlation id |
//! | `messaging.batch.message_count` | producer | how many events go together, if it is not one |
//! | `messaging.consumer.group.name` | consumer | the group, or the subscription if it has none |
//! | `contexter.attempt` | consumer | which attempt it is |
//! | `error.type` | both | in what way it failed: the `reason` of publications or of dead letters in the metrics |
//! | `link.trace_id`, `link.span_id` | both | what it is linked to |
//! | `parent.trace_id`, `parent.span_id` | consumer | what it is a child of |

use std::fmt;
use std::sync::Arc;

use contexter_protocol::{IntegrationEvent, TraceContext};
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing::field::Empty;

use crate::bus::Bus;
use crate::claim::Claim;
use crate::contained::Contained;
use crate::handler::HandlerError;
use crate::queue::Queue;

/// The target of all spans of the bus, for filters.
pub const TARGET: &str = "contexter_event_bus";

/// The name of the system of a bus inside this process.
const IN_PROCESS: &str = "in_process";

/// How the span of an attempt is related to the span that published its event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TraceRelation {
    /// It is linked to it, in a trace of its own. The default.
    #[default]
    Link,
    /// It is its child, in the same trace.
    Parent,
}

/// Knows what spans of this process are called in a tracing system.
pub trait TracePropagator: fmt::Debug + Send + Sync + 'static {
    /// Returns the context of a span, to be carried by events; none if it has none.
    fn context(&self, span: &Span) -> Option<TraceContext>;

    /// Links a span to another one, which may be of another process.
    fn link(&self, span: &Span, to: &TraceContext);

    /// Makes a span the child of another one, which may be of another process.
    fn parent(&self, span: &Span, of: &TraceContext);
}

/// Returns whether somebody may be interested in spans: the quick question, before the one about a
/// particular span.
#[inline]
pub(crate) fn is_watched() -> bool {
    tracing::level_enabled!(tracing::Level::INFO)
}

impl Bus {
    /// Lets a tracing system take part: events carry the context of the span that publishes them,
    /// and the spans of attempts are related to it.
    ///
    /// An event that is published again with a context of its own, and no cause, keeps it: its
    /// creation is what its consumers are related to, and the producer span is linked to it.
    ///
    /// Returns whether it was taken: it is given once, before the first publication.
    pub fn set_trace_propagator(&self, propagator: Arc<dyn TracePropagator>) -> bool {
        let contained = Arc::new(Contained::new(propagator));
        self.inner.ledger.propagator.set(contained).is_ok()
    }

    /// Begins the span of a publication, and lets its events carry it.
    pub(crate) fn sending(&self, events: &mut [Arc<IntegrationEvent>]) -> Span {
        let Some(first) = events.first() else {
            return Span::none();
        };
        let span = tracing::info_span!(
            target: TARGET,
            "send",
            otel.name = %format_args!("send {}", first.event_type()),
            otel.kind = "producer",
            messaging.system = self.transport().map_or(IN_PROCESS, |transport| transport.name()),
            "messaging.operation.type" = "send",
            messaging.destination.name = first.event_type(),
            messaging.message.id = first.id(),
            messaging.message.conversation_id = first.correlation_id(),
            messaging.batch.message_count = Empty,
            "error.type" = Empty,
            link.trace_id = Empty,
            link.span_id = Empty,
        );
        if span.is_disabled() {
            return span;
        }
        if events.len() > 1 {
            span.record("messaging.batch.message_count", events.len());
        }
        let propagator = self.inner.ledger.propagator.get();
        for event in events {
            carry(event, &span, propagator);
        }
        span
    }
}

/// Lets an event carry the context of the span that publishes it.
fn carry(
    event: &mut Arc<IntegrationEvent>,
    span: &Span,
    propagator: Option<&Arc<dyn TracePropagator>>,
) {
    let before = event.trace_context();
    if let Some(before) = &before {
        link(span, before, propagator);
    }
    let Some(propagator) = propagator else { return };
    // What an event has from its cause is not its own: see `EventBuilder::caused_by`.
    if before.is_some() && event.causation_id().is_none() {
        return;
    }
    let Some(context) = propagator.context(span) else {
        return;
    };
    match IntegrationEvent::clone(event).with_trace_context(&context) {
        Ok(traced) => *event = Arc::new(traced),
        Err(error) => tracing::debug!(%error, "event goes without a trace context"),
    }
}

impl Queue {
    /// Begins the span of an attempt.
    pub(crate) fn handling(&self, claim: &Claim) -> Span {
        let event = &*claim.event;
        let remote = self.remote.as_ref();
        let span = tracing::info_span!(
            target: TARGET,
            parent: None,
            "process",
            otel.name = %format_args!("process {}", event.event_type()),
            otel.kind = "consumer",
            messaging.system = remote.map_or(IN_PROCESS, |remote| remote.transport.name()),
            "messaging.operation.type" = "process",
            messaging.destination.name = event.event_type(),
            messaging.message.id = event.id(),
            messaging.message.conversation_id = event.correlation_id(),
            messaging.consumer.group.name = &**self.group_name(),
            contexter.attempt = claim.attempt,
            "error.type" = Empty,
            link.trace_id = Empty,
            link.span_id = Empty,
            parent.trace_id = Empty,
            parent.span_id = Empty,
        );
        if span.is_disabled() {
            return span;
        }
        if let Some(context) = event.trace_context() {
            let propagator = self.ledger.propagator.get();
            match self.trace {
                TraceRelation::Link => link(&span, &context, propagator),
                TraceRelation::Parent => {
                    show(&span, "parent.trace_id", "parent.span_id", &context);
                    if let Some(propagator) = propagator {
                        propagator.parent(&span, &context);
                    }
                }
            }
        }
        span
    }
}

fn link(span: &Span, to: &TraceContext, propagator: Option<&Arc<dyn TracePropagator>>) {
    show(span, "link.trace_id", "link.span_id", to);
    if let Some(propagator) = propagator {
        propagator.link(span, to);
    }
}

fn show(span: &Span, trace: &'static str, one: &'static str, context: &TraceContext) {
    span.record(trace, format_args!("{:032x}", context.trace_id()));
    span.record(one, format_args!("{:016x}", context.span_id()));
}

/// Says in a span how an attempt ended.
pub(crate) fn handled(span: &Span, outcome: &Result<(), HandlerError>) {
    if let Err(error) = outcome {
        span.record("error.type", error.kind().as_str());
    }
}

/// Says in a span that a publication failed.
pub(crate) fn not_sent(span: &Span, error: &crate::error::PublishError) {
    span.record("error.type", error.reason());
}
