//! Dead letters: a stream of their own.
//!
//! An entry holds the letter as JSON without its message, and the message beside it, either as an event in
//! structured mode or as the headers and bytes that no event could be read from.

use std::sync::Arc;

use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{
    Confirmation, DeadLetter, DeadLetterId, DeadLetterQuery, DeadMessage, REDRIVE_GROUP,
    REDRIVE_LETTER, RawMessage, TransportErrorKind,
};
use contexter_protocol::IntegrationEvent;
use redis::{Pipeline, Value};

use crate::entry::{DATA, Entry, EntryId, entries, name_of_text, number, split, text_of_name};
use crate::error::unexpected;
use crate::publish::confirmation;
use crate::transport::Inner;

const LETTER: &str = "letter";
const EVENT: &str = "event";
const HEADER: &str = "h:";

/// How many letters are read at once.
const PAGE: usize = 200;

impl Inner {
    pub(crate) async fn bury(&self, letter: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        let mut known = letter.clone();
        known.message = DeadMessage::Raw(RawMessage::default());
        let known = serde_json::to_vec(&known).map_err(|error| {
            TransportError::new(TransportErrorKind::Refused, "dead letter cannot be encoded")
                .with_source(error)
        })?;
        let mut add = redis::cmd("XADD");
        add.arg(&self.keys.dead).arg("*").arg(LETTER).arg(known);
        match &letter.message {
            DeadMessage::Raw(raw) => {
                for (name, value) in &raw.headers {
                    let name = [HEADER.as_bytes(), &name_of_text(name)].concat();
                    add.arg(name).arg(&**value);
                }
                add.arg(DATA).arg(&*raw.body);
            }
            DeadMessage::Event(event) => {
                add.arg(EVENT).arg(event.to_json());
            }
            _ => return Err(unexpected("a dead letter of an unknown kind")),
        }
        let mut trim = redis::cmd("XTRIM");
        trim.arg(&self.keys.dead)
            .arg("MAXLEN")
            .arg(self.config.max_dead_letters);
        let mut both = Pipeline::with_capacity(2);
        both.add_command(add).add_command(trim);
        let mut answers = self
            .main
            .send(&both, self.main.deadline())
            .await?
            .into_iter();
        let id = confirmation(answers.next().unwrap_or_default())?.id;
        let removed = answers.next().as_ref().and_then(number).unwrap_or_default();
        if removed > 0 {
            tracing::warn!(
                removed,
                limit = self.config.max_dead_letters,
                "the oldest dead letters made room"
            );
        }
        Ok(DeadLetterId::new(id))
    }

    pub(crate) async fn letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError> {
        let mut letters = Vec::new();
        let mut from = "-".to_owned();
        let mut to = "+".to_owned();
        if let Some(after) = &query.after {
            // The name of a letter of another transport is before all of ours.
            if let Ok(after) = after.as_str().parse::<EntryId>() {
                from = format!("({after}");
            }
        }
        if let Some(id) = &query.id {
            let Ok(id) = id.as_str().parse::<EntryId>() else {
                return Ok(letters);
            };
            if query.after.is_none() {
                from = id.to_string();
            }
            to = id.to_string();
        }
        while letters.len() < query.limit {
            let mut cmd = redis::cmd("XRANGE");
            cmd.arg(&self.keys.dead).arg(&from).arg(&to);
            cmd.arg("COUNT").arg(PAGE);
            let page = entries(self.main.ask_until(&cmd, self.main.deadline()).await?);
            let Some(last) = page.last() else { break };
            let full = page.len() >= PAGE;
            from = format!("({}", last.id);
            for entry in page {
                let id = entry.id;
                match letter(entry) {
                    Some(letter) if query.wants(&letter) && letters.len() < query.limit => {
                        letters.push(letter);
                    }
                    Some(_) => {}
                    None => tracing::warn!(%id, "entry is no dead letter and was left out"),
                }
            }
            if !full {
                break;
            }
        }
        Ok(letters)
    }

    pub(crate) async fn remove_letter(&self, id: &DeadLetterId) -> Result<bool, TransportError> {
        let Ok(id) = id.as_str().parse::<EntryId>() else {
            return Ok(false);
        };
        let mut cmd = redis::cmd("XDEL");
        cmd.arg(&self.keys.dead).arg(id.to_string());
        let answer = self.main.ask(cmd, self.main.deadline()).await?;
        Ok(number(&answer).unwrap_or_default() > 0)
    }

    pub(crate) async fn purge_letters(&self) -> Result<u64, TransportError> {
        // Not `DEL`: the stream keeps its last id, so that no id is ever given twice.
        let mut cmd = redis::cmd("XTRIM");
        cmd.arg(&self.keys.dead).arg("MAXLEN").arg(0);
        let answer = self.main.ask(cmd, self.main.deadline()).await?;
        number(&answer).ok_or_else(|| unexpected("trimming returned no number"))
    }

    /// Stores the message of a letter once more, marked for its group.
    pub(crate) async fn redeliver(
        &self,
        letter: &DeadLetter,
    ) -> Result<Confirmation, TransportError> {
        let group = letter.redrive_group();
        let marks = [
            (REDRIVE_GROUP, &*group),
            (REDRIVE_LETTER, letter.id.as_str()),
        ];
        let (cmd, _) = match &letter.message {
            DeadMessage::Event(event) => self.add(event, &marks)?,
            DeadMessage::Raw(raw) => {
                // A letter that died again carries the marks of its last return.
                let old = |name: &str| {
                    name.eq_ignore_ascii_case(REDRIVE_GROUP)
                        || name.eq_ignore_ascii_case(REDRIVE_LETTER)
                };
                let headers: Vec<_> = raw
                    .headers
                    .iter()
                    .filter(|(name, _)| !old(name))
                    .map(|(name, value)| (name_of_text(name), &**value))
                    .collect();
                let headers = headers.iter().map(|(name, value)| (&**name, *value));
                let marks = marks
                    .iter()
                    .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
                self.add_raw(headers.chain(marks), raw.headers.len() + 2, &raw.body)?
            }
            _ => return Err(unexpected("a dead letter of an unknown kind")),
        };
        let deadline = self.main.deadline();
        let answer: Value = self.main.ask(cmd, deadline).await?;
        confirmation(answer)
    }
}

fn letter(entry: Entry) -> Option<DeadLetter> {
    let id = DeadLetterId::new(entry.id.to_string());
    let (fields, body) = split(entry.fields);
    let mut known = None;
    let mut event = None;
    let mut headers = Vec::new();
    for (name, value) in fields {
        match name.as_slice() {
            name if name == LETTER.as_bytes() => known = serde_json::from_slice(&value).ok(),
            name if name == EVENT.as_bytes() => {
                event = Some(IntegrationEvent::from_json(&value).ok()?);
            }
            name => {
                if let Some(name) = name.strip_prefix(HEADER.as_bytes()) {
                    headers.push((text_of_name(name), value));
                }
            }
        }
    }
    let mut letter: DeadLetter = known?;
    letter.message = match event {
        Some(event) => DeadMessage::Event(Arc::new(event)),
        None => DeadMessage::Raw(RawMessage::new(headers, body)),
    };
    Some(letter.with_id(id))
}
