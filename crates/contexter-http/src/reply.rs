//! A reply that arrived whole.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use contexter_model::{Error, ErrorKind};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::headers::Shown;
use crate::{RateLimitHeaders, Secrets, clean, failure, target};

/// Where services put the id of a request, the most telling first.
const REQUEST_IDS: [&str; 7] = [
    "x-request-id",
    "request-id",
    "x-context7-request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-correlation-id",
    "cf-ray",
];

/// A longer id is not believed to be one.
const LONGEST_REQUEST_ID: usize = 128;

/// How much of the name of an unexpected variant an error shows, in characters.
const LONGEST_NAME: usize = 40;

/// A longer message about a body is not looked at: it repeats what somebody sent.
const LONGEST_FAULT: usize = 4096;

/// What the messages begin with that quote a value and nothing else.
const OF_A_VALUE: [&str; 2] = ["invalid type: string ", "invalid value: string "];

/// The reply to a [`Request`](crate::Request): any status, read whole, within the limits.
#[derive(Clone)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    origin: Arc<Origin>,
}

/// What a reply answers.
#[derive(Default)]
pub(crate) struct Origin {
    pub(crate) service: Option<&'static str>,
    pub(crate) operation: Option<&'static str>,
    pub(crate) url: Option<Url>,
    pub(crate) secrets: Secrets,
}

impl Origin {
    /// Returns the address as it may be shown; empty for a reply that answers no request.
    pub(crate) fn shown_url(&self) -> String {
        let url = self.url.as_ref();
        url.map_or_else(String::new, |url| target::shown(url, &self.secrets))
    }

    /// Puts the names of service and operation on an error.
    pub(crate) fn sign(&self, mut error: Error) -> Error {
        if let Some(service) = self.service {
            error = error.with_service(service);
        }
        if let Some(operation) = self.operation {
            error = error.with_operation(operation);
        }
        error
    }
}

impl Reply {
    /// Makes a reply out of its parts, to try what reads it. Headers that cannot be are left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a status outside of 100 to 999.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use contexter_http::Reply;
    ///
    /// let reply = Reply::new(429, [("retry-after", "2")], "slow down")?;
    /// assert_eq!(reply.retry_after(), Some(Duration::from_secs(2)));
    /// # Ok::<(), contexter_model::Error>(())
    /// ```
    pub fn new<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: impl Into<Bytes>,
    ) -> Result<Self, Error> {
        let status = StatusCode::from_u16(status).map_err(|source| {
            Error::new(ErrorKind::Invalid, format!("{status} is no status")).with_source(source)
        })?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::try_from(name),
                HeaderValue::from_bytes(value.as_bytes()),
            ) {
                // An error would mean more headers than any reply has.
                let _ = map.try_append(name, value);
            }
        }
        Ok(Self::received(status, map, body.into(), Arc::default()))
    }

    pub(crate) fn received(
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
        origin: Arc<Origin>,
    ) -> Self {
        Self {
            status,
            headers,
            body,
            origin,
        }
    }

    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Returns whether the status is one of 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// Returns the first value of a header; `None` also where it is not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns every header, with its name in lower case. What is no UTF-8 in a value is replaced by
    /// U+FFFD: that a header came can say as much as what it holds.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
    }

    /// Returns the body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// Returns the body, and lets go of the rest.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.body
    }

    /// Returns the body as text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] for a body that is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body).map_err(|error| {
            self.protocol(&format!(
                "the body is no text: not utf-8 at byte {} of {}",
                error.valid_up_to(),
                self.body.len()
            ))
        })
    }

    /// Reads the body as JSON, whatever its content type says. A byte order mark is skipped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] for a body that is not what was expected. The text says where, and
    /// what the content type and the status were; values of the body are not repeated.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let text = self.text()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(self.protocol("the body is empty, expected json"));
        }
        serde_json::from_str(text).map_err(|error| {
            // Not kept as the source, which repeats values.
            let what = fault(&error, &self.origin.secrets);
            self.protocol(&format!("the body is not the json expected: {what}"))
        })
    }

    /// Returns the content type.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE.as_str())
    }

    /// Returns the id that the service gave to the request (`x-request-id`, `request-id`,
    /// `x-amzn-requestid`, `cf-ray` and the like).
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        REQUEST_IDS
            .iter()
            .filter_map(|name| self.header(name))
            .map(str::trim)
            .find(|id| {
                !id.is_empty()
                    && id.len() <= LONGEST_REQUEST_ID
                    && id.bytes().all(|byte| byte.is_ascii_graphic())
                    && !self.origin.secrets.are_in(id)
            })
    }

    /// Returns how long the service asks to wait: `retry-after-ms`, or `retry-after` in seconds or
    /// as a date. At most a day is believed.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        failure::retry_after(&self.headers, SystemTime::now())
    }

    /// Returns what the service says about its quota.
    #[must_use]
    pub fn rate_limit(&self) -> RateLimitHeaders {
        RateLimitHeaders::read(|name| self.header(name), SystemTime::now())
    }

    /// Returns the error of this reply, with the kind that its status stands for:
    ///
    /// | status | kind |
    /// |---|---|
    /// | 401, 403, 407 | `Unauthorized` |
    /// | 402 | `QuotaExhausted` |
    /// | 404, 410 | `NotFound` |
    /// | 405, 501 | `Unsupported` |
    /// | 408, 504 | `Timeout` |
    /// | 413 | `TooLarge` |
    /// | 429 | `RateLimited` |
    /// | any other 400 to 499 | `Invalid` |
    /// | any other 500 to 599 | `Unavailable` |
    /// | any other | `Protocol` |
    ///
    /// The text is `answered 429 Too Many Requests: ` and the message, which is cleaned as by
    /// [`clean`]; an empty message and its colon are left out. Where no service is named, the URL
    /// stands before it. Keys and passwords that this client knows are taken out. Request id and
    /// [`retry_after`](Self::retry_after) are kept.
    #[must_use]
    pub fn error(&self, message: impl Into<String>) -> Error {
        self.error_of(failure::kind_of(self.status), message)
    }

    /// Returns the error of this reply, as [`error`](Self::error), with another kind.
    #[must_use]
    pub fn error_of(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        let mut text = format!("answered {}", failure::shown_status(self.status));
        if self.origin.service.is_none() && self.origin.url.is_some() {
            text = format!("{} {text}", self.origin.shown_url());
        }
        let message = self.origin.secrets.told(&message.into());
        if !message.is_empty() {
            text = format!("{text}: {message}");
        }
        self.sign(Error::new(kind, text).with_retry_after(self.retry_after()))
    }

    fn protocol(&self, what: &str) -> Error {
        let content_type = match self.content_type() {
            Some(content_type) => self.origin.secrets.told(content_type),
            None => "no content type".to_owned(),
        };
        let status = failure::shown_status(self.status);
        self.sign(Error::new(
            ErrorKind::Protocol,
            format!("{what} ({content_type}, {status})"),
        ))
    }

    fn sign(&self, mut error: Error) -> Error {
        if let Some(id) = self.request_id() {
            error = error.with_request_id(id);
        }
        self.origin.sign(error)
    }
}

/// Without the body, cookies and other credentials.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("url", &self.origin.shown_url())
            .field(
                "headers",
                &Shown {
                    headers: &self.headers,
                    secrets: &self.origin.secrets,
                },
            )
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Says what is wrong with a body, without its values and without secrets.
fn fault(error: &serde_json::Error, secrets: &Secrets) -> String {
    let mut message = error.to_string();
    if message.len() > LONGEST_FAULT && OF_A_VALUE.iter().any(|what| message.starts_with(what)) {
        message = without_quoted(&message);
    }
    if message.len() > LONGEST_FAULT {
        let (line, column) = (error.line(), error.column());
        return format!("a value is not what is expected at line {line} column {column}");
    }
    // What is shown of a name is a part of it, which could be that of a secret.
    without_values(&secrets.line(&message))
}

/// Takes the values of the body out of a message of serde: `invalid type: string "…", expected …`.
fn without_values(message: &str) -> String {
    let mut text = without_quoted(message);
    // The first name in backticks is the one that came.
    if text.starts_with("unknown ")
        && let Some((before, rest)) = text.split_once('`')
        && let Some((name, after)) = rest.split_once('`')
    {
        let name: String = name.chars().take(LONGEST_NAME).collect();
        text = format!("{before}`{name}`{after}");
    }
    clean(&text)
}

/// Serde writes texts with their own quotes escaped, so everything from the first quote to the last belongs
/// to the value.
fn without_quoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            let before = message.get(..=first).unwrap_or_default();
            let after = message.get(last..).unwrap_or_default();
            format!("{before}…{after}")
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_serde_loses_the_values_it_repeats() {
        for (message, shown) in [
            (
                "missing field `data` at line 1 column 2",
                "missing field `data` at line 1 column 2",
            ),
            (
                r#"invalid type: string "a \"b\" c", expected f32 at line 1 column 9"#,
                r#"invalid type: string "…", expected f32 at line 1 column 9"#,
            ),
            (
                "unknown variant `list`, expected `object` at line 1 column 3",
                "unknown variant `list`, expected `object` at line 1 column 3",
            ),
        ] {
            assert_eq!(without_values(message), shown);
        }
        let long = format!("unknown variant `{}`, expected `a`", "x".repeat(100));
        assert_eq!(
            without_values(&long),
            format!("unknown variant `{}`, expected `a`", "x".repeat(40))
        );
    }
}
