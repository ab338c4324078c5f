//! The structured JSON form of an event (`application/cloudevents+json`).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::attribute::RESERVED;
use crate::data::{Data, is_text};
use crate::error::{DecodeError, without_values};
use crate::event::IntegrationEvent;
use crate::members::{Member, Members, SPEC_VERSION, duplicate};

/// A new buffer of this size takes most events without growing.
const USUAL_BYTES: usize = 1024;

impl IntegrationEvent {
    /// The media type of [`to_json`](Self::to_json).
    pub const MEDIA_TYPE: &'static str = "application/cloudevents+json";

    /// Writes the event as one JSON object.
    ///
    /// Data that is not JSON becomes a text if its media type is `text/*` or XML in UTF-8, and
    /// `data_base64` otherwise.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        to_vec(self)
    }

    /// Reads an event from one JSON object.
    ///
    /// Data without a media type is JSON, and [`data_content_type`](Self::data_content_type) says
    /// so afterwards.
    ///
    /// # Errors
    ///
    /// Returns a [`DecodeError`] that says which attribute is missing or not allowed. Nesting of
    /// the data beyond 126 levels is refused.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        let object: Object =
            serde_json::from_slice(bytes).map_err(|error| without_values(&error))?;
        object.into_event()
    }
}

/// Writes a value that has a JSON form whatever it holds.
pub(crate) fn to_vec(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(USUAL_BYTES);
    write(value, &mut json);
    json
}

/// Writes a value that has a JSON form whatever it holds, behind what is there.
pub(crate) fn write(value: &impl Serialize, json: &mut Vec<u8>) {
    serde_json::to_writer(json, value).expect("keys are strings, and a Vec takes any bytes");
}

impl Serialize for IntegrationEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", SPEC_VERSION)?;
        for (name, value) in self.texts() {
            map.serialize_entry(name.attribute, value)?;
        }
        for (name, value) in self.times() {
            map.serialize_entry(name.attribute, &value)?;
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        match &self.data {
            Data::Json(Value::Null) => {}
            Data::Json(value) => map.serialize_entry("data", value)?,
            Data::Bytes(bytes) => match self.text(bytes) {
                Some(text) => map.serialize_entry("data", text)?,
                None => map.serialize_entry("data_base64", &Base64(bytes))?,
            },
        }
        map.end()
    }
}

impl IntegrationEvent {
    /// Returns the bytes as text, if the media type says that they are.
    fn text<'b>(&self, bytes: &'b [u8]) -> Option<&'b str> {
        let content_type = self.data_content_type()?;
        is_text(content_type).then(|| std::str::from_utf8(bytes).ok())?
    }
}

struct Base64<'b>(&'b [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

impl<'de> Deserialize<'de> for IntegrationEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Object::deserialize(deserializer)?
            .into_event()
            .map_err(D::Error::custom)
    }
}

/// The members of the JSON object, before they are checked.
#[derive(Default)]
struct Object {
    attributes: Members,
    data: Value,
    data_base64: Option<String>,
}

impl Object {
    fn insert_data(&mut self, value: Value) {
        if !value.is_null() && !std::mem::replace(&mut self.data, value).is_null() {
            self.attributes.fail(duplicate("data"));
        }
    }

    fn insert_base64(&mut self, value: Member) {
        match value {
            Member::Absent => {}
            Member::Text(text) => {
                if self.data_base64.replace(text).is_some() {
                    self.attributes.fail(duplicate("data_base64"));
                }
            }
            _ => self.attributes.fail(DecodeError::BinaryData),
        }
    }

    fn into_event(self) -> Result<IntegrationEvent, DecodeError> {
        let (data, data_base64) = (self.data, self.data_base64);
        self.attributes
            .into_event(|content_type| match data_base64 {
                None => Data::from_member(content_type, data),
                Some(_) if !data.is_null() => Err(DecodeError::DataTwice),
                Some(text) => {
                    let bytes = STANDARD.decode(text).ok().ok_or(DecodeError::BinaryData)?;
                    Data::from_bytes(content_type, bytes.into())
                }
            })
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
                while let Some(name) = map.next_key_seed(Name)? {
                    match &*name {
                        "data" => object.insert_data(map.next_value()?),
                        "data_base64" => object.insert_base64(map.next_value()?),
                        _ => object.attributes.insert(name, map.next_value()?),
                    }
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(AnyObject)
    }
}

/// Reads the name of a member; the names of CloudEvents cost no allocation.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'static, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Cow<'static, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an attribute")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let known = RESERVED.into_iter().find(|known| *known == name);
        Ok(known.map_or_else(|| name.to_owned().into(), Into::into))
    }
}
