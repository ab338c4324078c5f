//! What the service answered, and what it means: the half of the adapter without a network.

use std::time::Duration;

use contexter_config::Secret;
use contexter_http::Secrets;
use contexter_model::LibraryId;

use crate::failure::{self, Failure};
use crate::wire;
use crate::words::Words;
use crate::{Content, Form, FoundLibraries};

/// What says that a text is Unicode, and is no part of it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// An answer, apart from the transport that brought it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// The status of HTTP.
    pub status: u16,
    /// The body, whole and decompressed.
    pub body: &'a [u8],
    /// What `Content-Type` says.
    pub content_type: Option<&'a str>,
    /// What `Retry-After` asks for.
    pub retry_after: Option<Duration>,
    /// In how long the window of the rate limit ends, by `RateLimit-Reset`.
    pub reset_after: Option<Duration>,
}

impl<'a> Answer<'a> {
    /// An answer without headers.
    #[must_use]
    pub fn new(status: u16, body: &'a [u8]) -> Self {
        Self {
            status,
            body,
            content_type: None,
            retry_after: None,
            reset_after: None,
        }
    }

    /// Sets what `Content-Type` says.
    #[must_use]
    pub fn content_type(mut self, content_type: Option<&'a str>) -> Self {
        self.content_type = content_type;
        self
    }

    /// Sets what `Retry-After` and `RateLimit-Reset` ask for.
    #[must_use]
    pub fn waits(mut self, retry_after: Option<Duration>, reset_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self.reset_after = reset_after;
        self
    }

    /// Returns whether the body is a page for people: of a proxy, a gateway, a challenge.
    pub(crate) fn is_html(&self) -> bool {
        let says_so = self.content_type.is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or(kind).trim();
            kind.eq_ignore_ascii_case("text/html")
                || kind.eq_ignore_ascii_case("application/xhtml+xml")
        });
        says_so || {
            let text = self.visible();
            ["<!doctype html", "<html"].iter().any(|tag| {
                text.get(..tag.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(tag))
            })
        }
    }

    fn is_blank(&self) -> bool {
        self.visible().is_empty() && std::str::from_utf8(self.body).is_ok()
    }

    /// Returns what a reader sees first: the text, as far as it is one, behind white space and marks
    /// that are not shown.
    fn visible(&self) -> &'a str {
        let text = self.body.utf8_chunks().next().map(|chunk| chunk.valid());
        text.unwrap_or_default().trim_start_matches(|c: char| {
            c.is_whitespace() || c.is_control() || c == BYTE_ORDER_MARK
        })
    }

    /// Returns the body without the mark that some servers put before it.
    fn unmarked(&self) -> &'a [u8] {
        let mut mark = [0; 4];
        let mark = BYTE_ORDER_MARK.encode_utf8(&mut mark).as_bytes();
        self.body.strip_prefix(mark).unwrap_or(self.body)
    }
}

/// Reads answers.
///
/// # Examples
///
/// ```
/// use contexter_context7::answer::{Answer, Judge};
/// use contexter_context7::Form;
/// use contexter_model::ErrorKind;
///
/// let body = br#"{"error": "library_not_finalized", "message": "Library is being processed"}"#;
/// let failure = Judge::default()
///     .context(&Answer::new(202, body), Form::Text, "/tokio-rs/tokio")
///     .unwrap_err();
/// assert_eq!(failure.error().kind(), ErrorKind::NotReady);
/// ```
#[derive(Clone, Debug)]
pub struct Judge {
    pub(crate) max_retry_after: Duration,
    pub(crate) not_finalized_wait: Duration,
    pub(crate) is_anonymous: bool,
    /// Keys and passwords, which the service may repeat.
    pub(crate) secrets: Secrets,
}

impl Default for Judge {
    /// For anonymous calls, with the waits of the default configuration.
    fn default() -> Self {
        Self::new(&crate::Config::default())
    }
}

impl Judge {
    /// Reads answers as `config` says.
    #[must_use]
    pub fn new(config: &crate::Config) -> Self {
        Self {
            max_retry_after: config.max_retry_after,
            not_finalized_wait: config.not_finalized_wait,
            is_anonymous: config.api_key.is_none(),
            secrets: Secrets::new(config.api_key.as_ref().map(Secret::expose)),
        }
    }

    /// Names what the service may repeat of keys and passwords, in place of the key of the configuration alone.
    pub(crate) fn with_secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    /// Reads the answer to a search for libraries; one that knows none is an empty result.
    ///
    /// # Errors
    ///
    /// What the service said instead, or [`ErrorKind::Protocol`](contexter_model::ErrorKind::Protocol)
    /// for a body that is no such answer.
    pub fn libraries(&self, answer: &Answer<'_>, subject: &str) -> Result<FoundLibraries, Failure> {
        let json = match self.json(answer, subject) {
            Ok(json) => json,
            Err(failure) if answer.status == 404 && !failure.is_of_proxy() => {
                return Ok(FoundLibraries::default());
            }
            Err(failure) => return Err(failure),
        };
        wire::libraries(&json).map_err(|why| failure::malformed(self, answer, &why))
    }

    /// Reads the answer to a request for documentation.
    ///
    /// # Errors
    ///
    /// What the service said instead; [`ErrorKind::NotFound`](contexter_model::ErrorKind::NotFound)
    /// for an empty body, by which the service means a library that is unknown or not finalized;
    /// [`ErrorKind::Protocol`](contexter_model::ErrorKind::Protocol) for a body that is no
    /// documentation, such as a page of HTML.
    pub fn context(
        &self,
        answer: &Answer<'_>,
        form: Form,
        subject: &str,
    ) -> Result<Content, Failure> {
        match form {
            Form::Text => self.text(answer, subject).map(Content::Text),
            Form::Json => {
                let json = self.json(answer, subject)?;
                wire::snippets(&json)
                    .map(Content::Snippets)
                    .map_err(|why| failure::malformed(self, answer, &why))
            }
        }
    }

    /// Reads the answer to a search through documentation; one that finds none is an empty result.
    ///
    /// # Errors
    ///
    /// As [`context`](Self::context).
    pub fn search(
        &self,
        answer: &Answer<'_>,
        form: Form,
        subject: &str,
    ) -> Result<Content, Failure> {
        match self.context(answer, form, subject) {
            Err(failure) if failure.says_nothing_found() => Ok(Content::empty(form)),
            read => read,
        }
    }

    /// Returns what an answer that is no success means.
    #[must_use]
    pub fn failure(&self, answer: &Answer<'_>, subject: &str) -> Failure {
        failure::of(
            self,
            answer,
            &Words::of(answer.unmarked(), &self.secrets),
            subject,
        )
    }

    fn text(&self, answer: &Answer<'_>, subject: &str) -> Result<String, Failure> {
        if answer.status != 200 {
            return Err(self.failure(answer, subject));
        }
        if answer.is_html() {
            return Err(failure::page(self, answer));
        }
        // An error may come as a success: its body is then JSON, which no documentation is.
        let words = Words::of(answer.unmarked(), &self.secrets);
        if words.is_error() {
            return Err(failure::of(self, answer, &words, subject));
        }
        if answer.is_blank() {
            return Err(failure::nothing(subject));
        }
        std::str::from_utf8(answer.unmarked())
            .map(str::to_owned)
            .map_err(|error| {
                failure::malformed(self, answer, &format!("is no UTF-8 text: {error}"))
            })
    }

    pub(crate) fn json(
        &self,
        answer: &Answer<'_>,
        subject: &str,
    ) -> Result<serde_json::Value, Failure> {
        if answer.status != 200 {
            return Err(self.failure(answer, subject));
        }
        if answer.is_html() {
            return Err(failure::page(self, answer));
        }
        if answer.is_blank() {
            return Err(failure::nothing(subject));
        }
        let json: serde_json::Value = serde_json::from_slice(answer.unmarked())
            .map_err(|error| failure::malformed(self, answer, &format!("is no JSON: {error}")))?;
        let words = Words::of_json(&json, &self.secrets);
        if words.is_error() {
            return Err(failure::of(self, answer, &words, subject));
        }
        Ok(json)
    }
}

/// Reads where a library has moved; the error says what is wrong with it.
pub(crate) fn moved_to(redirect: &str) -> Result<LibraryId, crate::InvalidId> {
    redirect.parse::<crate::Context7Id>().map(LibraryId::from)
}
