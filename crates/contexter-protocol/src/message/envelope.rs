//! A message in the envelope of CloudEvents.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::ascii::in_ascii;
use super::json::NUMBER;
use super::{IntegrationMessage, MessageType};
use crate::arrival::between;
use crate::attribute::{ExtensionValue, check_extension, check_text, check_uri};
use crate::data::{Data, JSON, is_json};
use crate::error::{DecodeError, InvalidAttribute};
use crate::event::IntegrationEvent;
use crate::members::{Member, Members, SPEC_VERSION, duplicate};
use crate::schema::SchemaVersion;

const MESSAGE_TYPE: &str = "messagetype";
const MESSAGE_VERSION: &str = "messageversion";
const RETRY_COUNT: &str = "retrycount";
const TIMEOUT_MS: &str = "timeoutms";
/// Holds, as one JSON object in ASCII, the members that no attribute can hold.
const MEMBERS: &str = "messagemembers";

impl IntegrationMessage {
    /// Puts the message into the envelope of CloudEvents, to be carried as an event.
    ///
    /// | message | event |
    /// |---|---|
    /// | `message_id`, `source_service`, `timestamp` | `id`, `source`, `time` |
    /// | `operation` | `type`; replies have `.response` or `.error` after it |
    /// | `payload` | `data` |
    /// | `target_service`, `correlation_id`, `causation_id` | `targetservice`, `correlationid`, `causationid` |
    /// | `message_type`, `retry_count`, `timeout_ms` | `messagetype`, `retrycount`, `timeoutms` |
    /// | `schema_version` | `messageversion` |
    /// | `timestamp` and `timeout_ms` together | `expirytime` |
    /// | `extensions` | the attribute of the same name; what no attribute can hold is in `messagemembers` |
    ///
    /// A reply has a type of its own, so that whoever subscribes to a request does not receive its
    /// own replies.
    ///
    /// # Errors
    ///
    /// Returns the [`DecodeError`] that reading the event would give, such as a `source_service`
    /// that is no URI reference.
    pub fn into_event(self) -> Result<IntegrationEvent, DecodeError> {
        let mut members = Members::default();
        let mut text = |name: &'static str, value: String| {
            members.insert(name.into(), Member::Text(value));
        };
        if let Some(timeout) = self.timeout_ms {
            let timeout = SignedDuration::try_from(Duration::from_millis(timeout));
            let expiry = timeout
                .ok()
                .and_then(|after| self.timestamp.checked_add(after).ok());
            text("expirytime", expiry.unwrap_or(Timestamp::MAX).to_string());
        }
        text("specversion", SPEC_VERSION.to_owned());
        text("id", self.message_id);
        text("source", self.source_service);
        text(
            "type",
            [&*self.operation, suffix(self.message_type)].concat(),
        );
        text("time", self.timestamp.to_string());
        text("targetservice", self.target_service);
        text("correlationid", self.correlation_id);
        text(MESSAGE_TYPE, self.message_type.as_str().to_owned());
        text(MESSAGE_VERSION, self.schema_version.to_string());
        if let Some(cause) = self.causation_id {
            text("causationid", cause);
        }
        if self.retry_count > 0 {
            text(RETRY_COUNT, self.retry_count.to_string());
        }
        if let Some(timeout) = self.timeout_ms {
            text(TIMEOUT_MS, timeout.to_string());
        }
        insert_members(&mut members, self.extensions);
        members.into_event(|content_type| Data::from_member(content_type, self.payload))
    }

    /// Takes a message out of the envelope that [`into_event`](Self::into_event) put it into.
    ///
    /// Attributes that are no part of a message, such as the trace context, are kept in
    /// [`extensions`](Self::extensions).
    ///
    /// # Errors
    ///
    /// Returns a [`DecodeError`] that says which attribute is missing or not allowed.
    pub fn from_event(event: IntegrationEvent) -> Result<Self, DecodeError> {
        let mut others = event.extensions;
        let schema_version = match take(&mut others, MESSAGE_VERSION) {
            None => SchemaVersion::FIRST,
            Some(text) => text.parse()?,
        };
        if !Self::SCHEMA_VERSION.reads(schema_version) {
            return Err(DecodeError::SchemaVersion {
                found: schema_version,
                supported: Self::SCHEMA_VERSION,
            });
        }
        let message_type = message_type(&required(take(&mut others, MESSAGE_TYPE), MESSAGE_TYPE)?)?;
        let timestamp = required(event.time, "time")?;
        let timeout_ms = match number(&mut others, TIMEOUT_MS)? {
            Some(timeout) => Some(timeout),
            None => event.expiry_time.map(|expiry| {
                u64::try_from(between(timestamp, expiry).as_millis()).unwrap_or(u64::MAX)
            }),
        };
        let retry_count = number(&mut others, RETRY_COUNT)?.unwrap_or_default();
        let payload = match event.data {
            Data::Json(payload) => payload,
            Data::Bytes(_) => {
                let found = event.data_content_type.unwrap_or_default();
                return Err(InvalidAttribute::new("datacontenttype", &found, "json").into());
            }
        };
        let content_type = event.data_content_type.filter(|name| name != JSON);
        let kept = [
            ("subject", event.subject),
            ("datacontenttype", content_type.map(Into::into)),
            ("dataschema", event.data_schema),
            ("partitionkey", event.partition_key),
            ("traceparent", event.trace_parent),
            ("tracestate", event.trace_state),
            ("dataref", event.data_ref),
        ];
        let kept = kept.map(|(name, text)| Some((name.to_owned(), ExtensionValue::String(text?))));
        let message = Self {
            message_id: event.id,
            message_type,
            source_service: event.source,
            target_service: required(event.target_service, "targetservice")?,
            operation: operation(&event.event_type, message_type)?,
            payload,
            timestamp,
            correlation_id: required(event.correlation_id, "correlationid")?,
            causation_id: event.causation_id,
            retry_count,
            timeout_ms,
            schema_version,
            extensions: members(others.into_iter().chain(kept.into_iter().flatten()))?,
        };
        message.check()?;
        Ok(message)
    }
}

/// What tells the event type of a reply from that of its request.
fn suffix(message_type: MessageType) -> &'static str {
    match message_type {
        MessageType::Request | MessageType::Event => "",
        MessageType::Response => ".response",
        MessageType::Error => ".error",
    }
}

fn operation(event_type: &str, message_type: MessageType) -> Result<String, InvalidAttribute> {
    let allowed = "an operation with the ending of its message type";
    event_type
        .strip_suffix(suffix(message_type))
        .map(str::to_owned)
        .ok_or_else(|| InvalidAttribute::new("type", event_type, allowed))
}

fn message_type(name: &str) -> Result<MessageType, InvalidAttribute> {
    MessageType::of(name)
        .ok_or_else(|| InvalidAttribute::new(MESSAGE_TYPE, name, MessageType::ALLOWED))
}

fn required<T>(value: Option<T>, attribute: &'static str) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { attribute })
}

fn take(others: &mut BTreeMap<String, ExtensionValue>, name: &str) -> Option<String> {
    Some(match others.remove(name)? {
        ExtensionValue::String(text) => text,
        other => other.to_string(),
    })
}

fn number<N: FromStr>(
    others: &mut BTreeMap<String, ExtensionValue>,
    name: &str,
) -> Result<Option<N>, InvalidAttribute> {
    let Some(text) = take(others, name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(InvalidAttribute::new(name, &text, NUMBER)),
    }
}

/// Inserts the members that an attribute can hold as attributes, and the others together.
fn insert_members(attributes: &mut Members, members: BTreeMap<String, Value>) {
    let (fitting, others): (Vec<_>, Vec<_>) = members
        .into_iter()
        .partition(|(name, value)| value.as_str().is_some_and(|text| fits(name, text)));
    for (name, value) in fitting {
        if let Value::String(text) = value {
            attributes.insert(name.into(), Member::Text(text));
        }
    }
    if !others.is_empty() {
        let object = Value::Object(others.into_iter().collect());
        attributes.insert(MEMBERS.into(), Member::Text(in_ascii(&object)));
    }
}

/// Returns whether an attribute that is no part of a message can hold the text.
fn fits(name: &str, text: &str) -> bool {
    match name {
        MESSAGE_TYPE | MESSAGE_VERSION | RETRY_COUNT | TIMEOUT_MS | MEMBERS => false,
        "subject" | "partitionkey" | "traceparent" | "tracestate" => check_text(name, text).is_ok(),
        "datacontenttype" => is_json(text) && check_text(name, text).is_ok(),
        "dataschema" | "dataref" => check_uri(name, text).is_ok(),
        _ => check_extension(name, &ExtensionValue::from(text)).is_ok(),
    }
}

/// The reverse of [`insert_members`].
fn members(
    attributes: impl Iterator<Item = (String, ExtensionValue)>,
) -> Result<BTreeMap<String, Value>, DecodeError> {
    let mut members = BTreeMap::new();
    let mut together = None;
    for (name, value) in attributes {
        match value {
            ExtensionValue::Boolean(value) => members.insert(name, value.into()),
            ExtensionValue::Integer(value) => members.insert(name, value.into()),
            ExtensionValue::String(text) if name == MEMBERS => {
                together.replace(text).map(Value::from)
            }
            ExtensionValue::String(text) => members.insert(name, text.into()),
        };
    }
    if let Some(text) = together {
        let others: BTreeMap<String, Value> = serde_json::from_str(&text)
            .ok()
            .ok_or_else(|| InvalidAttribute::new(MEMBERS, "", "a json object"))?;
        for (name, value) in others {
            if members.contains_key(&name) {
                return Err(duplicate(&name));
            }
            members.insert(name, value);
        }
    }
    Ok(members)
}
