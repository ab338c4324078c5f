//! Answering requests that come over a broker.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use contexter_service::Backoff;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::local::Entry;
use super::{REQUEST_FAILED, ResponderConfig};
use crate::handler::HandlerError;
use crate::transport::{
    IncomingRequest, MessageTransport, RequestSource, SubscriptionSpec, TransportErrorKind,
};

/// The pause after a source has failed; sources mend their connections themselves, so this is rare.
const PAUSE: Duration = Duration::from_secs(1);

/// Receives and answers requests, until the responder ends or the transport is closed.
pub(crate) async fn serve(
    transport: Arc<dyn MessageTransport>,
    entry: Arc<Entry>,
    config: ResponderConfig,
    ready: watch::Sender<Option<Result<(), String>>>,
) {
    let group = config.group.as_deref().unwrap_or(entry.pattern.as_str());
    let spec = SubscriptionSpec::new(entry.pattern.clone())
        .with_group(group)
        .with_prefetch(config.concurrency);
    let mut ended = entry.ended();
    let source = tokio::select! {
        biased;
        _ = ended.wait_for(|ended| *ended) => return,
        source = connect(&*transport, &spec, &ready) => source,
    };
    let Some(source) = source else { return };
    // Dropped with this task, which cancels what is being answered.
    let mut answering = JoinSet::new();
    loop {
        while answering.try_join_next().is_some() {}
        let received = tokio::select! {
            biased;
            _ = ended.wait_for(|ended| *ended) => break,
            received = source.receive(entry.permits.available_permits().max(1)) => received,
        };
        match received {
            Ok(requests) => {
                for request in requests {
                    // A full house: whoever is first done makes room.
                    let Ok(permit) = Arc::clone(&entry.permits).acquire_owned().await else {
                        break;
                    };
                    let (source, entry) = (Arc::clone(&source), Arc::clone(&entry));
                    answering.spawn(async move {
                        answer(&*source, &entry, request).await;
                        drop(permit);
                    });
                }
            }
            Err(error) if error.kind() == TransportErrorKind::Closed => break,
            Err(error) => {
                tracing::warn!(pattern = %entry.pattern, %error, "cannot receive requests");
                sleep(PAUSE).await;
            }
        }
    }
    source.close().await;
}

async fn connect(
    transport: &dyn MessageTransport,
    spec: &SubscriptionSpec,
    ready: &watch::Sender<Option<Result<(), String>>>,
) -> Option<Arc<dyn RequestSource>> {
    let mut delays = Backoff::new(PAUSE / 10, PAUSE * 10).ok()?.delays();
    loop {
        match transport.respond(spec).await {
            Ok(source) => {
                ready.send_replace(Some(Ok(())));
                return Some(source);
            }
            Err(error) => {
                tracing::warn!(pattern = %spec.pattern, %error, "cannot answer requests");
                if !error.kind().is_transient() {
                    ready.send_replace(Some(Err(error.to_string())));
                    return None;
                }
            }
        }
        sleep(delays.next().unwrap_or(PAUSE)).await;
    }
}

async fn answer(source: &dyn RequestSource, entry: &Entry, request: IncomingRequest) {
    let event = request.event;
    let reply = match entry.answer(Arc::clone(&event)).await {
        Ok(reply) => Some(reply),
        Err(error) => failure(&event, &error),
    };
    let Some(reply) = reply else { return };
    if let Err(error) = source.reply(request.token, &Arc::new(reply)).await {
        tracing::warn!(
            event.id = event.id(),
            event.kind = event.event_type(),
            %error,
            "reply could not be sent"
        );
    }
}

/// Says to whoever asks that there is no answer.
fn failure(request: &IntegrationEvent, error: &HandlerError) -> Option<IntegrationEvent> {
    let data = json!({
        "error": error.chain(),
        "retryable": error.kind().is_retryable(),
    });
    IntegrationEvent::builder("contexter/event-bus", REQUEST_FAILED)
        .caused_by(request)
        .data(data)
        .build()
        .ok()
}
