//! Binary mode: attributes are headers, the body is the data.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use super::limits::{check_body, check_count, check_header, shown};
use super::percent::{self, Fault};
use super::{CONTENT_TYPE, Encoded, Header, LimitExceeded};
use crate::attribute::ExtensionValue;
use crate::data::{Data, JSON};
use crate::error::{DecodeError, shortened};
use crate::event::IntegrationEvent;
use crate::members::{Member, Members, SPEC_VERSION, duplicate};

const PREFIX: &str = "ce-";

/// Enough for the attributes of an event within a flow.
const USUAL_HEADERS: usize = 14;

pub(super) fn encode(
    event: &IntegrationEvent,
    body_of: impl FnOnce(&Value) -> Bytes,
) -> Result<Encoded<'_>, LimitExceeded> {
    let mut headers: Vec<Header<'_>> = Vec::with_capacity(USUAL_HEADERS + event.extensions.len());
    headers.push(("ce-specversion".into(), SPEC_VERSION.into()));
    for (name, value) in event.texts() {
        headers.push((name.header.into(), percent::encode(value)));
    }
    for (name, value) in event.times() {
        headers.push((name.header.into(), value.to_string().into()));
    }
    for (name, value) in &event.extensions {
        let value = match value {
            ExtensionValue::String(text) => percent::encode(text),
            other => other.to_string().into(),
        };
        headers.push(([PREFIX, name].concat().into(), value));
    }
    check_count(headers.len())?;
    for (name, value) in &headers {
        check_header(name.as_bytes(), value.as_bytes())?;
    }
    let body = match &event.data {
        Data::Bytes(bytes) => bytes.clone(),
        Data::Json(value) if value.is_null() => Bytes::new(),
        Data::Json(value) => body_of(value),
    };
    check_body(body.len())?;
    Ok(Encoded { headers, body })
}

/// The headers of a message, in either mode.
#[derive(Default)]
pub(super) struct Headers {
    attributes: Members,
    content_type: Option<String>,
}

impl Headers {
    /// Reads all headers. What is wrong with an attribute is told by [`into_event`], because in
    /// structured mode it does not matter.
    ///
    /// [`into_event`]: Self::into_event
    pub(super) fn read<N, V>(headers: impl IntoIterator<Item = (N, V)>) -> Result<Self, DecodeError>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let mut read = Self::default();
        for (index, (name, value)) in headers.into_iter().enumerate() {
            check_count(index + 1)?;
            let (name, value) = (name.as_ref(), value.as_ref());
            check_header(name, value)?;
            if !read.take_usual(name, value) {
                read.take(header_name(name)?, value)?;
            }
        }
        Ok(read)
    }

    /// Takes a header that nearly all messages have, whose name needs no check; returns whether it
    /// is one.
    fn take_usual(&mut self, name: &[u8], value: &[u8]) -> bool {
        let Some(attribute) = name.strip_prefix(PREFIX.as_bytes()) else {
            return false;
        };
        self.attributes
            .insert_usual(attribute, |attribute| match usual(value) {
                Some(text) => Ok(text.into()),
                None => text_of(attribute, value).map(Into::into),
            })
    }

    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), DecodeError> {
        if let Some(attribute) = attribute_of(name) {
            match text_of(&attribute, value) {
                Ok(text) => self.attributes.insert(attribute, Member::Text(text)),
                Err(fault) => self.attributes.fail(fault),
            }
        } else if name.eq_ignore_ascii_case(CONTENT_TYPE) {
            let text =
                percent::text(value.to_vec()).map_err(|fault| refused(CONTENT_TYPE, fault))?;
            if self.content_type.replace(text).is_some() {
                return Err(duplicate(CONTENT_TYPE));
            }
        }
        Ok(())
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    pub(super) fn into_event(mut self, body: Bytes) -> Result<IntegrationEvent, DecodeError> {
        if self.attributes.data_content_type.is_none() {
            self.attributes.data_content_type = self.content_type.map(Into::into);
        }
        self.attributes
            .into_event(|content_type| Data::from_bytes(content_type, body))
    }
}

/// Checks a header name: printable ASCII without a colon, as every broker with headers wants it.
fn header_name(name: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(name)
        .ok()
        .filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':'))
        .ok_or_else(|| DecodeError::HeaderName { name: shown(name) })
}

/// Returns the attribute that a header carries, in lower case.
fn attribute_of(name: &str) -> Option<Cow<'_, str>> {
    let (prefix, attribute) = name.split_at_checked(PREFIX.len())?;
    if prefix != PREFIX && !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    if attribute.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(attribute.to_ascii_lowercase().into());
    }
    Some(attribute.into())
}

/// Returns a value that nearly all messages have.
fn usual(value: &[u8]) -> Option<&'static str> {
    [SPEC_VERSION, JSON]
        .into_iter()
        .find(|usual| usual.as_bytes() == value)
}

fn text_of(attribute: &str, value: &[u8]) -> Result<String, DecodeError> {
    percent::decode(value).map_err(|fault| refused(attribute, fault))
}

fn refused(attribute: &str, fault: Fault) -> DecodeError {
    let attribute = shortened(attribute, 40);
    match fault {
        Fault::Percent => DecodeError::PercentEncoding { attribute },
        Fault::Utf8 => DecodeError::NotUtf8 { attribute },
    }
}
