//! The value rules of CloudEvents 1.0.2 attributes.

use std::borrow::Cow;
use std::fmt;

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

impl ExtensionValue {
    /// Returns the boolean, also if it comes as its text (`"true"`, `"false"`), as it does from
    /// headers.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::String(text) => text.parse().ok(),
            Self::Integer(_) => None,
        }
    }

    /// Returns the whole number, also if it comes as its text (`"7"`), as it does from headers.
    #[must_use]
    pub fn as_i32(&self) -> Option<i32> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::String(text) => text.parse().ok(),
            Self::Boolean(_) => None,
        }
    }

    /// Returns the text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Boolean(_) | Self::Integer(_) => None,
        }
    }
}

impl fmt::Display for ExtensionValue {
    /// Writes the text that CloudEvents has for the value, wherever only text can be carried.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::String(text) => text.fmt(f),
        }
    }
}

/// Checks a text attribute: it is present, so it must not be empty.
pub(crate) fn check_text(attribute: &str, value: &str) -> Result<(), InvalidAttribute> {
    if value.is_empty() || has_forbidden(value) {
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
        ExtensionValue::String(text) if has_forbidden(text) => Err(InvalidAttribute::new(
            name,
            text,
            "a text without control characters",
        )),
        _ => Ok(()),
    }
}

/// Reads a timestamp of RFC 3339 and of no wider form, because what is read must be written again.
/// What is finer than a nanosecond is cut off.
pub(crate) fn parse_time(attribute: &str, value: &str) -> Result<Timestamp, InvalidAttribute> {
    let invalid = || InvalidAttribute::new(attribute, value, "an RFC 3339 timestamp");
    if !is_rfc3339(value.as_bytes()) {
        return Err(invalid());
    }
    let time = in_nanoseconds(value).parse().ok().ok_or_else(invalid)?;
    check_time(attribute, time)?;
    Ok(time)
}

/// Cuts the fraction of a timestamp to nine digits, the most that the parser takes.
fn in_nanoseconds(value: &str) -> Cow<'_, str> {
    const MOST: usize = 9;
    let Some((whole, rest)) = value.split_once('.') else {
        return Cow::Borrowed(value);
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    match (rest.get(..MOST), rest.get(digits..)) {
        (Some(fraction), Some(zone)) if digits > MOST => {
            Cow::Owned([whole, ".", fraction, zone].concat())
        }
        _ => Cow::Borrowed(value),
    }
}

/// Checks that a time has a form in RFC 3339, which knows the years 0 to 9999.
pub(crate) fn check_time(attribute: &str, time: Timestamp) -> Result<(), InvalidAttribute> {
    if time.as_second() < YEAR_ZERO {
        let allowed = "a time of the years 0 to 9999";
        return Err(InvalidAttribute::new(attribute, &time.to_string(), allowed));
    }
    Ok(())
}

/// The first second of the year 0, in seconds from the Unix epoch.
const YEAR_ZERO: i64 = -62_167_219_200;

/// Checks the shape of a timestamp: `0000-00-00T00:00:00`, a fraction or none, `Z` or `+00:00`.
fn is_rfc3339(value: &[u8]) -> bool {
    let Some((whole, rest)) = value.split_at_checked(DATE_TIME.len()) else {
        return false;
    };
    let fits = |shape: &[u8], part: &[u8]| {
        shape.len() == part.len()
            && shape
                .iter()
                .zip(part)
                .all(|(expected, found)| match expected {
                    b'0' => found.is_ascii_digit(),
                    b'+' => matches!(found, b'+' | b'-'),
                    other => other.eq_ignore_ascii_case(found),
                })
    };
    let zone = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            fraction.get(digits..).filter(|_| digits > 0)
        }
        None => Some(rest),
    };
    fits(DATE_TIME, whole) && zone.is_some_and(|zone| fits(b"Z", zone) || fits(b"+00:00", zone))
}

const DATE_TIME: &[u8] = b"0000-00-00T00:00:00";

/// Returns whether a text has characters that CloudEvents strings must not contain.
fn has_forbidden(text: &str) -> bool {
    // Nearly every attribute is printable ASCII, which needs no look at single characters; and
    // without an early end, several bytes are looked at at once.
    let plain = |byte: u8| (b' '..=b'~').contains(&byte);
    let is_plain = text.bytes().fold(true, |all, byte| all & plain(byte));
    !is_plain && text.chars().any(is_forbidden)
}

/// Control characters and noncharacters.
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// The name of an attribute, and of the header that carries it in binary mode.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    pub(crate) attribute: &'static str,
    pub(crate) header: &'static str,
}

macro_rules! name {
    ($attribute:literal) => {
        $crate::attribute::Name {
            attribute: $attribute,
            header: concat!("ce-", $attribute),
        }
    };
}
pub(crate) use name;

/// Names that have a place of their own in [`IntegrationEvent`](crate::IntegrationEvent).
pub(crate) const RESERVED: [&str; 17] = [
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
