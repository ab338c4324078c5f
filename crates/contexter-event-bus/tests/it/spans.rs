//! Spans of publishing and handling, and how they are related.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use contexter_event_bus::trace::TARGET;
use contexter_event_bus::{
    Bus, BusConfig, HandlerError, SubscriptionConfig, TracePropagator, TraceRelation,
};
use contexter_protocol::{IntegrationEvent, TraceContext};
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Event, Metadata, Span, Subscriber};

use crate::broker::{Broker, Fake};
use crate::support::{LONG, event, typed};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A span that was begun.
#[derive(Clone, Debug, Default)]
struct Begun {
    name: &'static str,
    root: bool,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Begun {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        self.fields.insert(field.name(), text);
    }
}

/// Remembers the spans of the bus, by their numbers.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Begun>>>);

impl Spans {
    fn named(&self, name: &str) -> Vec<Begun> {
        let spans = self.0.lock();
        spans
            .iter()
            .filter(|span| span.name == name)
            .cloned()
            .collect()
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target() == TARGET
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut begun = Begun {
            name: attributes.metadata().name(),
            root: attributes.is_root(),
            ..Begun::default()
        };
        attributes.record(&mut begun);
        let mut spans = self.0.lock();
        spans.push(begun);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(&mut self.0.lock()[usize::try_from(span.into_u64()).unwrap() - 1]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A tracing system that calls the span of a number `n` the span `n` of the trace 7.
#[derive(Debug, Default)]
struct System(Mutex<Vec<(&'static str, u64, u64)>>);

fn number(span: &Span) -> u64 {
    span.id().unwrap().into_u64()
}

impl TracePropagator for System {
    fn context(&self, span: &Span) -> Option<TraceContext> {
        TraceContext::new(7, number(span), true)
    }

    fn link(&self, span: &Span, to: &TraceContext) {
        self.0.lock().push(("link", number(span), to.span_id()));
    }

    fn parent(&self, span: &Span, of: &TraceContext) {
        self.0.lock().push(("parent", number(span), of.span_id()));
    }
}

fn trace(bus: &Bus, system: &Arc<System>) -> bool {
    let shared = Arc::clone(system);
    bus.set_trace_propagator(shared)
}

/// Publishes an event to a handler that fails once, and returns the spans.
async fn flow(bus: &Bus, relation: TraceRelation, event: IntegrationEvent) -> Spans {
    let spans = Spans::default();
    // A lone subscriber loses what another thread came by first, for good.
    let _second = Dispatch::new(NoSubscriber::default());
    let _default = tracing::subscriber::set_default(spans.clone());
    let config = SubscriptionConfig::default()
        .with_group("g")
        .with_trace_relation(relation);
    let kept = bus
        .subscribe(
            "a.b",
            config,
            |delivery: contexter_event_bus::Delivery| async move {
                match delivery.attempt() {
                    1 => Err(HandlerError::retryable("again")),
                    _ => Ok(()),
                }
            },
        )
        .unwrap();
    kept.ready().await.unwrap();
    let before = kept.stats().delivered;
    bus.publish(event).await.unwrap();
    let end = tokio::time::Instant::now() + LONG;
    while kept.stats().delivered == before {
        assert!(tokio::time::Instant::now() < end);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    spans
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_linked_to_the_publication_and_is_a_root() {
    let system = Arc::new(System::default());
    let bus = Bus::default();
    assert!(trace(&bus, &system));
    assert!(!trace(&bus, &system));
    let spans = flow(&bus, TraceRelation::Link, event(1)).await;
    let (sent, handled) = (spans.named("send"), spans.named("process"));
    assert_eq!((sent.len(), handled.len()), (1, 2));
    let of = |span: &Begun, field: &str| span.fields.get(field).cloned().unwrap_or_default();
    assert_eq!(of(&sent[0], "otel.kind"), "producer");
    assert_eq!(of(&sent[0], "otel.name"), "send a.b");
    assert_eq!(of(&sent[0], "messaging.system"), "in_process");
    for (attempt, span) in (1..).zip(&handled) {
        assert!(span.root);
        assert_eq!(of(span, "otel.kind"), "consumer");
        assert_eq!(of(span, "messaging.consumer.group.name"), "g");
        assert_eq!(of(span, "contexter.attempt"), attempt.to_string());
        assert_eq!(of(span, "link.trace_id"), format!("{:032x}", 7));
        assert_eq!(of(span, "link.span_id"), format!("{:016x}", 1));
        assert_eq!(of(span, "parent.span_id"), "");
    }
    assert_eq!(of(&handled[0], "error.type"), "retryable");
    assert_eq!(of(&handled[1], "error.type"), "");
    assert_eq!(*system.0.lock(), [("link", 2, 1), ("link", 3, 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_a_child_where_that_is_wanted_and_on_a_broker_too() {
    let system = Arc::new(System::default());
    let broker = Broker::new();
    let bus = Bus::over(Arc::new(Fake(broker)), &BusConfig::default());
    trace(&bus, &system);
    let spans = flow(&bus, TraceRelation::Parent, event(1)).await;
    let handled = spans.named("process");
    assert_eq!(handled[0].fields["parent.span_id"], format!("{:016x}", 1));
    assert_eq!(handled[0].fields["messaging.system"], "fake");
    assert_eq!(*system.0.lock(), [("parent", 2, 1), ("parent", 3, 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_created_elsewhere_keeps_its_context_and_what_was_caused_gets_its_own() {
    let system = Arc::new(System::default());
    let bus = Bus::default();
    trace(&bus, &system);
    let builder = || IntegrationEvent::builder("test", "a.b").data(serde_json::json!(1));
    let created = builder()
        .trace(PARENT, Some("x=y".to_owned()))
        .build()
        .unwrap();
    let caused = builder().caused_by(&created).build().unwrap();
    assert_eq!(caused.trace_parent(), Some(PARENT));
    flow(&bus, TraceRelation::Link, created).await;
    let there = 0x00f0_67aa_0ba9_02b7;
    assert_eq!(
        *system.0.lock(),
        [("link", 1, there), ("link", 2, there), ("link", 3, there)]
    );
    system.0.lock().clear();
    flow(&bus, TraceRelation::Link, caused).await;
    assert_eq!(system.0.lock()[..2], [("link", 1, there), ("link", 2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_tracing_system_events_keep_what_they_carry_and_spans_show_it() {
    let bus = Bus::default();
    let created = IntegrationEvent::builder("test", "a.b")
        .data(serde_json::json!(1))
        .trace(PARENT, None)
        .build()
        .unwrap();
    let spans = flow(&bus, TraceRelation::Link, created.clone()).await;
    let handled = spans.named("process");
    assert_eq!(handled[0].fields["link.span_id"], "00f067aa0ba902b7");
    let stored = bus
        .history(&contexter_event_bus::EventFilter::all())
        .await
        .unwrap();
    assert_eq!(*stored.events[0], created);
}

#[tokio::test(start_paused = true)]
async fn without_a_subscriber_nothing_is_copied() {
    // One of its own, since those of other tests are seen from here otherwise.
    let nobody = NoSubscriber::default();
    let _default = tracing::subscriber::set_default(nobody);
    let bus = Bus::default();
    bus.set_trace_propagator(Arc::new(System::default()));
    let sent = Arc::new(event(1));
    let receipt = bus.publish(Arc::clone(&sent)).await.unwrap();
    assert!(Arc::ptr_eq(receipt.event(), &sent));
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_failed_names_its_reason_and_no_text_that_somebody_chose() {
    let spans = Spans::default();
    let _second = Dispatch::new(NoSubscriber::default());
    let _default = tracing::subscriber::set_default(spans.clone());
    let bus = Bus::default();
    bus.publish(typed("no type", 1)).await.unwrap_err();
    bus.drain(LONG).await;
    bus.publish(event(1)).await.unwrap_err();
    let types: Vec<_> = spans
        .named("send")
        .iter()
        .map(|span| span.fields["error.type"].clone())
        .collect();
    assert_eq!(types, ["invalid_type", "closed"]);
}
