//! What can be asked of the unlocker.

use std::collections::BTreeMap;

use contexter_model::Error;
use contexter_service::Capability;
use serde::{Deserialize, Serialize};

use super::Unlocked;
use crate::link::refused_here;
use crate::target::PublicUrl;
use crate::text::brief;
use crate::user::country_problem;

/// What the unlocker makes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DataFormat {
    /// Markdown.
    Markdown,
    /// A picture of the page, as PNG.
    Screenshot,
    /// The main parts of a page of results as JSON.
    ParsedLight,
    /// A page of results of Bing as JSON.
    ParsedBing,
}

/// In which form an answer travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Envelope {
    /// The body is what the target sent, to the byte. The default.
    #[default]
    Raw,
    /// Status, headers and body of the target in JSON; the body is text then.
    Json,
}

/// What to wait for on a page before it is taken; needs the zone's "manual expect" feature.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// An element, by its CSS selector.
    Element(String),
    /// A text.
    Text(String),
}

/// A request to the unlocker with everything that it understands.
///
/// # Behavior
///
/// - The reply is the target's own, whatever its status; a failure of the unlocker is an error.
/// - Redirects that come back are followed for `GET` and `HEAD`, at most [`MAX_REDIRECTS`], and only to
///   addresses of the public internet. Headers and body stay behind at the first that leads to
///   another origin: another host, another port, or `http` in place of `https`.
/// - Another method than `GET` and `HEAD` is repeated only if [`idempotent`](Self::idempotent) says that
///   it does no harm.
///
/// Custom headers and bodies need a feature of the zone that makes the vendor bill failures too: set
/// [`Config::bills_failures`](crate::Config::bills_failures) with it.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::{DataFormat, Unlock};
///
/// let request = Unlock::new("https://example.org/").data_format(DataFormat::Screenshot);
/// assert_eq!(request.method, "GET");
/// ```
///
/// [`MAX_REDIRECTS`]: crate::MAX_REDIRECTS
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unlock {
    /// The absolute address.
    pub url: String,
    /// The method; `GET` by default.
    pub method: String,
    /// The country of the visitor; that of the configuration by default.
    pub country: Option<String>,
    /// What to make of the page; nothing by default.
    pub data_format: Option<DataFormat>,
    /// In which form the answer travels.
    pub envelope: Envelope,
    /// Whether a browser renders the page; the unlocker decides by default.
    pub render: Option<bool>,
    /// Headers for the target.
    pub headers: BTreeMap<String, String>,
    /// A body for the target.
    pub body: Option<String>,
    /// What to wait for.
    pub expect: Option<Expect>,
    /// Whether a repeat does no harm; for other methods than `GET` and `HEAD`.
    pub idempotent: bool,
}

impl Unlock {
    /// Asks for `url` by `GET`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: "GET".to_owned(),
            country: None,
            data_format: None,
            envelope: Envelope::Raw,
            render: None,
            headers: BTreeMap::new(),
            body: None,
            expect: None,
            idempotent: false,
        }
    }

    /// Sets the method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// Sets the country of the visitor: two lower-case letters.
    #[must_use]
    pub fn country(mut self, country: impl Into<Option<String>>) -> Self {
        self.country = country.into();
        self
    }

    /// Sets what to make of the page.
    #[must_use]
    pub fn data_format(mut self, format: impl Into<Option<DataFormat>>) -> Self {
        self.data_format = format.into();
        self
    }

    /// Sets in which form the answer travels.
    #[must_use]
    pub fn envelope(mut self, envelope: Envelope) -> Self {
        self.envelope = envelope;
        self
    }

    /// Says whether a browser renders the page.
    #[must_use]
    pub fn render(mut self, render: bool) -> Self {
        self.render = Some(render);
        self
    }

    /// Adds a header for the target.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Sets a body for the target.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets what to wait for.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = Some(expect);
        self
    }

    /// Says that a repeat does no harm, whatever the method.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Returns the request without what is only for the origin that it names.
    pub(super) fn for_strangers(&self) -> Self {
        Self {
            headers: BTreeMap::new(),
            body: None,
            ..self.clone()
        }
    }

    pub(super) fn is_safe(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }

    pub(crate) fn check(&self, operation: &'static str) -> Result<PublicUrl, Error> {
        let url: PublicUrl = self
            .url
            .parse()
            .map_err(|error: Error| refused_here(error.message(), operation))?;
        let method_is_good = (1..=16).contains(&self.method.len())
            && self.method.bytes().all(|b| b.is_ascii_uppercase());
        if !method_is_good {
            return Err(refused_here(
                format!("method {:?} is no upper-case word", brief(&self.method)),
                operation,
            ));
        }
        if let Some(problem) = country_problem(self.country.as_deref()) {
            return Err(refused_here(format!("country {problem}"), operation));
        }
        Ok(url)
    }

    pub(super) fn wire<'a>(&'a self, zone: &'a str, url: &'a PublicUrl, debug: bool) -> Wire<'a> {
        Wire {
            zone,
            url: url.as_str(),
            format: match self.envelope {
                Envelope::Raw => "raw",
                Envelope::Json => "json",
            },
            method: (self.method != "GET").then_some(self.method.as_str()),
            country: self.country.as_deref(),
            data_format: self.data_format,
            // The vendor takes these as text.
            render: self
                .render
                .map(|render| if render { "true" } else { "false" }),
            headers: (!self.headers.is_empty()).then_some(&self.headers),
            body: self.body.as_deref(),
            debug: debug.then_some(true),
        }
    }
}

/// Without the values of headers and without the body, which may hold keys.
impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unlock")
            .field("url", &contexter_http::redact_url(&self.url))
            .field("method", &self.method)
            .field("country", &self.country)
            .field("data_format", &self.data_format)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Capability for Unlock {
    const NAME: &'static str = "unlock_page";
    type Response = Unlocked;
    type Error = Error;
}

#[derive(Serialize)]
pub(super) struct Wire<'a> {
    zone: &'a str,
    url: &'a str,
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_format: Option<DataFormat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    render: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<bool>,
}
