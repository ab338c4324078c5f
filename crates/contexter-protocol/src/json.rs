//! The structured JSON form of an event (`application/cloudevents+json`).

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::attribute::{ExtensionValue, parse_time};
use crate::error::{DecodeError, InvalidAttribute};
use crate::event::IntegrationEvent;

const SPEC_VERSION: &str = "1.0";

impl IntegrationEvent {
    /// The media type of [`to_json`](Self::to_json).
    pub const MEDIA_TYPE: &'static str = "application/cloudevents+json";

    /// Writes the event as one JSON object.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        reason = "an object with text keys always has a JSON form"
    )]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("keys are strings, and a Vec takes any bytes")
    }

    /// Reads an event from one JSON object.
    ///
    /// # Errors
    ///
    /// Returns a [`DecodeError`] that says which attribute is missing or not allowed. Nesting of
    /// the data beyond 128 levels is refused.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        serde_json::from_slice::<Members>(bytes)?.try_into()
    }
}

impl Serialize for IntegrationEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", SPEC_VERSION)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("type", &self.event_type)?;
        let texts = [
            ("subject", &self.subject),
            ("datacontenttype", &self.data_content_type),
            ("dataschema", &self.data_schema),
            ("correlationid", &self.correlation_id),
            ("causationid", &self.causation_id),
            ("partitionkey", &self.partition_key),
            ("traceparent", &self.trace_parent),
            ("tracestate", &self.trace_state),
            ("dataref", &self.data_ref),
            ("targetservice", &self.target_service),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in [("time", &self.time), ("expirytime", &self.expiry_time)] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        if !self.data.is_null() {
            map.serialize_entry("data", &self.data)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for IntegrationEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Members::deserialize(deserializer)?
            .try_into()
            .map_err(D::Error::custom)
    }
}

/// The members of the JSON object, before they are checked. Null means absent.
#[derive(Deserialize)]
struct Members {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    r#type: Option<String>,
    subject: Option<String>,
    time: Option<String>,
    datacontenttype: Option<String>,
    dataschema: Option<String>,
    correlationid: Option<String>,
    causationid: Option<String>,
    partitionkey: Option<String>,
    traceparent: Option<String>,
    tracestate: Option<String>,
    expirytime: Option<String>,
    dataref: Option<String>,
    targetservice: Option<String>,
    #[serde(default)]
    data: Value,
    data_base64: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl TryFrom<Members> for IntegrationEvent {
    type Error = DecodeError;

    fn try_from(members: Members) -> Result<Self, DecodeError> {
        let required = |value: Option<String>, attribute: &'static str| {
            value.ok_or(DecodeError::Missing { attribute })
        };
        let version = required(members.specversion, "specversion")?;
        if version != SPEC_VERSION {
            let found = version.chars().take(40).collect();
            return Err(DecodeError::Version { found });
        }
        if members.data_base64.is_some() {
            return Err(DecodeError::BinaryData);
        }
        let time = |value: Option<String>, attribute: &'static str| {
            value.map(|v| parse_time(attribute, &v)).transpose()
        };
        let event = Self {
            id: required(members.id, "id")?,
            source: required(members.source, "source")?,
            event_type: required(members.r#type, "type")?,
            subject: members.subject,
            time: time(members.time, "time")?,
            data_content_type: members.datacontenttype,
            data_schema: members.dataschema,
            data: members.data,
            correlation_id: members.correlationid,
            causation_id: members.causationid,
            partition_key: members.partitionkey,
            trace_parent: members.traceparent,
            trace_state: members.tracestate,
            expiry_time: time(members.expirytime, "expirytime")?,
            data_ref: members.dataref,
            target_service: members.targetservice,
            extensions: extensions(members.others)?,
        };
        event.check()?;
        Ok(event)
    }
}

fn extensions(
    others: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, ExtensionValue>, InvalidAttribute> {
    others
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| match ExtensionValue::deserialize(&value) {
            Ok(known) => Ok((name, known)),
            Err(_) => Err(InvalidAttribute::new(
                &name,
                &value.to_string(),
                "a boolean, a whole number of 32 bits or a text",
            )),
        })
        .collect()
}
