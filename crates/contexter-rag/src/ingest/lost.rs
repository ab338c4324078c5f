//! Documents whose events end without their step: as poison, for example.

use std::sync::Arc;

use contexter_event_bus::transport::{DeadMessage, RawMessage};
use contexter_event_bus::{Bus, Unhandled, UnhandledReason};
use contexter_protocol::IntegrationEvent;
use contexter_protocol::rag::ProcessingFailed;
use serde_json::Value;

use super::steps::Failure;
use super::tracker::{Half, Reason, Tracker};

/// Gives up the documents of events that end without being handled, and announces that, unless
/// their step has done so.
#[derive(Clone)]
pub(super) struct Lost {
    pub(super) tracker: Arc<Tracker>,
    /// The half of the flow that the events are part of.
    pub(super) half: Half,
    /// The `source` of the events that are its own.
    pub(super) source: String,
    pub(super) bus: Bus,
}

impl Lost {
    /// Takes notice of how an event ended.
    pub(super) async fn note(self, step: &'static str, end: Unhandled) {
        let (error, error_type) = match &end.reason {
            UnhandledReason::DeadLettered { kind, error, .. } => (error.as_str(), kind.as_str()),
            UnhandledReason::Duplicate => return,
            other => (other.as_str(), other.as_str()),
        };
        let Some(named) = Named::of(&end.message, &self.source) else {
            return;
        };
        let text = format!("its event was given up: {error}");
        let reason = Err(Reason::new(text.clone()));
        let run = named.run.as_deref();
        let waited_for = self
            .tracker
            .settle(&named.library, &named.path, (run, self.half), reason);
        if !waited_for {
            return;
        }
        let failed = ProcessingFailed {
            library_id: named.library,
            path: Some(named.path),
            step: step.to_owned(),
            error: text,
            error_type: error_type.to_owned(),
        };
        if let Err(unheard) = self.announce(&failed, end.event(), run).await {
            tracing::warn!(step, error = %unheard, "a failure could not be announced");
        }
    }

    async fn announce(
        &self,
        failed: &ProcessingFailed,
        cause: Option<&Arc<IntegrationEvent>>,
        run: Option<&str>,
    ) -> Result<(), Failure> {
        let mut builder = IntegrationEvent::of(&self.source, failed)?;
        builder = match (cause, run) {
            (Some(cause), _) => builder.caused_by(cause),
            (None, Some(run)) => builder.correlation_id(run),
            (None, None) => builder,
        };
        self.bus.publish(builder.build()?).await?;
        Ok(())
    }
}

/// A document, as far as a message names it.
#[derive(Debug, PartialEq)]
struct Named {
    library: String,
    path: String,
    /// The correlation of its run.
    run: Option<String>,
}

impl Named {
    /// Reads a message of this source, whatever of it can be read.
    fn of(message: &DeadMessage, source: &str) -> Option<Self> {
        match message {
            DeadMessage::Event(event) if event.source() == source => {
                let run = event.correlation_id().unwrap_or_default();
                Self::within(event.data(), Some(run.to_owned()))
            }
            DeadMessage::Raw(raw) => Self::of_raw(raw, source),
            _ => None,
        }
    }

    fn of_raw(raw: &RawMessage, source: &str) -> Option<Self> {
        let body: Value = serde_json::from_slice(&raw.body).ok()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let mut values = raw.headers.iter().map(|(_, value)| value.as_slice());
        let ours = text("source") == Some(source) || values.any(|value| value == source.as_bytes());
        let run = text("correlationid").map(str::to_owned).or_else(|| {
            let mut headers = raw.headers.iter();
            let (_, run) = headers.find(|(name, _)| name.ends_with("correlationid"))?;
            String::from_utf8(run.clone()).ok()
        });
        // The body is the data, or a whole event in its structured form.
        let data = body.get("data").unwrap_or(&body);
        ours.then(|| Self::within(data, run)).flatten()
    }

    fn within(data: &Value, run: Option<String>) -> Option<Self> {
        let text = |name| data.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            library: text("library_id")?,
            path: text("path")?,
            run,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contexter_event_bus::{Delivery, EventFilter, HandlerError, SubscriptionConfig, decoded};
    use contexter_protocol::EventPayload as _;
    use contexter_protocol::rag::DocumentIngested;
    use serde_json::json;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;
    use crate::ingest::tracker::Part;

    const LONG: Duration = Duration::from_mins(10);

    fn document() -> Value {
        json!({ "library_id": "/a/b", "path": "c.md", "document": 7 })
    }

    fn named(run: &str) -> Named {
        Named {
            library: "/a/b".to_owned(),
            path: "c.md".to_owned(),
            run: Some(run.to_owned()),
        }
    }

    fn words_of(run: &str) -> Part<'_> {
        let half = Half::Words;
        Part { run, half }
    }

    fn panics() -> Result<(), HandlerError> {
        panic!("not this one")
    }

    #[test]
    fn a_document_is_read_out_of_an_event_whose_payload_is_none() {
        let event = IntegrationEvent::builder("here", "document.ingested")
            .correlation_id("run")
            .data(document())
            .build()
            .unwrap();
        let message = DeadMessage::Event(Arc::new(event));
        assert_eq!(Named::of(&message, "here"), Some(named("run")));
        assert_eq!(Named::of(&message, "there"), None);
    }

    #[test]
    fn a_document_is_read_out_of_bytes_that_are_no_event() {
        let headers = vec![
            ("ce-source".to_owned(), b"here".to_vec()),
            ("ce-correlationid".to_owned(), b"run".to_vec()),
            ("ce-time".to_owned(), b"yesterday".to_vec()),
        ];
        let body = document().to_string().into_bytes();
        let binary = DeadMessage::Raw(RawMessage::new(headers, body));
        assert_eq!(Named::of(&binary, "here"), Some(named("run")));
        assert_eq!(Named::of(&binary, "there"), None);
        let body = json!({ "source": "here", "correlationid": "run", "data": document() });
        let raw = RawMessage::new(Vec::new(), body.to_string().into_bytes());
        assert_eq!(
            Named::of(&DeadMessage::Raw(raw), "here"),
            Some(named("run"))
        );
        let raw = RawMessage::new(Vec::new(), b"{".to_vec());
        assert_eq!(Named::of(&DeadMessage::Raw(raw), "here"), None);
    }

    /// Publishes the events of these data to a step that panics, and returns the failures that were
    /// announced: path, type of the error, error, correlation.
    async fn announced(lost: &Lost, events: &[(&str, Value)]) -> Vec<[String; 4]> {
        let bus = &lost.bus;
        let noting = lost.clone();
        let config = SubscriptionConfig::default()
            .with_attempts(2, Duration::from_millis(1), Duration::from_millis(1))
            .with_observer(move |end| noting.clone().note("index_words", end));
        let panics = decoded(|_: DocumentIngested, _: Delivery| async { panics() });
        let _kept = bus
            .subscribe(DocumentIngested::TYPE, config, panics)
            .unwrap();
        for (run, data) in events {
            let event = IntegrationEvent::builder("here", DocumentIngested::TYPE)
                .correlation_id(*run)
                .data(data.clone())
                .build()
                .unwrap();
            bus.publish(event).await.unwrap();
        }
        assert!(bus.idle(LONG).await);
        tokio::time::sleep(LONG).await;
        let history = bus.history(&EventFilter::all()).await.unwrap();
        let failed = |event: &&Arc<IntegrationEvent>| event.event_type() == ProcessingFailed::TYPE;
        let read = |event: &Arc<IntegrationEvent>| {
            let failed: ProcessingFailed = event.payload().unwrap();
            let run = event.correlation_id().unwrap().to_owned();
            [failed.path.unwrap(), failed.error_type, failed.error, run]
        };
        history.events.iter().filter(failed).map(read).collect()
    }

    fn lost() -> Lost {
        Lost {
            tracker: Arc::default(),
            half: Half::Words,
            source: "here".to_owned(),
            bus: Bus::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_whose_step_panics_or_whose_event_is_damaged_is_given_up_and_announced() {
        let lost = lost();
        let library = "/a/b".parse().unwrap();
        let mut outcomes = ["panics.md", "damaged.md"]
            .map(|path| lost.tracker.expect(&library, path, words_of("run")));
        let hash = contexter_storage::hash(b"");
        let panics = json!({
            "library_id": "/a/b", "path": "panics.md", "document": hash, "chunks": hash,
            "chunk_count": 1,
        });
        let damaged = json!({ "library_id": "/a/b", "path": "damaged.md", "document": 7 });
        let failed = announced(&lost, &[("run", panics), ("run", damaged)]).await;
        let kinds: Vec<_> = failed
            .iter()
            .map(|[path, kind, ..]| (&**path, &**kind))
            .collect();
        let expected = [("damaged.md", "undecodable"), ("panics.md", "panicked")];
        assert_eq!(kinds, expected, "{failed:?}");
        assert!(failed[1][2].contains("not this one"), "{failed:?}");
        assert!(failed.iter().all(|[.., run]| run == "run"), "{failed:?}");
        for outcome in &mut outcomes {
            let reason = outcome.try_recv().unwrap().unwrap_err();
            assert!(reason.text.starts_with("its event was given up"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_an_event_of_an_earlier_run_ends_no_document() {
        let lost = lost();
        let library = "/a/b".parse().unwrap();
        let mut outcome = lost.tracker.expect(&library, "c.md", words_of("now"));
        let failed = announced(&lost, &[("before", document())]).await;
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(outcome.try_recv().unwrap_err(), TryRecvError::Empty);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_an_event_of_one_half_ends_no_document_in_the_other() {
        let lost = lost();
        let library = "/a/b".parse().unwrap();
        let vectors = Part {
            run: "now",
            half: Half::Vectors,
        };
        let mut outcome = lost.tracker.expect(&library, "c.md", vectors);
        let failed = announced(&lost, &[("now", document())]).await;
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(outcome.try_recv().unwrap_err(), TryRecvError::Empty);
    }
}
