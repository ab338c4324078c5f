//! What an event carries: a JSON value, or bytes of another media type.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use crate::error::{DecodeError, without_values};

/// The media type of data that names none.
pub(crate) const JSON: &str = "application/json";

/// How deep arrays and objects may lie within each other in the data: one level less than
/// `serde_json` reads, because the structured form puts an object around them.
pub(crate) const MAX_DEPTH: usize = 126;

/// What an error says is allowed.
pub(crate) const TOO_DEEP: &str = "nested at most 126 levels deep";

/// The data of an event. JSON exactly if its media type says so; JSON null is no data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Json(Value),
    /// Never empty.
    Bytes(Bytes),
}

impl Data {
    pub(crate) const NONE: Self = Self::Json(Value::Null);

    /// Takes the bytes of a body or of `data_base64`.
    ///
    /// Without a media type, what reads as JSON is JSON (the type that CloudEvents' JSON format
    /// implies), and anything else stays as it is.
    pub(crate) fn from_bytes(
        content_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self::NONE);
        }
        match content_type {
            Some(other) if !is_json(other) => Ok(Self::Bytes(bytes)),
            Some(_) => {
                let value = serde_json::from_slice(&bytes)
                    .map_err(|error| DecodeError::Data(without_values(&error)))?;
                Self::from_json(value)
            }
            None => match serde_json::from_slice(&bytes) {
                Ok(value) => Self::from_json(value),
                Err(_) => Ok(Self::Bytes(bytes)),
            },
        }
    }

    /// Takes the member `data` of a JSON object.
    pub(crate) fn from_member(
        content_type: Option<&str>,
        value: Value,
    ) -> Result<Self, DecodeError> {
        match (content_type, value) {
            (_, Value::Null) => Ok(Self::NONE),
            (Some(other), value) if !is_json(other) => match value {
                Value::String(text) if text.is_empty() => Ok(Self::NONE),
                Value::String(text) => Ok(Self::Bytes(text.into())),
                _ => Err(DecodeError::DataNotText),
            },
            (_, value) => Self::from_json(value),
        }
    }

    fn from_json(value: Value) -> Result<Self, DecodeError> {
        if is_deeper(&value, MAX_DEPTH) {
            return Err(DecodeError::DataTooDeep { limit: MAX_DEPTH });
        }
        Ok(Self::Json(value))
    }
}

/// Makes the implied media type of JSON data explicit, so that it survives any encoding.
pub(crate) fn with_implied_type(
    content_type: Option<Cow<'static, str>>,
    data: &Data,
) -> Option<Cow<'static, str>> {
    match data {
        Data::Json(value) if content_type.is_none() && !value.is_null() => Some(JSON.into()),
        _ => content_type,
    }
}

/// Returns whether a media type is JSON: its subtype is `json` or ends in `+json`.
pub(crate) fn is_json(content_type: &str) -> bool {
    content_type == JSON || {
        let subtype = essence(content_type).rsplit('/').next().unwrap_or_default();
        has_suffix(subtype, "json")
    }
}

/// Returns whether bytes of this media type are text in UTF-8, so that the JSON form may carry
/// them as a text: `text/*` and XML, unless the type names another encoding.
pub(crate) fn is_text(content_type: &str) -> bool {
    let essence = essence(content_type);
    let (top, subtype) = essence.split_once('/').unwrap_or_default();
    let charset = content_type
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"'));
    (top.eq_ignore_ascii_case("text") || has_suffix(subtype, "xml"))
        && charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
}

/// The media type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Returns whether a subtype is `suffix` or ends in `+suffix`.
fn has_suffix(subtype: &str, suffix: &str) -> bool {
    let last = subtype.rsplit('+').next().unwrap_or_default();
    last.eq_ignore_ascii_case(suffix)
}

/// Returns whether a value has more than `limit` levels of arrays and objects.
pub(crate) fn is_deeper(value: &Value, limit: usize) -> bool {
    let Some(rest) = limit.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        Value::Array(values) => values.iter().any(|value| is_deeper(value, rest)),
        Value::Object(members) => members.values().any(|value| is_deeper(value, rest)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_the_subtype() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "text/json",
            "application/vnd.a+json",
        ] {
            assert!(is_json(json), "{json}");
        }
        for other in [
            "",
            "json5",
            "application/jsonx",
            "text/plain; a=b+json",
            "application/xml",
        ] {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn text_is_told_by_the_type_and_its_charset() {
        for text in [
            "text/plain",
            "TEXT/csv; charset=\"UTF-8\"",
            "application/a+xml",
        ] {
            assert!(is_text(text), "{text}");
        }
        for other in [
            "text/plain; charset=utf-16",
            "image/png",
            "application/octet-stream",
            "",
        ] {
            assert!(!is_text(other), "{other}");
        }
    }

    #[test]
    fn depth_counts_arrays_and_objects() {
        let value = serde_json::json!([{ "a": [1] }]);
        assert!(is_deeper(&value, 2));
        assert!(!is_deeper(&value, 3));
        assert!(!is_deeper(&Value::from(1), 0));
    }
}
