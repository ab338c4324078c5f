//! What the target sent, as it was received.

use bytes::Bytes;

use crate::judge::Passed;

/// What the target sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unlocked {
    /// The address that answered in the end, without credentials; it may hold keys in its query. Of a job
    /// that was collected, [`Job::about`](crate::Job::about): its page, without the query.
    pub url: String,
    /// The status of the target.
    pub status: u16,
    /// The headers that came along, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Whether the vendor bills the request, where it says so.
    pub billed: Option<bool>,
}

impl Unlocked {
    pub(crate) fn of(
        url: &str,
        passed: &Passed,
        headers: Vec<(String, String)>,
        body: Bytes,
    ) -> Self {
        Self {
            url: url.to_owned(),
            status: passed.status,
            headers,
            body,
            billed: passed.billed,
        }
    }

    /// Returns the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Returns the media type with its parameters.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.header("content-type")
    }
}

/// Without the body and the values of headers.
impl std::fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unlocked")
            .field("url", &contexter_http::redact_url(&self.url))
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Returns headers of one's own, names in lower case.
pub(crate) fn lower_case(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned()))
        .collect()
}
