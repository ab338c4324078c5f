//! The attributes of an event while it is decoded, from whichever form.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::attribute::{ExtensionValue, parse_time};
use crate::data::{Data, with_implied_type};
use crate::error::{DecodeError, InvalidAttribute, shortened};
use crate::event::IntegrationEvent;

/// The CloudEvents version of every event.
pub(crate) const SPEC_VERSION: &str = "1.0";

const EXTENSION: &str = "a boolean, a whole number of 32 bits or a text";

/// The value of an attribute, before the rule of the attribute is applied.
pub(crate) enum Member {
    /// Null, which means absent.
    Absent,
    Boolean(bool),
    Integer(i32),
    Text(String),
    /// What no attribute can be, as an error shows it.
    Other(String),
}

impl Member {
    /// How an error shows the value.
    fn shown(&self) -> String {
        match self {
            Self::Absent => "null".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Text(value) | Self::Other(value) => value.clone(),
        }
    }
}

/// The text of an attribute; one that nearly all events have costs no allocation.
pub(crate) type Text = Cow<'static, str>;

/// The attributes met so far; none is checked yet, except that it comes once.
#[derive(Default)]
pub(crate) struct Members {
    spec_version: Option<Text>,
    id: Option<Text>,
    source: Option<Text>,
    event_type: Option<Text>,
    subject: Option<Text>,
    time: Option<Text>,
    pub(crate) data_content_type: Option<Text>,
    data_schema: Option<Text>,
    correlation_id: Option<Text>,
    causation_id: Option<Text>,
    partition_key: Option<Text>,
    trace_parent: Option<Text>,
    trace_state: Option<Text>,
    expiry_time: Option<Text>,
    data_ref: Option<Text>,
    target_service: Option<Text>,
    extensions: BTreeMap<String, ExtensionValue>,
    fault: Option<DecodeError>,
}

impl Members {
    /// Takes an attribute.
    pub(crate) fn insert(&mut self, name: Cow<'_, str>, value: Member) {
        if let Err(fault) = self.try_insert(name, value) {
            self.fail(fault);
        }
    }

    /// Remembers a fault. The first one is told, unless the event turns out to follow a version of
    /// CloudEvents that has other rules.
    pub(crate) fn fail(&mut self, fault: DecodeError) {
        self.fault.get_or_insert(fault);
    }

    /// Takes the text of an attribute of the specification; returns whether it is one.
    pub(crate) fn insert_usual(
        &mut self,
        name: &[u8],
        text: impl FnOnce(&'static str) -> Result<Text, DecodeError>,
    ) -> bool {
        let Some((name, slot)) = self.slot(name) else {
            return false;
        };
        let put = text(name).and_then(|text| put(slot, name, text));
        if let Err(fault) = put {
            self.fail(fault);
        }
        true
    }

    fn try_insert(&mut self, name: Cow<'_, str>, value: Member) -> Result<(), DecodeError> {
        let Some((name, slot)) = self.slot(name.as_bytes()) else {
            return self.insert_extension(name, value);
        };
        let text = match value {
            Member::Absent => return Ok(()),
            Member::Text(text) => text,
            other => return Err(InvalidAttribute::new(name, &other.shown(), "a text").into()),
        };
        put(slot, name, text.into())
    }

    fn insert_extension(&mut self, name: Cow<'_, str>, value: Member) -> Result<(), DecodeError> {
        let value = match value {
            Member::Absent => return Ok(()),
            Member::Boolean(value) => ExtensionValue::Boolean(value),
            Member::Integer(value) => ExtensionValue::Integer(value),
            Member::Text(value) => ExtensionValue::String(value),
            Member::Other(shown) => {
                return Err(InvalidAttribute::new(&name, &shown, EXTENSION).into());
            }
        };
        match self.extensions.entry(name.into_owned()) {
            Entry::Vacant(free) => {
                free.insert(value);
                Ok(())
            }
            Entry::Occupied(taken) => Err(duplicate(taken.key())),
        }
    }

    /// Returns the attribute of this name, with its name.
    fn slot(&mut self, name: &[u8]) -> Option<(&'static str, &mut Option<Text>)> {
        Some(match name {
            b"specversion" => ("specversion", &mut self.spec_version),
            b"id" => ("id", &mut self.id),
            b"source" => ("source", &mut self.source),
            b"type" => ("type", &mut self.event_type),
            b"subject" => ("subject", &mut self.subject),
            b"time" => ("time", &mut self.time),
            b"datacontenttype" => ("datacontenttype", &mut self.data_content_type),
            b"dataschema" => ("dataschema", &mut self.data_schema),
            b"correlationid" => ("correlationid", &mut self.correlation_id),
            b"causationid" => ("causationid", &mut self.causation_id),
            b"partitionkey" => ("partitionkey", &mut self.partition_key),
            b"traceparent" => ("traceparent", &mut self.trace_parent),
            b"tracestate" => ("tracestate", &mut self.trace_state),
            b"expirytime" => ("expirytime", &mut self.expiry_time),
            b"dataref" => ("dataref", &mut self.data_ref),
            b"targetservice" => ("targetservice", &mut self.target_service),
            _ => return None,
        })
    }

    /// Checks the attributes; `data` is read once the event is known to follow our version.
    pub(crate) fn into_event(
        self,
        data: impl FnOnce(Option<&str>) -> Result<Data, DecodeError>,
    ) -> Result<IntegrationEvent, DecodeError> {
        let owned = |value: Option<Text>| value.map(Text::into_owned);
        let required = |value: Option<Text>, attribute: &'static str| {
            owned(value).ok_or(DecodeError::Missing { attribute })
        };
        if let Some(version) = self.spec_version.as_deref().filter(|v| *v != SPEC_VERSION) {
            let found = shortened(version, 40);
            return Err(DecodeError::Version { found });
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.spec_version.is_none() {
            let attribute = "specversion";
            return Err(DecodeError::Missing { attribute });
        }
        let time = |value: Option<Text>, attribute: &'static str| {
            value.map(|v| parse_time(attribute, &v)).transpose()
        };
        let mut event = IntegrationEvent {
            id: required(self.id, "id")?,
            source: required(self.source, "source")?,
            event_type: required(self.event_type, "type")?,
            subject: owned(self.subject),
            time: time(self.time, "time")?,
            data_content_type: self.data_content_type,
            data_schema: owned(self.data_schema),
            data: Data::NONE,
            correlation_id: owned(self.correlation_id),
            causation_id: owned(self.causation_id),
            partition_key: owned(self.partition_key),
            trace_parent: owned(self.trace_parent),
            trace_state: owned(self.trace_state),
            expiry_time: time(self.expiry_time, "expirytime")?,
            data_ref: owned(self.data_ref),
            target_service: owned(self.target_service),
            extensions: self.extensions,
        };
        event.check()?;
        event.data = data(event.data_content_type())?;
        event.data_content_type = with_implied_type(event.data_content_type, &event.data);
        Ok(event)
    }
}

fn put(slot: &mut Option<Text>, name: &str, text: Text) -> Result<(), DecodeError> {
    match slot.replace(text) {
        None => Ok(()),
        Some(_) => Err(duplicate(name)),
    }
}

pub(crate) fn duplicate(name: &str) -> DecodeError {
    DecodeError::Duplicate {
        attribute: shortened(name, 40),
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyMember;

        impl<'de> Visitor<'de> for AnyMember {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the value of an attribute")
            }

            fn visit_unit<E>(self) -> Result<Member, E> {
                Ok(Member::Absent)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Member, E> {
                Ok(Member::Boolean(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Member, E> {
                Ok(i32::try_from(value)
                    .map_or_else(|_| Member::Other(value.to_string()), Member::Integer))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Member, E> {
                Ok(i32::try_from(value)
                    .map_or_else(|_| Member::Other(value.to_string()), Member::Integer))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Member, E> {
                Ok(Member::Other(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Member, E> {
                Ok(Member::Text(value.to_owned()))
            }

            fn visit_string<E>(self, value: String) -> Result<Member, E> {
                Ok(Member::Text(value))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Member, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Member::Other("[]".to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Member, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Member::Other("{}".to_owned()))
            }
        }

        deserializer.deserialize_any(AnyMember)
    }
}
