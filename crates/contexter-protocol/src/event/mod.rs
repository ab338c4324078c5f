//! The event envelope: CloudEvents 1.0.2 with the extensions that Contexter uses.

mod builder;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::arrival::{Refused, between, check_skew};
use crate::attribute::{
    ExtensionValue, Name, check_extension, check_text, check_time, check_uri, name,
};
use crate::data::Data;
use crate::error::{BuildError, InvalidAttribute, PayloadError, shortened, without_values};
use crate::payload::EventPayload;
use crate::schema::SchemaVersion;

pub use self::builder::EventBuilder;

/// The extension that names the version of the schema of the data.
const SCHEMA_VERSION: &str = "schemaversion";

/// An event: what happened, where, when, and because of what.
///
/// The envelope is CloudEvents 1.0.2, so any CloudEvents reader understands it. Attributes are
/// checked when an event is built or decoded; extensions that this crate does not know are kept.
///
/// | attribute | here | default of a built event |
/// |---|---|---|
/// | `id` | [`id`](Self::id) | a new UUIDv7, sortable by time |
/// | `source` | [`source`](Self::source) | given; the publishing service |
/// | `type` | [`event_type`](Self::event_type) | given |
/// | `subject` | [`subject`](Self::subject) | none |
/// | `time` | [`time`](Self::time) | now |
/// | `datacontenttype` | [`data_content_type`](Self::data_content_type) | `application/json` if there is data |
/// | `dataschema` | [`data_schema`](Self::data_schema) | none |
/// | `data` | [`data`](Self::data) | null, which is not written |
/// | `correlationid` | [`correlation_id`](Self::correlation_id) | its own id: it starts a flow |
/// | `causationid` | [`causation_id`](Self::causation_id) | none |
/// | `partitionkey` | [`partition_key`](Self::partition_key) | none |
/// | `traceparent`, `tracestate` | [`trace_parent`](Self::trace_parent), [`trace_state`](Self::trace_state) | none |
/// | `expirytime` | [`expiry_time`](Self::expiry_time) | none: it never expires |
/// | `dataref` | [`data_ref`](Self::data_ref) | none |
/// | `targetservice` | [`target_service`](Self::target_service) | none: for everybody |
/// | `schemaversion` | [`schema_version`](Self::schema_version) | none, which is 1.0 |
/// | others | [`extensions`](Self::extensions) | none |
///
/// # Examples
///
/// ```
/// use contexter_protocol::IntegrationEvent;
///
/// let event = IntegrationEvent::builder("document_processor", "document.renamed")
///     .subject("guide.md")
///     .data(serde_json::json!({ "from": "guide.md", "to": "book.md" }))
///     .build()?;
/// let again = IntegrationEvent::from_json(&event.to_json())?;
/// assert_eq!(again, event);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct IntegrationEvent {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) event_type: String,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<Timestamp>,
    pub(crate) data_content_type: Option<Cow<'static, str>>,
    pub(crate) data_schema: Option<String>,
    pub(crate) data: Data,
    pub(crate) correlation_id: Option<String>,
    pub(crate) causation_id: Option<String>,
    pub(crate) partition_key: Option<String>,
    pub(crate) trace_parent: Option<String>,
    pub(crate) trace_state: Option<String>,
    pub(crate) expiry_time: Option<Timestamp>,
    pub(crate) data_ref: Option<String>,
    pub(crate) target_service: Option<String>,
    pub(crate) extensions: BTreeMap<String, ExtensionValue>,
}

impl IntegrationEvent {
    /// Starts an event of `event_type` that `source` publishes.
    pub fn builder(source: impl Into<String>, event_type: impl Into<String>) -> EventBuilder {
        EventBuilder {
            event: Self {
                id: Uuid::now_v7().to_string(),
                source: source.into(),
                event_type: event_type.into(),
                subject: None,
                time: Some(Timestamp::now()),
                data_content_type: None,
                data_schema: None,
                data: Data::NONE,
                correlation_id: None,
                causation_id: None,
                partition_key: None,
                trace_parent: None,
                trace_state: None,
                expiry_time: None,
                data_ref: None,
                target_service: None,
                extensions: BTreeMap::new(),
            },
        }
    }

    /// Starts an event whose type, subject, partition key, data and data reference are `payload`'s.
    ///
    /// # Errors
    ///
    /// Returns [`BuildError::Payload`] if the payload has no JSON form.
    pub fn of<P: EventPayload>(
        source: impl Into<String>,
        payload: &P,
    ) -> Result<EventBuilder, BuildError> {
        let data = serde_json::to_value(payload).map_err(|source| BuildError::Payload {
            event_type: P::TYPE.to_owned(),
            source,
        })?;
        let mut builder = Self::builder(source, P::TYPE).data(data);
        builder.event.subject = payload.subject();
        builder.event.partition_key = payload.partition_key();
        builder.event.data_ref = payload.data_ref();
        if P::SCHEMA_VERSION != SchemaVersion::FIRST {
            builder = builder.schema_version(P::SCHEMA_VERSION);
        }
        Ok(builder)
    }

    /// Reads the data as the payload type `P`.
    ///
    /// # Errors
    ///
    /// Returns an error if the event has another type or its data another shape, or if the data
    /// follows a newer major version of the schema than [`EventPayload::SCHEMA_VERSION`].
    pub fn payload<P: EventPayload>(&self) -> Result<P, PayloadError> {
        if self.event_type != P::TYPE {
            return Err(PayloadError::WrongType {
                expected: P::TYPE,
                found: shortened(&self.event_type, 80),
            });
        }
        let found = self.schema_version()?;
        if !P::SCHEMA_VERSION.reads(found) {
            return Err(PayloadError::SchemaVersion {
                event_type: P::TYPE,
                found,
                supported: P::SCHEMA_VERSION,
            });
        }
        let Data::Json(data) = &self.data else {
            return Err(PayloadError::NotJson {
                event_type: P::TYPE,
                content_type: shortened(self.data_content_type().unwrap_or_default(), 80),
            });
        };
        P::deserialize(data).map_err(|source| PayloadError::Undecodable {
            event_type: P::TYPE,
            source: without_values(&source),
        })
    }

    /// Returns the id, unique within the source.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns who published the event (the specification's `source_service`).
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns what kind of thing happened.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Returns what the event is about within its source.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Returns when it happened (the specification's `timestamp`).
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Returns the media type of the data.
    #[must_use]
    pub fn data_content_type(&self) -> Option<&str> {
        self.data_content_type.as_deref()
    }

    /// Returns the URI of the schema that the data follows.
    #[must_use]
    pub fn data_schema(&self) -> Option<&str> {
        self.data_schema.as_deref()
    }

    /// Returns the data (the specification's `payload`); null if there is none, or if it is not
    /// JSON.
    #[must_use]
    pub fn data(&self) -> &Value {
        static NULL: Value = Value::Null;
        match &self.data {
            Data::Json(value) => value,
            Data::Bytes(_) => &NULL,
        }
    }

    /// Returns the data if it is not JSON, as [`data_content_type`](Self::data_content_type) says.
    #[must_use]
    pub fn data_bytes(&self) -> Option<&Bytes> {
        match &self.data {
            Data::Json(_) => None,
            Data::Bytes(bytes) => Some(bytes),
        }
    }

    /// Returns the id that all events of one flow share.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// Returns the id of the event or message that led to this one.
    #[must_use]
    pub fn causation_id(&self) -> Option<&str> {
        self.causation_id.as_deref()
    }

    /// Returns the key within which events keep their order.
    #[must_use]
    pub fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_deref()
    }

    /// Returns the W3C trace context of the publisher.
    #[must_use]
    pub fn trace_parent(&self) -> Option<&str> {
        self.trace_parent.as_deref()
    }

    /// Returns the vendor part of the W3C trace context.
    #[must_use]
    pub fn trace_state(&self) -> Option<&str> {
        self.trace_state.as_deref()
    }

    /// Returns when the event stops being of use.
    #[must_use]
    pub fn expiry_time(&self) -> Option<Timestamp> {
        self.expiry_time
    }

    /// Returns whether the event is no longer of use at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expiry_time.is_some_and(|expiry| expiry <= now)
    }

    /// Returns a URI reference to the bytes that the event is about.
    #[must_use]
    pub fn data_ref(&self) -> Option<&str> {
        self.data_ref.as_deref()
    }

    /// Returns the one service that the event is meant for.
    #[must_use]
    pub fn target_service(&self) -> Option<&str> {
        self.target_service.as_deref()
    }

    /// Returns the version of the schema that the data follows: the extension `schemaversion`, or
    /// 1.0 without it.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidAttribute`] if the extension is no such version.
    pub fn schema_version(&self) -> Result<SchemaVersion, InvalidAttribute> {
        match self.extensions.get(SCHEMA_VERSION) {
            None => Ok(SchemaVersion::FIRST),
            Some(ExtensionValue::String(text)) => text.parse(),
            Some(other) => other.to_string().parse(),
        }
    }

    /// Checks that the event is still of use at `now`, and that the clock of its source agrees with
    /// ours: its time may be ahead of `now` by the tolerance
    /// ([`DEFAULT_CLOCK_SKEW`](crate::DEFAULT_CLOCK_SKEW) is usual).
    ///
    /// # Errors
    ///
    /// Returns [`Refused::PastExpiry`] or [`Refused::ClockSkew`].
    pub fn check_time(&self, now: Timestamp, tolerance: Duration) -> Result<(), Refused> {
        if let Some(time) = self.time {
            check_skew("time", time, now, tolerance)?;
        }
        match self.expiry_time {
            Some(expiry) if expiry <= now => Err(Refused::PastExpiry {
                since: between(expiry, now),
            }),
            _ => Ok(()),
        }
    }

    /// Returns all other extensions by name (the specification's `metadata`).
    #[must_use]
    pub fn extensions(&self) -> &BTreeMap<String, ExtensionValue> {
        &self.extensions
    }

    /// Checks every attribute against CloudEvents 1.0.2.
    pub(crate) fn check(&self) -> Result<(), InvalidAttribute> {
        for (name, value) in self.texts() {
            match name.attribute {
                "source" | "dataschema" | "dataref" => check_uri(name.attribute, value)?,
                _ => check_text(name.attribute, value)?,
            }
        }
        for (name, value) in self.times() {
            check_time(name.attribute, value)?;
        }
        self.extensions
            .iter()
            .try_for_each(|(name, value)| check_extension(name, value))
    }

    /// The attributes that are text and present, in the order in which they are written.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (Name, &str)> {
        [
            (name!("id"), Some(self.id())),
            (name!("source"), Some(self.source())),
            (name!("type"), Some(self.event_type())),
            (name!("subject"), self.subject()),
            (name!("datacontenttype"), self.data_content_type()),
            (name!("dataschema"), self.data_schema()),
            (name!("correlationid"), self.correlation_id()),
            (name!("causationid"), self.causation_id()),
            (name!("partitionkey"), self.partition_key()),
            (name!("traceparent"), self.trace_parent()),
            (name!("tracestate"), self.trace_state()),
            (name!("dataref"), self.data_ref()),
            (name!("targetservice"), self.target_service()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// The attributes that are times and present.
    pub(crate) fn times(&self) -> impl Iterator<Item = (Name, Timestamp)> {
        [
            (name!("time"), self.time),
            (name!("expirytime"), self.expiry_time),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}
