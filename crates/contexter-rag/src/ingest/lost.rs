//! Documents whose events end without their step: as poison, for example.

use std::sync::Arc;

use contexter_event_bus::transport::{DeadMessage, RawMessage};
use contexter_event_bus::{Bus, FailureKind, Unhandled, UnhandledReason};
use contexter_protocol::IntegrationEvent;
use contexter_protocol::rag::ProcessingFailed;
use serde_json::Value;

use super::steps::{Failure, Steps};
use super::tracker::Reason;

/// Gives up the document of an event that ended without being handled, and announces that, unless
/// its step has done so.
pub(super) async fn lost(step: &'static str, end: Unhandled, steps: Arc<Steps>, bus: Bus) {
    let (error, error_type) = match &end.reason {
        UnhandledReason::DeadLettered { kind, error, .. } => (error.clone(), name_of(*kind)),
        UnhandledReason::Duplicate => return,
        other => (
            format!("{other:?}").to_lowercase(),
            "integration".to_owned(),
        ),
    };
    let Some(named) = Named::of(&end.message, &steps.source) else {
        return;
    };
    let text = format!("its event became a dead letter: {error}");
    let reason = Err(Reason::new(text.clone()));
    let run = named.run.as_deref();
    let waited_for = steps
        .tracker
        .settle(&named.library, &named.path, run, reason);
    if !waited_for {
        return;
    }
    let failed = ProcessingFailed {
        library_id: named.library,
        path: Some(named.path),
        step: step.to_owned(),
        error: text,
        error_type,
    };
    if let Err(unheard) = announce(&failed, end.event(), run, &steps.source, &bus).await {
        tracing::warn!(step, error = %unheard, "a failure could not be announced");
    }
}

async fn announce(
    failed: &ProcessingFailed,
    cause: Option<&Arc<IntegrationEvent>>,
    run: Option<&str>,
    source: &str,
    bus: &Bus,
) -> Result<(), Failure> {
    let mut builder = IntegrationEvent::of(source, failed)?;
    builder = match (cause, run) {
        (Some(cause), _) => builder.caused_by(cause),
        (None, Some(run)) => builder.correlation_id(run),
        (None, None) => builder,
    };
    bus.publish(builder.build()?).await?;
    Ok(())
}

fn name_of(kind: FailureKind) -> String {
    let name = serde_json::to_value(kind).ok();
    let name = name.as_ref().and_then(Value::as_str);
    name.unwrap_or("integration").to_owned()
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
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({ "library_id": "/a/b", "path": "c.md", "document": 7 })
    }

    fn named(run: &str) -> Option<Named> {
        Some(Named {
            library: "/a/b".to_owned(),
            path: "c.md".to_owned(),
            run: Some(run.to_owned()),
        })
    }

    #[test]
    fn a_document_is_read_out_of_an_event_whose_payload_is_none() {
        let event = IntegrationEvent::builder("here", "document.ingested")
            .correlation_id("run")
            .data(document())
            .build()
            .unwrap();
        let message = DeadMessage::Event(Arc::new(event));
        assert_eq!(Named::of(&message, "here"), named("run"));
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
        assert_eq!(Named::of(&binary, "here"), named("run"));
        assert_eq!(Named::of(&binary, "there"), None);
        let body = json!({ "source": "here", "correlationid": "run", "data": document() });
        let raw = RawMessage::new(Vec::new(), body.to_string().into_bytes());
        assert_eq!(Named::of(&DeadMessage::Raw(raw), "here"), named("run"));
        let raw = RawMessage::new(Vec::new(), b"{".to_vec());
        assert_eq!(Named::of(&DeadMessage::Raw(raw), "here"), None);
    }
}
