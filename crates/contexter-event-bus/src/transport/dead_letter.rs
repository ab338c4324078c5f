//! What is kept of an event that could not be handled.

use std::fmt;
use std::sync::Arc;

use contexter_protocol::IntegrationEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::handler::FailureKind;

/// Names a dead letter of one transport.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeadLetterId(Arc<str>);

impl DeadLetterId {
    /// A name in the transport's own words.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The name of a letter that no transport has stored yet.
    #[must_use]
    pub fn unassigned() -> Self {
        Self(Arc::from(""))
    }

    /// Returns the name as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for DeadLetterId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

/// A message as the broker stores it, byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RawMessage {
    /// Names and values, in the order of the message.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The data.
    pub body: Vec<u8>,
}

impl RawMessage {
    /// A message of these headers and data.
    #[must_use]
    pub fn new(headers: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> Self {
        Self { headers, body }
    }
}

/// What could not be handled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadMessage {
    /// An event, as it was published.
    Event(Arc<IntegrationEvent>),
    /// Bytes that are no event.
    Raw(RawMessage),
}

/// An event that could not be handled, with what is known about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The name of the dead letter, which the transport assigns.
    pub id: DeadLetterId,
    /// What could not be handled.
    pub message: DeadMessage,
    /// The name of the subscription whose handler failed.
    pub subscription: Arc<str>,
    /// The group that gets the event again when it is redriven: that of the subscription, or its
    /// name if it has none.
    pub group: Arc<str>,
    /// The pattern of the group, which tells it from others of its name; none without a group.
    #[serde(default)]
    pub pattern: Option<Arc<str>>,
    /// What tells the subscription from others of its name, where it has no group; none with a group,
    /// in process, and in letters of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Arc<str>>,
    /// The place of the event at the broker; none in process.
    pub origin: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// In what way the last attempt failed.
    pub kind: FailureKind,
    /// The last error with its causes, in one line.
    pub error: String,
    /// When the first attempt failed, as far as this process knows.
    pub first_failed: Timestamp,
    /// When the last attempt failed.
    pub last_failed: Timestamp,
}

impl DeadLetter {
    /// Returns the event, if it is one.
    #[must_use]
    pub fn event(&self) -> Option<&Arc<IntegrationEvent>> {
        match &self.message {
            DeadMessage::Event(event) => Some(event),
            DeadMessage::Raw(_) => None,
        }
    }

    /// Returns whom the letter is for when it is published again: the value of
    /// [`REDRIVE_GROUP`](super::REDRIVE_GROUP).
    #[must_use]
    pub fn redrive_group(&self) -> Arc<str> {
        match &self.pattern {
            Some(pattern) => format!("{} {pattern}", self.group).into(),
            None => Arc::clone(&self.group),
        }
    }

    /// Returns the letter under another name.
    #[must_use]
    pub fn with_id(mut self, id: DeadLetterId) -> Self {
        self.id = id;
        self
    }
}

/// Returns whether the value of [`REDRIVE_GROUP`](super::REDRIVE_GROUP) means a group. One without
/// a pattern means all of its name.
pub(crate) fn is_for(mark: &str, group: &str, pattern: Option<&str>) -> bool {
    match mark.strip_prefix(group) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix(' ')
            .is_some_and(|rest| Some(rest) == pattern),
        None => false,
    }
}

/// Which dead letters are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterQuery {
    /// Only the letter of this name.
    pub id: Option<DeadLetterId>,
    /// Only letters of this group.
    pub group: Option<Arc<str>>,
    /// Only letters after this one.
    pub after: Option<DeadLetterId>,
    /// At most so many.
    pub limit: usize,
}

impl Default for DeadLetterQuery {
    fn default() -> Self {
        Self {
            id: None,
            group: None,
            after: None,
            limit: 1_000,
        }
    }
}

impl DeadLetterQuery {
    /// Wants the oldest 1,000 letters.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Wants the letter of one name.
    #[must_use]
    pub fn one(id: DeadLetterId) -> Self {
        Self {
            id: Some(id),
            limit: 1,
            ..Self::default()
        }
    }

    /// Wants only letters of a group.
    #[must_use]
    pub fn of_group(mut self, group: impl Into<Arc<str>>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Wants only letters after one.
    #[must_use]
    pub fn after(mut self, id: DeadLetterId) -> Self {
        self.after = Some(id);
        self
    }

    /// Wants at most so many letters.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Returns whether a letter is of the wanted name and group; `after` and `limit` are left to
    /// the transport.
    #[must_use]
    pub fn wants(&self, letter: &DeadLetter) -> bool {
        self.id.as_ref().is_none_or(|id| *id == letter.id)
            && self
                .group
                .as_ref()
                .is_none_or(|group| *group == letter.group)
    }
}
