//! Answering requests that come over a broker.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use contexter_service::Backoff;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::local::{Entry, Serving};
use super::{REQUEST_FAILED, ResponderConfig};
use crate::handler::HandlerError;
use crate::transport::{
    IncomingRequest, MessageTransport, RequestSource, RequestToken, SubscriptionSpec,
    TransportError, TransportErrorKind,
};

/// The pause after a source has failed; sources mend their connections themselves, so this is rare.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the answers of a responder that has ended may take to be sent.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// Receives and answers requests, until the responder ends or the transport is closed.
pub(crate) async fn serve(
    transport: Arc<dyn MessageTransport>,
    serving: Serving,
    config: ResponderConfig,
    ready: watch::Sender<Option<Result<(), String>>>,
) {
    let entry = &serving.entry;
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
                    let (source, entry) = (Arc::clone(&source), Arc::clone(entry));
                    // A full house: whoever is first done makes room. None is left when the
                    // responder has ended.
                    match Arc::clone(&entry.permits).acquire_owned().await {
                        Ok(permit) => answering.spawn(async move {
                            answer(&*source, &entry, request).await;
                            drop(permit);
                        }),
                        Err(_ended) => answering.spawn(async move {
                            turn_away(&*source, request).await;
                        }),
                    };
                }
            }
            Err(error) if error.kind() == TransportErrorKind::Closed => break,
            Err(error) => {
                tracing::warn!(pattern = %entry.pattern, %error, "cannot receive requests");
                let ended = ended.wait_for(|ended| *ended);
                if timeout(PAUSE, ended).await.is_ok() {
                    break;
                }
            }
        }
    }
    let answered = async { while answering.join_next().await.is_some() {} };
    if timeout(FAREWELL, answered).await.is_err() {
        tracing::warn!(pattern = %entry.pattern, "requests were left without an answer");
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
    let IncomingRequest { event, token } = request;
    let mut ended = entry.ended();
    let reply = tokio::select! {
        biased;
        reply = entry.answer(Arc::clone(&event)) => reply,
        _ = ended.wait_for(|ended| *ended) => Err(responder_ended()),
    };
    let error = match reply {
        Ok(reply) => match source.reply(token.clone(), &Arc::new(reply)).await {
            Ok(()) => return,
            Err(error) => {
                not_sent(&event, &error);
                if error.kind().is_transient() || error.kind() == TransportErrorKind::Closed {
                    return;
                }
                // It is too large, for example: whoever asks is told that instead.
                HandlerError::permanent(format!("reply could not be sent: {error}"))
            }
        },
        Err(error) => error,
    };
    refuse(source, token, &event, &error).await;
}

/// Answers a request that nobody is there any more to begin with.
async fn turn_away(source: &dyn RequestSource, request: IncomingRequest) {
    refuse(source, request.token, &request.event, &responder_ended()).await;
}

fn responder_ended() -> HandlerError {
    HandlerError::retryable("responder ended")
}

async fn refuse(
    source: &dyn RequestSource,
    to: RequestToken,
    request: &IntegrationEvent,
    error: &HandlerError,
) {
    let Some(failure) = failure(request, error) else {
        return;
    };
    if let Err(error) = source.reply(to, &Arc::new(failure)).await {
        not_sent(request, &error);
    }
}

fn not_sent(request: &IntegrationEvent, error: &TransportError) {
    tracing::warn!(
        event.id = request.id(),
        event.kind = request.event_type(),
        %error,
        "reply could not be sent"
    );
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
