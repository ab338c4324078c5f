//! Storing events.

use std::iter;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{Confirmation, TransportErrorKind};
use contexter_protocol::{IntegrationEvent, codec};
use futures_util::poll;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use redis::{Cmd, Pipeline, Value};
use tokio::sync::OnceCell;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::entry::{DATA, entry_id};
use crate::error::{refused, unexpected};
use crate::link::Live;
use crate::transport::Inner;

/// How many events go together. While they are on their way, the next are made ready.
const TOGETHER: usize = 128;
/// Of large events, fewer go together.
const MOST_BYTES: usize = 1024 * 1024;
/// How many lots are on their way at a time. More would only wait in the server's buffers.
const LOTS: usize = 2;

type Answer = Result<Confirmation, TransportError>;

/// Events that go together.
struct Lot {
    commands: Pipeline,
    /// For each event, why it has no command.
    faults: Vec<Option<TransportError>>,
}

impl Lot {
    /// Returns the answer to each event, of those of the server to the commands.
    fn answers(self, mut stored: impl Iterator<Item = Answer>) -> Vec<Answer> {
        let missing = || Err(unexpected("an answer is missing"));
        let mut answer = |fault: Option<TransportError>| match fault {
            Some(fault) => Err(fault),
            None => stored.next().unwrap_or_else(missing),
        };
        self.faults.into_iter().map(&mut answer).collect()
    }
}

impl Inner {
    /// Stores events in order, over one connection. Once it is broken nothing more is sent, so that
    /// no event overtakes one that must be published again.
    pub(crate) async fn publish(&self, events: &[Arc<IntegrationEvent>]) -> Vec<Answer> {
        let deadline = Instant::now() + self.config.publish_timeout;
        let (live, broken) = (OnceCell::new(), OnceLock::new());
        let mut answers = Vec::with_capacity(events.len());
        let mut flights = FuturesOrdered::new();
        let mut rest = events;
        while !rest.is_empty() {
            let lot = self.lot(&mut rest);
            flights.push_back(self.store(lot, &live, &broken, deadline));
            // Sends it.
            while let Poll::Ready(Some(landed)) = poll!(flights.next()) {
                answers.extend(landed);
            }
            if flights.len() < LOTS {
                // What writes to the connection may be a task of this thread.
                yield_now().await;
            } else if let Some(landed) = flights.next().await {
                answers.extend(landed);
            }
        }
        while let Some(landed) = flights.next().await {
            answers.extend(landed);
        }
        if answers.iter().any(Result::is_ok) {
            self.expire(deadline).await;
        }
        answers
    }

    /// Makes as many events ready as go together.
    fn lot(&self, rest: &mut &[Arc<IntegrationEvent>]) -> Lot {
        let many = rest.len().min(TOGETHER);
        let mut commands = Pipeline::with_capacity(many);
        let mut faults = Vec::with_capacity(many);
        let mut bytes = 0;
        while faults.len() < many
            && bytes < MOST_BYTES
            && let Some((event, others)) = rest.split_first()
        {
            *rest = others;
            faults.push(match self.add(event, &[]) {
                Ok((command, size)) => {
                    bytes += size;
                    commands.add_command(command);
                    None
                }
                Err(fault) => Some(fault),
            });
        }
        Lot { commands, faults }
    }

    /// Stores what goes together, unless the connection is not there or broken.
    async fn store(
        &self,
        lot: Lot,
        live: &OnceCell<Result<Live, TransportError>>,
        broken: &OnceLock<TransportError>,
        deadline: Instant,
    ) -> Vec<Answer> {
        if lot.commands.is_empty() {
            return lot.answers(iter::empty());
        }
        // The first lot that has something to send connects.
        let connect = || self.main.live(Some(deadline));
        let live = live.get_or_init(connect).await.as_ref();
        let error = match broken.get().map_or(live, Err) {
            Ok(live) => {
                let mut live = live.clone();
                match self.main.send_on(&mut live, &lot.commands, deadline).await {
                    Ok(answers) => return lot.answers(answers.into_iter().map(confirmation)),
                    Err(error) => error,
                }
            }
            Err(error) => again(error, error.kind()),
        };
        let next = match error.kind() {
            // What follows was surely not sent.
            TransportErrorKind::Unconfirmed => TransportErrorKind::Unavailable,
            kind => kind,
        };
        broken.get_or_init(|| again(&error, next));
        lot.answers(iter::repeat_with(|| Err(again(&error, error.kind()))))
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

/// Says the same of another event.
fn again(error: &TransportError, kind: TransportErrorKind) -> TransportError {
    TransportError::new(kind, error.to_string())
}
