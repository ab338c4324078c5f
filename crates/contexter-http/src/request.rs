//! A request that is being put together.

use std::fmt::{self, Display};

use bytes::Bytes;
use contexter_model::{Error, ErrorKind};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Url};
use serde::Serialize;

use crate::headers::Shown;
use crate::{Api, clean, target};

/// A request to an [`Api`]: built step by step, then [sent](Self::send).
///
/// It owns what it needs and can be cloned, so that it can be sent again. A step that cannot work
/// (a header that is none, a body that cannot be written) shows when the request is sent.
#[derive(Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    pub(crate) api: Api,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) max_body: u64,
    pub(crate) operation: Option<&'static str>,
    /// The first thing that was wrong.
    pub(crate) fault: Option<Error>,
}

/// What is sent.
#[derive(Clone)]
pub(crate) enum Body {
    None,
    Whole(Bytes),
    /// `multipart/form-data` (RFC 7578).
    Parts(Vec<Field>),
}

/// One part of a form.
#[derive(Clone)]
pub(crate) struct Field {
    name: String,
    file: Option<(String, String)>,
    bytes: Bytes,
}

impl Request {
    pub(crate) fn new(api: Api, method: Method, path: &str) -> Self {
        let (url, fault) = match below(api.base(), path) {
            Ok(url) => (url, None),
            Err(fault) => (api.base().clone(), Some(fault)),
        };
        Self {
            method,
            url,
            headers: api.headers().clone(),
            body: Body::None,
            max_body: api.max_body(),
            operation: None,
            fault,
            api,
        }
    }

    /// Adds one segment to the path, percent-encoded: a `/` in it does not begin another one.
    pub fn segment(mut self, raw: &str) -> Self {
        if raw.is_empty() || is_dots(raw) {
            return self.with_fault(Error::new(
                ErrorKind::Invalid,
                format!("\"{}\" cannot be a segment of a path", clean(raw)),
            ));
        }
        // Never an error: an http url has a path.
        if let Ok(mut segments) = self.url.path_segments_mut() {
            segments.pop_if_empty().push(raw);
        }
        self
    }

    /// Adds a pair to the query, encoded as forms are: a space becomes `+`.
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        self.url
            .query_pairs_mut()
            .append_pair(name, &value.to_string());
        self
    }

    /// Sets the whole query as it stands in an address, in place of what was added before: for
    /// addresses of others, whose query means something only to the byte.
    pub fn raw_query(mut self, query: Option<&str>) -> Self {
        self.url.set_query(query);
        self
    }

    /// Sets a header, in place of the one of the API.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match self.api.header(name, value) {
            Ok((name, value)) => {
                // What the service repeats of it is to be hidden.
                if let (true, Ok(secret)) = (value.is_sensitive(), value.to_str()) {
                    self.api = self.api.with_secrets([secret]);
                }
                self.headers.insert(name, value);
                self
            }
            Err(fault) => self.with_fault(fault),
        }
    }

    /// Sends a value as JSON, with that content type.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body("application/json", bytes),
            Err(source) => self.with_fault(
                Error::new(ErrorKind::Invalid, "the body cannot be written as json")
                    .with_source(source),
            ),
        }
    }

    /// Sends these bytes.
    pub fn body(mut self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(bytes.into());
        match HeaderValue::try_from(content_type) {
            Ok(value) => {
                self.headers.insert(CONTENT_TYPE, value);
                self
            }
            Err(source) => self.with_fault(bad_content_type(content_type).with_source(source)),
        }
    }

    /// Sends a form with this file in it, besides the fields and files that were added before.
    pub fn file(
        self,
        field: &str,
        file_name: &str,
        content_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Self {
        self.part(Field {
            name: field.to_owned(),
            file: Some((file_name.to_owned(), content_type.to_owned())),
            bytes: bytes.into(),
        })
    }

    /// Sends a form with this field in it, besides the fields and files that were added before.
    pub fn field(self, name: &str, value: impl Into<String>) -> Self {
        self.part(Field {
            name: name.to_owned(),
            file: None,
            bytes: value.into().into(),
        })
    }

    /// Limits the body of the reply, in bytes and after decompression. Default: that of the API.
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// Names the operation, for errors and events.
    pub fn operation(mut self, name: &'static str) -> Self {
        self.operation = Some(name);
        self
    }

    fn part(mut self, field: Field) -> Self {
        // The boundary is chosen when the form is sent.
        self.headers.remove(CONTENT_TYPE);
        match &mut self.body {
            Body::Parts(parts) => parts.push(field),
            Body::None | Body::Whole(_) => self.body = Body::Parts(vec![field]),
        }
        self
    }

    fn with_fault(mut self, fault: Error) -> Self {
        self.fault.get_or_insert(fault);
        self
    }
}

/// Without the query, credentials and body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = match &self.body {
            Body::None => 0,
            Body::Whole(bytes) => bytes.len(),
            Body::Parts(parts) => parts.iter().map(|part| part.bytes.len()).sum(),
        };
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &target::shown(&self.url, self.api.secrets()))
            .field(
                "headers",
                &Shown {
                    headers: &self.headers,
                    secrets: self.api.secrets(),
                },
            )
            .field("body_bytes", &length)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// Builds a form.
pub(crate) fn form(fields: Vec<Field>) -> Result<Form, Error> {
    let mut form = Form::new();
    for field in fields {
        // Lossless: no buffer in memory is longer than u64::MAX.
        let length = field.bytes.len() as u64;
        let mut part = Part::stream_with_length(field.bytes, length);
        if let Some((name, content_type)) = field.file {
            part = part
                .file_name(name)
                .mime_str(&content_type)
                .map_err(|source| bad_content_type(&content_type).with_source(source))?;
        }
        form = form.part(field.name, part);
    }
    Ok(form)
}

fn bad_content_type(text: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("\"{}\" is no content type", clean(text)),
    )
}

/// Joins a path below a base URL.
fn below(base: &Url, path: &str) -> Result<Url, Error> {
    let refused = |why: &str| {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "the path \"{}\" cannot be asked: {why}",
                clean(without_query(path))
            ),
        )
    };
    if path.contains(['?', '#']) {
        return Err(refused("query and fragment are no part of a path"));
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return Err(refused("it has a character that no path has"));
    }
    let path = path.trim_start_matches('/');
    // A base of `…/v1` and `../admin` would leave the API that was configured.
    if path.split('/').any(is_dots) {
        return Err(refused("it climbs"));
    }
    let mut url = base.clone();
    if !path.is_empty() {
        let joined = format!("{}/{path}", base.path().trim_end_matches('/'));
        url.set_path(&joined);
    }
    Ok(url)
}

fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Tells whether a segment means this folder or the one above, also when it is percent-encoded
/// (WHATWG URL, "single-dot" and "double-dot URL path segment").
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, path: &str) -> Result<String, ErrorKind> {
        below(&Url::parse(base).unwrap(), path)
            .map(|url| url.to_string())
            .map_err(|error| error.kind())
    }

    #[test]
    fn a_path_is_joined_below_that_of_the_base() {
        for (base, path, url) in [
            ("https://a.org", "x", "https://a.org/x"),
            ("https://a.org/", "/x", "https://a.org/x"),
            ("https://a.org/v1", "x/y", "https://a.org/v1/x/y"),
            ("https://a.org/v1/", "/x", "https://a.org/v1/x"),
            ("https://a.org/v1", "", "https://a.org/v1"),
            ("https://a.org/v1", "x/", "https://a.org/v1/x/"),
            ("https://a.org/v1", "a b", "https://a.org/v1/a%20b"),
            (
                "https://a.org/v1",
                "@evil.org",
                "https://a.org/v1/@evil.org",
            ),
            ("https://a.org", "//evil.org/x", "https://a.org/evil.org/x"),
            (
                "https://a.org",
                "https://evil.org/",
                "https://a.org/https://evil.org/",
            ),
            ("https://a.org", "..x/...", "https://a.org/..x/..."),
        ] {
            assert_eq!(joined(base, path), Ok(url.to_owned()), "{base} {path}");
        }
    }

    #[test]
    fn a_path_does_not_leave_the_api() {
        for path in [
            "..",
            "../x",
            "x/../../y",
            "./x",
            "%2e%2E/x",
            ".%2e",
            "x?key=secret",
            "x#secret",
            "\\evil.org",
            "x\ny",
        ] {
            let error = below(&Url::parse("https://a.org/v1").unwrap(), path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{path}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
