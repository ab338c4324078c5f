//! Dead letters: a stream of their own.
//!
//! A letter has the data of its message, the headers of it under names that cannot be mistaken, and
//! one more header with everything else as JSON. Where headers have no room for that, the JSON is at
//! the beginning of the data, with the headers of the message in it.

use std::ops::ControlFlow;

use async_nats::Message;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::stream::Info;
use bytes::Bytes;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{
    Confirmation, DeadLetter, DeadLetterId, DeadLetterQuery, DeadMessage, REDRIVE_GROUP,
    REDRIVE_LETTER, RawMessage, TransportErrorKind,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::{refused, unexpected};
use crate::message::{Outgoing, decode, header, number_of, pairs};
use crate::transport::Inner;

/// Everything but the message, as JSON.
const LETTER: &str = "contexter-letter";
/// How many bytes of JSON are before the data, where there is room in no header.
const LENGTH: &str = "contexter-letter-bytes";
/// What the headers of such a letter take at most, and their names.
const ROOM: usize = 8 * 1_024;
/// The subject of a message that is no event.
const SUBJECT: &str = "contexter-letter-subject";
/// What the names of the original headers begin with, if the message is no event.
const ORIGINAL: &str = "contexter-original-";

impl Inner {
    pub(crate) async fn bury(&self, letter: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        let deadline = Instant::now() + self.config.publish_timeout;
        let mut known = letter.clone();
        known.error = shortened(&letter.error, self.limits.letter / 4);
        let subject = match &letter.message {
            DeadMessage::Raw(_) => self.subject_of(letter.origin.as_deref(), deadline).await,
            _ => None,
        };
        let subject = subject.as_deref();
        let within = in_headers(letter, known.clone(), subject)
            .and_then(|outgoing| outgoing.check(self.limits.server).map(|()| outgoing));
        let mut outgoing = match within {
            Err(error) if error.kind() == TransportErrorKind::TooLarge => {
                in_body(known, subject, self.limits.server)?
            }
            outgoing => outgoing?,
        };
        // What a broken connection makes be sent twice is stored once.
        outgoing.set(NATS_MESSAGE_ID, &name_of(letter))?;
        outgoing.check(self.limits.server)?;
        let stored = self
            .publish_one(&self.names.dead(), outgoing, deadline)
            .await?;
        if stored.sequence.unwrap_or_default() > self.config.max_dead_letters {
            self.warn_if_full(deadline).await;
        }
        Ok(DeadLetterId::new(stored.id))
    }

    async fn warn_if_full(&self, deadline: Instant) {
        let subject = format!("STREAM.INFO.{}", self.names.dead_stream);
        let info: Result<Info, _> = self.link.ask(&subject, &(), deadline).await;
        let limit = self.config.max_dead_letters;
        if info.is_ok_and(|info| info.state.messages >= limit) {
            tracing::warn!(
                limit,
                "there are as many dead letters as are kept: the oldest make room"
            );
        }
    }

    /// Returns the subject of a stored message.
    async fn subject_of(&self, origin: Option<&str>, deadline: Instant) -> Option<String> {
        let sequence = number_of(origin?)?;
        let stored = self.stored(&self.names.stream, sequence, deadline).await;
        Some(stored.ok()??.subject)
    }

    pub(crate) async fn letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError> {
        let mut letters = Vec::new();
        // The name of a letter of another transport is before all of ours.
        let after = query.after.as_ref().and_then(number).unwrap_or_default();
        let mut from = after.saturating_add(1);
        if let Some(id) = &query.id {
            let Some(id) = number(id).filter(|id| *id >= from) else {
                return Ok(letters);
            };
            from = id;
        }
        if query.limit == 0 {
            return Ok(letters);
        }
        let (stream, filter) = (&self.names.dead_stream, self.names.dead_all());
        let from = DeliverPolicy::ByStartSequence {
            start_sequence: from,
        };
        self.read(stream, filter, from, |sequence, message| {
            if let Some(letter) = message.and_then(letter) {
                let letter = letter.with_id(DeadLetterId::new(sequence.to_string()));
                if query.wants(&letter) {
                    letters.push(letter);
                }
            } else {
                tracing::warn!(sequence, "message is no dead letter and was left out");
            }
            // Of one name there is one, and it was the first.
            if letters.len() >= query.limit || query.id.is_some() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .await?;
        Ok(letters)
    }

    pub(crate) async fn remove_letter(&self, id: &DeadLetterId) -> Result<bool, TransportError> {
        let Some(sequence) = number(id) else {
            return Ok(false);
        };
        let stream = &self.names.dead_stream;
        let deadline = self.link.deadline();
        if self.stored(stream, sequence, deadline).await?.is_none() {
            return Ok(false);
        }
        let subject = format!("STREAM.MSG.DELETE.{stream}");
        let question = serde_json::json!({ "seq": sequence, "no_erase": true });
        let deleted: serde_json::Value = self.link.ask(&subject, &question, deadline).await?;
        Ok(deleted
            .get("success")
            .and_then(serde_json::Value::as_bool)
            .unwrap_or_default())
    }

    pub(crate) async fn purge_letters(&self) -> Result<u64, TransportError> {
        let subject = format!("STREAM.PURGE.{}", self.names.dead_stream);
        let deadline = self.link.deadline();
        let purged: serde_json::Value = self.link.ask(&subject, &(), deadline).await?;
        let purged = purged.get("purged").and_then(serde_json::Value::as_u64);
        purged.ok_or_else(|| unexpected("purging returned no number"))
    }

    /// Stores the message of a letter once more, marked for its group.
    pub(crate) async fn redeliver(
        &self,
        letter: &DeadLetter,
    ) -> Result<Confirmation, TransportError> {
        let deadline = Instant::now() + self.config.publish_timeout;
        let mark = |mut outgoing: Outgoing| {
            let key = format!("{} {}", outgoing.key(), letter.id);
            outgoing.set(REDRIVE_GROUP, &letter.redrive_group())?;
            outgoing.set(REDRIVE_LETTER, letter.id.as_str())?;
            outgoing.set(NATS_MESSAGE_ID, &key)?;
            outgoing.check(self.limits.stored).map(|()| outgoing)
        };
        let (subject, outgoing) = match &letter.message {
            DeadMessage::Event(event) => {
                let subject = self.names.event(event.event_type())?;
                let outgoing = match Outgoing::event(event).and_then(mark) {
                    Err(error) if error.kind() == TransportErrorKind::TooLarge => {
                        Outgoing::structured(event).and_then(mark)?
                    }
                    outgoing => outgoing?,
                };
                (subject, outgoing)
            }
            DeadMessage::Raw(raw) => {
                let subject = self.original_subject(letter).await?;
                (subject, Outgoing::raw(raw).and_then(mark)?)
            }
            _ => return Err(unexpected("a dead letter of an unknown kind")),
        };
        self.publish_one(&subject, outgoing, deadline).await
    }

    async fn original_subject(&self, letter: &DeadLetter) -> Result<String, TransportError> {
        let mut subject = None;
        if let Some(sequence) = number(&letter.id) {
            let (stream, filter) = (&self.names.dead_stream, self.names.dead_all());
            let from = DeliverPolicy::ByStartSequence {
                start_sequence: sequence,
            };
            self.read(stream, filter, from, |found, message| {
                if found == sequence {
                    let message = message.as_ref();
                    subject = message
                        .and_then(|message| header(message, SUBJECT))
                        .map(str::to_owned);
                }
                ControlFlow::Break(())
            })
            .await?;
        }
        subject.ok_or_else(|| refused("subject of the message is not known"))
    }
}

/// A letter whose message is as it was, with everything else in headers.
fn in_headers(
    letter: &DeadLetter,
    mut known: DeadLetter,
    subject: Option<&str>,
) -> Result<Outgoing, TransportError> {
    let mut rest = RawMessage::default();
    let mut outgoing = match &letter.message {
        DeadMessage::Event(event) => Outgoing::event(event)?,
        DeadMessage::Raw(raw) => {
            let mut outgoing = Outgoing::new(Bytes::from(raw.body.clone()));
            for (name, value) in &raw.headers {
                let text = std::str::from_utf8(value).ok();
                let name_there = [ORIGINAL, name].concat();
                if text.is_none_or(|text| outgoing.add(&name_there, text).is_err()) {
                    rest.headers.push((name.clone(), value.clone()));
                }
            }
            outgoing
        }
        _ => return Err(unexpected("a dead letter of an unknown kind")),
    };
    known.message = DeadMessage::Raw(rest);
    if let Some(subject) = subject {
        outgoing.add(SUBJECT, subject)?;
    }
    let known = serde_json::to_string(&known).map_err(not_encoded)?;
    outgoing.add(LETTER, &known)?;
    Ok(outgoing)
}

/// A letter with everything but the data of its message as JSON before that; what of the data has
/// no room is cut off, since a letter that cannot be stored would be tried for ever.
fn in_body(
    mut known: DeadLetter,
    subject: Option<&str>,
    limit: usize,
) -> Result<Outgoing, TransportError> {
    let mut rest = match &mut known.message {
        DeadMessage::Raw(raw) => std::mem::take(&mut raw.body),
        _ => Vec::new(),
    };
    let mut body = serde_json::to_vec(&known).map_err(not_encoded)?;
    let length = body.len().to_string();
    let room = limit.saturating_sub(ROOM + body.len());
    if rest.len() > room {
        tracing::warn!(
            bytes = rest.len(),
            kept = room,
            "the data of a dead letter is cut: the server takes no larger one"
        );
        rest.truncate(room);
    }
    body.append(&mut rest);
    let mut outgoing = Outgoing::new(Bytes::from(body));
    outgoing.add(LENGTH, &length)?;
    if let Some(subject) = subject {
        outgoing.add(SUBJECT, subject)?;
    }
    Ok(outgoing)
}

fn not_encoded(error: serde_json::Error) -> TransportError {
    refused("dead letter cannot be encoded").with_source(error)
}

/// Names a letter by its group with its pattern, or by its one subscription, by its place and its
/// message, so that one of the same is recognised. What has no place, since it was a letter before, may
/// fail again: there the time tells them apart.
fn name_of(letter: &DeadLetter) -> String {
    let place = match &letter.origin {
        Some(origin) => origin.clone(),
        None => letter.last_failed.to_string(),
    };
    let pattern = letter.pattern.as_deref().unwrap_or_default();
    let instance = letter.instance.as_deref().unwrap_or_default();
    let whose = [&*letter.group, pattern, instance, &place];
    let mut name = whose.join("\0").into_bytes();
    name.push(0);
    match &letter.message {
        DeadMessage::Event(event) => {
            name.extend([event.source(), event.id()].join("\0").into_bytes());
        }
        DeadMessage::Raw(raw) => name.extend(&raw.body),
        _ => {}
    }
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &name).to_string()
}

fn number(id: &DeadLetterId) -> Option<u64> {
    id.as_str().parse().ok()
}

/// The beginning of a text that may be long.
fn shortened(text: &str, bytes: usize) -> String {
    let end = text.floor_char_boundary(bytes.min(text.len()));
    text.get(..end).unwrap_or_default().to_owned()
}

/// Reads a letter; its name is not in it.
fn letter(message: Message) -> Option<DeadLetter> {
    if let Some(length) = header(&message, LENGTH) {
        let (known, body) = message.payload.split_at_checked(length.parse().ok()?)?;
        let mut letter: DeadLetter = serde_json::from_slice(known).ok()?;
        if let DeadMessage::Raw(raw) = &mut letter.message {
            raw.body = body.to_vec();
        }
        return Some(letter);
    }
    let mut letter: DeadLetter = serde_json::from_str(header(&message, LETTER)?).ok()?;
    let is_raw = message.headers.as_ref()?.get("ce-specversion").is_none();
    let body = message.payload.to_vec();
    if !is_raw {
        letter.message = DeadMessage::Event(decode(message).event.ok()?);
        return Some(letter);
    }
    let rest = match &mut letter.message {
        DeadMessage::Raw(raw) => std::mem::take(&mut raw.headers),
        _ => Vec::new(),
    };
    let original = |(name, value): (String, Vec<u8>)| {
        name.strip_prefix(ORIGINAL)
            .map(|name| (name.to_owned(), value))
    };
    let headers = pairs(message.headers)
        .into_iter()
        .filter_map(original)
        .chain(rest);
    letter.message = DeadMessage::Raw(RawMessage::new(headers.collect(), body));
    Some(letter)
}
