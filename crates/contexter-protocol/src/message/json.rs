//! The JSON form of a message.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

use super::{IntegrationMessage, MessageType};
use crate::attribute::parse_time;
use crate::error::{DecodeError, InvalidAttribute, without_values};
use crate::members::duplicate;
use crate::schema::SchemaVersion;

/// The members that are fields of [`IntegrationMessage`].
pub(super) const FIELDS: [&str; 12] = [
    "message_id",
    "message_type",
    "source_service",
    "target_service",
    "operation",
    "payload",
    "timestamp",
    "correlation_id",
    "causation_id",
    "retry_count",
    "timeout_ms",
    "schema_version",
];

pub(super) fn read(bytes: &[u8]) -> Result<IntegrationMessage, DecodeError> {
    let object: Object = serde_json::from_slice(bytes).map_err(|error| without_values(&error))?;
    object.into_message()
}

/// Writes the unknown members; one that has the name of a field gives way to the field.
pub(super) fn foreign<S: Serializer>(
    members: &BTreeMap<String, Value>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (name, value) in members {
        if !FIELDS.contains(&&**name) {
            map.serialize_entry(name, value)?;
        }
    }
    map.end()
}

impl<'de> Deserialize<'de> for IntegrationMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Object::deserialize(deserializer)?
            .into_message()
            .map_err(D::Error::custom)
    }
}

/// The members of the JSON object, before they are checked.
#[derive(Default)]
struct Object {
    members: BTreeMap<String, Value>,
    twice: Option<String>,
}

impl Object {
    fn into_message(mut self) -> Result<IntegrationMessage, DecodeError> {
        // First of all, because a newer major version may have changed every other member.
        let schema_version = self.schema_version()?;
        if let Some(name) = self.twice {
            return Err(duplicate(&name));
        }
        let message = IntegrationMessage {
            schema_version,
            message_id: self.required("message_id")?,
            message_type: self.message_type()?,
            source_service: self.required("source_service")?,
            target_service: self.required("target_service")?,
            operation: self.required("operation")?,
            payload: self.members.remove("payload").unwrap_or_default(),
            timestamp: self.timestamp()?,
            correlation_id: self.required("correlation_id")?,
            causation_id: self.text("causation_id")?,
            retry_count: self.number("retry_count")?.unwrap_or_default(),
            timeout_ms: self.number("timeout_ms")?,
            extensions: self.members,
        };
        message.check()?;
        Ok(message)
    }

    fn schema_version(&mut self) -> Result<SchemaVersion, DecodeError> {
        let supported = IntegrationMessage::SCHEMA_VERSION;
        match self.text("schema_version")? {
            None => Ok(SchemaVersion::FIRST),
            Some(text) => match text.parse()? {
                found if supported.reads(found) => Ok(found),
                found => Err(DecodeError::SchemaVersion { found, supported }),
            },
        }
    }

    fn message_type(&mut self) -> Result<MessageType, DecodeError> {
        let name = self.required("message_type")?;
        MessageType::of(&name).ok_or_else(|| {
            InvalidAttribute::new("message_type", &name, MessageType::ALLOWED).into()
        })
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        Ok(parse_time("timestamp", &self.required("timestamp")?)?)
    }

    fn required(&mut self, attribute: &'static str) -> Result<String, DecodeError> {
        self.text(attribute)?
            .ok_or(DecodeError::Missing { attribute })
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, InvalidAttribute> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(InvalidAttribute::new(name, &shown(&other), "a text")),
        }
    }

    fn number<N: TryFrom<u64>>(&mut self, name: &str) -> Result<Option<N>, InvalidAttribute> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().and_then(|number| number.try_into().ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(InvalidAttribute::new(name, &shown(&value), NUMBER)),
            },
        }
    }
}

/// What an error says is allowed.
pub(super) const NUMBER: &str = "a whole number that is not negative and fits";

/// How an error shows a value of the wrong type; what is inside of others stays there.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyObject;

        impl<'de> Visitor<'de> for AnyObject {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object::default();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    match object.members.entry(name) {
                        Entry::Vacant(free) => {
                            free.insert(value);
                        }
                        Entry::Occupied(taken) => {
                            object.twice.get_or_insert_with(|| taken.key().clone());
                        }
                    }
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(AnyObject)
    }
}
