//! Reading a stream from some place to its end, without consuming it.

use std::ops::ControlFlow;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Config, DeliverPolicy, Info};
use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use contexter_event_bus::TransportError;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::error::{unavailable, unconfirmed};
use crate::message::Delivered;
use crate::source::Create;
use crate::transport::Inner;

/// How many messages are read at once.
const PAGE: usize = 500;

/// How long the server remembers a reader that has gone.
const FORGET_AFTER: Duration = Duration::from_secs(30);

/// How often reading begins again after a broken connection, unless it has come further meanwhile.
const TRIES: u32 = 3;

impl Inner {
    /// Shows all messages to `visit`, in the order of storing, until it has seen enough; none in the
    /// place of one that the client library cannot take.
    pub(crate) async fn read(
        &self,
        stream: &str,
        filter: String,
        from: DeliverPolicy,
        mut visit: impl FnMut(u64, Option<Message>) -> ControlFlow<()> + Send,
    ) -> Result<(), TransportError> {
        let mut from = from;
        let mut tries = TRIES;
        loop {
            let mut last = None;
            let mut over = false;
            let outcome = self
                .read_from(stream, &filter, from, |sequence, message| {
                    last = Some(sequence);
                    let flow = visit(sequence, Some(message));
                    over = flow.is_break();
                    flow
                })
                .await;
            let broken = match outcome {
                Ok(Read::Through) => return Ok(()),
                Ok(Read::Broken) if over => return Ok(()),
                Ok(Read::Broken) => unconfirmed("connection broke while reading"),
                Err(error) => return Err(error),
            };
            tries = if last.is_some() { TRIES } else { tries };
            tries -= 1;
            // Without a place to go on from, it begins where it began.
            let next = match (last, from) {
                (Some(last), _) => last + 1,
                (None, DeliverPolicy::ByStartSequence { start_sequence }) => start_sequence,
                (None, DeliverPolicy::All) => 1,
                _ if tries > 0 => continue,
                _ => return Err(broken),
            };
            let deadline = self.link.deadline();
            let stored = self.next_stored(stream, &filter, next, deadline).await?;
            from = match stored {
                Some(stored) if stored.fault().is_some() => {
                    if visit(stored.sequence, None).is_break() {
                        return Ok(());
                    }
                    tries = TRIES;
                    start_at(stored.sequence + 1)
                }
                // It was something else that broke it.
                Some(_) if tries > 0 => start_at(next),
                Some(_) => return Err(broken),
                None => return Ok(()),
            };
        }
    }

    async fn read_from(
        &self,
        stream: &str,
        filter: &str,
        from: DeliverPolicy,
        mut visit: impl FnMut(u64, Message) -> ControlFlow<()> + Send,
    ) -> Result<Read, TransportError> {
        let name = format!("reader-{}", Uuid::new_v4().simple());
        let config = Config {
            durable_name: Some(name.clone()),
            deliver_policy: from,
            ack_policy: AckPolicy::None,
            filter_subject: filter.to_owned(),
            max_deliver: -1,
            inactive_threshold: FORGET_AFTER,
            memory_storage: true,
            ..Config::default()
        };
        let create = Create {
            stream_name: stream,
            config: &config,
        };
        let subject = format!("CONSUMER.DURABLE.CREATE.{stream}.{name}");
        let info: Info = self
            .link
            .ask(&subject, &create, self.link.deadline())
            .await?;
        let mut read = Read::Through;
        if info.num_pending > 0 {
            let generation = self.link.ready(Some(self.link.deadline())).await?;
            let broken = self.link.broken(generation);
            read = tokio::select! {
                biased;
                pages = self.pages(stream, &name, &mut visit) => pages?,
                () = broken => Read::Broken,
            };
        }
        let delete = format!("CONSUMER.DELETE.{stream}.{name}");
        let deadline = self.link.deadline();
        let deleted: Result<serde_json::Value, _> = self.link.ask(&delete, &(), deadline).await;
        if deleted.is_err() {
            tracing::debug!(stream, name, "reader is forgotten later");
        }
        Ok(read)
    }

    async fn pages(
        &self,
        stream: &str,
        name: &str,
        visit: &mut (impl FnMut(u64, Message) -> ControlFlow<()> + Send),
    ) -> Result<Read, TransportError> {
        let client = self.link.client();
        let inbox = client.new_inbox();
        let opened = client.subscribe(inbox.clone()).await;
        let mut answers: Subscriber =
            opened.map_err(|error| unavailable("inbox cannot be opened").with_source(error))?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
        let pull = Bytes::from(format!("{{\"batch\":{PAGE},\"no_wait\":true}}"));
        loop {
            let sent = client
                .publish_with_reply(subject.clone(), inbox.clone(), pull.clone())
                .await;
            sent.map_err(|error| unavailable("pull cannot be sent").with_source(error))?;
            let deadline = self.link.deadline();
            for _ in 0..PAGE {
                let message = match next(&mut answers, deadline).await? {
                    Next::Message(message) => message,
                    Next::End => return Ok(Read::Through),
                    Next::Gone => return Ok(Read::Broken),
                };
                let reply = message.reply.as_deref();
                let Some(delivered) = reply.and_then(Delivered::read) else {
                    return Ok(Read::Broken);
                };
                if visit(delivered.sequence, message).is_break() || delivered.pending == 0 {
                    return Ok(Read::Through);
                }
            }
        }
    }
}

/// How reading ended.
enum Read {
    /// There is no more, or it was enough.
    Through,
    /// The connection broke, or the server has forgotten the reader.
    Broken,
}

/// What comes of a pull.
enum Next {
    Message(Message),
    /// The server has no more.
    End,
    /// The reader is not there, or nobody is who knows it.
    Gone,
}

fn start_at(start_sequence: u64) -> DeliverPolicy {
    DeliverPolicy::ByStartSequence { start_sequence }
}

async fn next(answers: &mut Subscriber, deadline: Instant) -> Result<Next, TransportError> {
    let Ok(answer) = timeout_at(deadline, answers.next()).await else {
        return Err(unconfirmed("server does not answer"));
    };
    Ok(match answer {
        None => Next::Gone,
        Some(message) => match message.status {
            None => Next::Message(message),
            Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => Next::End,
            Some(_) => Next::Gone,
        },
    })
}
