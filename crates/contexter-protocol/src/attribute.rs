//! The value rules of CloudEvents 1.0.2 attributes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::InvalidAttribute;

/// The value of an extension attribute.
///
/// CloudEvents writes every other attribute type (URI, timestamp, binary) as a string in JSON, so
/// these three keep any extension without loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExtensionValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// A text without control characters.
    String(String),
}

impl From<bool> for ExtensionValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i32> for ExtensionValue {
    fn from(value: i32) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for ExtensionValue {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for ExtensionValue {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

/// Checks a text attribute: it is present, so it must not be empty.
pub(crate) fn check_text(attribute: &str, value: &str) -> Result<(), InvalidAttribute> {
    if value.is_empty() || value.chars().any(is_forbidden) {
        let allowed = "a non-empty text without control characters";
        return Err(InvalidAttribute::new(attribute, value, allowed));
    }
    Ok(())
}

/// Checks a URI reference by the characters that RFC 3986 allows.
pub(crate) fn check_uri(attribute: &str, value: &str) -> Result<(), InvalidAttribute> {
    let excluded = |byte: u8| !byte.is_ascii_graphic() || br#""<>\^`{|}"#.contains(&byte);
    if value.is_empty() || value.bytes().any(excluded) {
        return Err(InvalidAttribute::new(attribute, value, "a URI reference"));
    }
    Ok(())
}

/// Checks the name of an extension: lower-case ASCII letters and digits, and not a name in use.
pub(crate) fn check_extension_name(name: &str) -> Result<(), InvalidAttribute> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if name.is_empty() || !name.bytes().all(allowed) || RESERVED.contains(&name) {
        let allowed = "a free name of lower-case letters and digits";
        return Err(InvalidAttribute::new(name, name, allowed));
    }
    Ok(())
}

pub(crate) fn check_extension(name: &str, value: &ExtensionValue) -> Result<(), InvalidAttribute> {
    check_extension_name(name)?;
    match value {
        ExtensionValue::String(text) if text.chars().any(is_forbidden) => Err(
            InvalidAttribute::new(name, text, "a text without control characters"),
        ),
        _ => Ok(()),
    }
}

pub(crate) fn parse_time(attribute: &str, value: &str) -> Result<Timestamp, InvalidAttribute> {
    value
        .parse()
        .ok()
        .ok_or_else(|| InvalidAttribute::new(attribute, value, "an RFC 3339 timestamp"))
}

/// Control characters and noncharacters, which CloudEvents strings must not contain.
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// Names that have a place of their own in [`IntegrationEvent`](crate::IntegrationEvent).
const RESERVED: [&str; 17] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
    "correlationid",
    "causationid",
    "partitionkey",
    "traceparent",
    "tracestate",
    "expirytime",
    "dataref",
    "targetservice",
];
