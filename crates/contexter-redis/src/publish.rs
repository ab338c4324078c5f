//! Storing events.

use std::sync::Arc;

use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{Confirmation, TransportErrorKind};
use contexter_protocol::{IntegrationEvent, codec};
use redis::{Cmd, Pipeline, Value};
use tokio::time::Instant;

use crate::entry::{DATA, entry_id};
use crate::error::{refused, unexpected};
use crate::transport::Inner;

/// What is sent before an answer is waited for. More would only wait in the server's buffers.
const MOST_COMMANDS: usize = 4_096;
const MOST_BYTES: usize = 8 * 1024 * 1024;

impl Inner {
    /// Stores events in order. After a broken connection nothing more is sent, so that no event
    /// overtakes one that must be published again.
    pub(crate) async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        let deadline = Instant::now() + self.config.publish_timeout;
        let mut answers = Vec::with_capacity(events.len());
        let mut broken = None;
        let mut rest = events;
        while !rest.is_empty() {
            let (batch, faults, taken) = self.batch(rest);
            rest = rest.get(taken..).unwrap_or_default();
            let mut stored = if batch.is_empty() {
                Vec::new().into_iter()
            } else if let Some(kind) = &broken {
                repeat(kind, batch.len()).into_iter()
            } else {
                match self.main.send(&batch, deadline).await {
                    Ok(answers) => answers
                        .into_iter()
                        .map(confirmation)
                        .collect::<Vec<_>>()
                        .into_iter(),
                    Err(error) => {
                        let kind = match error.kind() {
                            // What follows was surely not sent.
                            TransportErrorKind::Unconfirmed => TransportErrorKind::Unavailable,
                            kind => kind,
                        };
                        broken = Some((kind, error.to_string()));
                        repeat(&(error.kind(), error.to_string()), batch.len()).into_iter()
                    }
                }
            };
            answers.extend(faults.into_iter().map(|fault| {
                match fault {
                    Some(fault) => Err(fault),
                    None => stored
                        .next()
                        .unwrap_or_else(|| Err(unexpected("an answer is missing"))),
                }
            }));
        }
        answers
    }

    /// Encodes as many events as go together. Returns the commands, for each event why it has none,
    /// and how many events were looked at.
    fn batch(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> (Pipeline, Vec<Option<TransportError>>, usize) {
        let many = events.len().min(MOST_COMMANDS);
        let mut batch = Pipeline::with_capacity(many);
        let mut faults = Vec::with_capacity(many);
        let mut bytes = 0;
        for event in events.iter().take(many) {
            if bytes >= MOST_BYTES {
                break;
            }
            faults.push(match self.add(event, &[]) {
                Ok((cmd, size)) => {
                    bytes += size;
                    batch.add_command(cmd);
                    None
                }
                Err(fault) => Some(fault),
            });
        }
        let taken = faults.len();
        (batch, faults, taken)
    }

    /// Returns the command that stores an event with some more headers, and the event's size.
    pub(crate) fn add(
        &self,
        event: &IntegrationEvent,
        more: &[(&str, &str)],
    ) -> Result<(Cmd, usize), TransportError> {
        let encoded = codec::encode_binary(event).map_err(|error| match error {
            codec::LimitExceeded::Body { size, limit, .. } => {
                TransportError::too_large(size, limit)
            }
            error => TransportError::new(TransportErrorKind::TooLarge, error.to_string()),
        })?;
        let headers = encoded
            .headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let more = more
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        self.add_raw(headers.chain(more), encoded.headers.len(), &encoded.body)
    }

    /// Returns the command that stores a message as it is, and the message's size.
    pub(crate) fn add_raw<'m>(
        &self,
        headers: impl Iterator<Item = (&'m [u8], &'m [u8])> + Clone,
        many: usize,
        body: &[u8],
    ) -> Result<(Cmd, usize), TransportError> {
        let named: usize = headers
            .clone()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let size = named + body.len();
        if size > self.config.max_payload {
            return Err(TransportError::too_large(size, self.config.max_payload));
        }
        // The command, the key and the limit fit well into this.
        let mut cmd = Cmd::with_capacity(2 * many + 12, size + 256);
        cmd.arg("XADD").arg(&self.keys.events);
        if let Some(most) = self.config.max_events {
            cmd.arg("MAXLEN").arg("~").arg(most);
        }
        // First, because a header may have the same name.
        cmd.arg("*").arg(DATA).arg(body);
        for (name, value) in headers {
            cmd.arg(name).arg(value);
        }
        Ok((cmd, size))
    }
}

/// Reads the answer to the storing of an entry.
pub(crate) fn confirmation(answer: Value) -> Result<Confirmation, TransportError> {
    match answer.extract_error() {
        Ok(answer) => entry_id(&answer)
            .map(|id| Confirmation::new(id.to_string()))
            .ok_or_else(|| unexpected("an entry was stored without an id")),
        Err(error) => Err(refused(&error)),
    }
}

fn repeat(
    (kind, text): &(TransportErrorKind, String),
    times: usize,
) -> Vec<Result<Confirmation, TransportError>> {
    (0..times)
        .map(|_| Err(TransportError::new(*kind, text.clone())))
        .collect()
}
