//! The unlocker: one page of the web, whatever it takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use contexter_http::Reply;
use contexter_model::{Error, ErrorKind, FetchPage, Page, PageFormat};
use contexter_service::{Capability, Cx, Sample, Service};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::judge::{Passed, judge};
use crate::link::{Attempt, Link, refused_here};
use crate::refusal::{Class, Refusal, Retry};
use crate::target::PublicUrl;
use crate::text;
use crate::user::country_problem;

/// So many redirects are followed; one more is an error. Each is a request of its own.
pub const MAX_REDIRECTS: usize = 5;

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
///   addresses of the public internet.
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

    fn is_safe(&self) -> bool {
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

    fn wire<'a>(&'a self, zone: &'a str, url: &'a PublicUrl, debug: bool) -> Wire<'a> {
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
            .field("url", &self.url.split('?').next())
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

/// What the target sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unlocked {
    /// The address that answered in the end, without credentials; it may hold keys in its query.
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
            .field("url", &self.url.split('?').next())
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Takes a picture of a page; the reply is the PNG.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakeScreenshot {
    /// The absolute address of the page.
    pub url: String,
    /// From which country the page is to be seen.
    pub country: Option<String>,
}

impl TakeScreenshot {
    /// Asks for a picture of the page at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            country: None,
        }
    }

    /// Sets from which country the page is to be seen.
    #[must_use]
    pub fn country(mut self, country: impl Into<String>) -> Self {
        self.country = Some(country.into());
        self
    }
}

impl Capability for TakeScreenshot {
    const NAME: &'static str = "screenshot";
    type Response = Bytes;
    type Error = Error;
}

#[derive(Serialize)]
struct Wire<'a> {
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

#[derive(Deserialize)]
struct WireEnvelope {
    status_code: u16,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(default)]
    body: Option<String>,
}

/// The unlocker of one zone.
#[derive(Clone, Debug)]
pub(crate) struct Unlocker {
    link: Link,
    zone: Arc<str>,
    country: Option<Arc<str>>,
    debug: bool,
}

impl Unlocker {
    pub(crate) fn new(link: Link, zone: &str, country: Option<&str>, debug: bool) -> Self {
        Self {
            link,
            zone: zone.into(),
            country: country.map(Into::into),
            debug,
        }
    }

    /// Fetches as the request says, following redirects.
    pub(crate) async fn fetch(
        &self,
        mut request: Unlock,
        operation: &'static str,
    ) -> Result<Unlocked, Error> {
        if request.country.is_none() {
            request.country = self.country.as_deref().map(str::to_owned);
        }
        let first = request.check(operation)?;
        let cx = Cx::new().with_idempotent(request.is_safe() || request.idempotent);
        let request = Arc::new(request);
        follow(first, request.is_safe(), operation, |url| {
            let request = Arc::clone(&request);
            let url = Arc::new(url);
            async move {
                self.link
                    .run(cx, |number| {
                        let (request, url) = (Arc::clone(&request), Arc::clone(&url));
                        async move { self.once(&request, &url, operation, number).await }
                    })
                    .await
            }
        })
        .await
    }

    async fn once(
        &self,
        request: &Unlock,
        url: &PublicUrl,
        operation: &'static str,
        number: u32,
    ) -> Result<Unlocked, Error> {
        let about = url.to_string();
        let attempt = Attempt {
            operation,
            about: &about,
            hidden: url.url().query(),
            number,
        };
        let mut call = self
            .link
            .api
            .post("request")
            .json(&request.wire(&self.zone, url, self.debug));
        if let Some(expect) = &request.expect {
            let expect = serde_json::to_string(expect).unwrap_or_default();
            call = call.header("x-unblock-expect", &expect);
        }
        let (reply, under_way) = self.link.send_metered(call, attempt).await?;
        let opened = open(&reply, request);
        let judged = match &opened {
            Ok(opened) => opened.judged.clone(),
            // What cannot be opened is still judged by what its headers say.
            Err(_) => judge_reply(&reply),
        };
        let passed = self.link.settle(&reply, judged, Some(under_way), attempt)?;
        let opened = opened.map_err(|problem| self.link.malformed(attempt, &problem))?;
        Ok(Unlocked {
            url: url.as_str().to_owned(),
            status: passed.status,
            headers: opened.headers,
            body: opened.body,
            billed: passed.billed,
        })
    }
}

/// Follows the redirects that come back, checking where they lead before anything is sent there.
pub(crate) async fn follow<Fut>(
    first: PublicUrl,
    may_follow: bool,
    operation: &'static str,
    hop: impl Fn(PublicUrl) -> Fut,
) -> Result<Unlocked, Error>
where
    Fut: Future<Output = Result<Unlocked, Error>>,
{
    let mut url = first;
    for _ in 0..=MAX_REDIRECTS {
        let reply = hop(url.clone()).await?;
        let location = match reply.status {
            301 | 302 | 303 | 307 | 308 if may_follow => reply.header("location"),
            _ => None,
        };
        let Some(location) = location else {
            return Ok(reply);
        };
        url = url.join(location.trim()).map_err(|error| {
            error
                .with_service(crate::NAME)
                .with_operation(operation)
                .with_verdict(Sample::Success, false)
        })?;
    }
    Err(Error::new(
        ErrorKind::Protocol,
        format!("{url} is where more than {MAX_REDIRECTS} redirects led"),
    )
    .with_service(crate::NAME)
    .with_operation(operation)
    .with_verdict(Sample::Success, false))
}

struct Opened {
    judged: Result<Passed, Refusal>,
    headers: Vec<(String, String)>,
    body: Bytes,
}

fn judge_reply(reply: &Reply) -> Result<Passed, Refusal> {
    let headers: Vec<_> = reply.headers().collect();
    judge(reply.status(), &headers, reply.bytes())
}

/// Takes the answer out of its envelope, and judges it by all its layers.
fn open(reply: &Reply, request: &Unlock) -> Result<Opened, String> {
    let outer: Vec<(&str, &str)> = reply.headers().collect();
    let owned = |headers: &[(&str, &str)]| {
        headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned()))
            .collect()
    };
    let plain = judge(reply.status(), &outer, reply.bytes());
    if request.envelope == Envelope::Raw || plain.is_err() {
        let judged = match plain {
            // No body is what was asked for.
            Err(refusal) if request.method == "HEAD" && refusal.class() == Class::Empty => {
                Ok(Passed::of(refusal.status(), refusal.billed()))
            }
            judged => judged,
        };
        return Ok(Opened {
            judged,
            headers: owned(&outer),
            body: reply.bytes().clone(),
        });
    }
    let envelope: WireEnvelope = serde_json::from_slice(reply.bytes()).map_err(|error| {
        format!(
            "the envelope is not the json expected, at line {} column {}",
            error.line(),
            error.column()
        )
    })?;
    if !(100..1000).contains(&envelope.status_code) {
        return Err(format!(
            "the envelope has status_code {}, which is no status",
            envelope.status_code
        ));
    }
    let inner: Vec<(&str, &str)> = envelope
        .headers
        .iter()
        .flat_map(|(name, value)| {
            let values = match value {
                Value::String(value) => vec![value.as_str()],
                Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            values.into_iter().map(|value| (name.as_str(), value))
        })
        .collect();
    let status = envelope.status_code.to_string();
    // The status of the envelope stands in where no header tells the target's.
    let all: Vec<(&str, &str)> = outer
        .iter()
        .chain(&inner)
        .copied()
        .chain([("x-brd-status-code", status.as_str())])
        .collect();
    let body = Bytes::from(envelope.body.unwrap_or_default());
    let judged = match judge(reply.status(), &all, &body) {
        Err(refusal) if request.method == "HEAD" && refusal.class() == Class::Empty => {
            Ok(Passed::of(refusal.status(), refusal.billed()))
        }
        judged => judged,
    };
    Ok(Opened {
        judged,
        headers: owned(&inner),
        body,
    })
}

impl Service<Unlock> for Unlocker {
    type Response = Unlocked;
    type Error = Error;

    async fn call(&self, request: Unlock) -> Result<Unlocked, Error> {
        self.fetch(request, "unlock").await
    }
}

impl Service<FetchPage> for Unlocker {
    type Response = Page;
    type Error = Error;

    async fn call(&self, request: FetchPage) -> Result<Page, Error> {
        const OPERATION: &str = "fetch_page";
        let data_format = match request.format {
            PageFormat::Markdown => Some(DataFormat::Markdown),
            _ => None,
        };
        let unlock = Unlock::new(request.url.as_str())
            .country(request.country.clone())
            .data_format(data_format);
        let reply = self.fetch(unlock, OPERATION).await?;
        page(&self.link, &request, reply, OPERATION)
    }
}

impl Service<TakeScreenshot> for Unlocker {
    type Response = Bytes;
    type Error = Error;

    async fn call(&self, request: TakeScreenshot) -> Result<Bytes, Error> {
        const OPERATION: &str = "take_screenshot";
        let unlock = Unlock::new(request.url)
            .country(request.country)
            .data_format(DataFormat::Screenshot);
        let reply = self.fetch(unlock, OPERATION).await?;
        let url = shown(&reply.url);
        accept(&self.link, &reply, &url, OPERATION)?;
        if !reply.body.starts_with(PNG) {
            return Err(
                Error::new(ErrorKind::Protocol, format!("{url}: the picture is no png"))
                    .with_service(crate::NAME)
                    .with_operation(OPERATION),
            );
        }
        Ok(reply.body)
    }
}

/// How a PNG begins (RFC 2083, section 3.1).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Returns an address without its query.
fn shown(url: &str) -> String {
    url.parse::<PublicUrl>()
        .map_or_else(|_| String::new(), |url| url.to_string())
}

/// Refuses what the target did not answer with success.
pub(crate) fn accept(
    link: &Link,
    reply: &Unlocked,
    about: &str,
    operation: &'static str,
) -> Result<(), Error> {
    let kind = match reply.status {
        200..=299 => return Ok(()),
        404 | 410 => ErrorKind::NotFound,
        401 | 402 | 403 | 407 | 451 => ErrorKind::Unauthorized,
        408 | 504 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::Invalid,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    };
    let refusal = Refusal::of_status(reply.status)
        .with_class(Class::Target)
        .with_kind(kind)
        .with_retry(Retry::Never)
        .with_meaning(format!("the page answers {}", reply.status))
        .with_billed(reply.billed);
    let attempt = Attempt {
        operation,
        about,
        hidden: None,
        number: 1,
    };
    Err(link.refuse(refusal, None, attempt))
}

/// Makes a page of what the target sent.
pub(crate) fn page(
    link: &Link,
    request: &FetchPage,
    reply: Unlocked,
    operation: &'static str,
) -> Result<Page, Error> {
    let about = shown(&reply.url);
    accept(link, &reply, &about, operation)?;
    let attempt = Attempt {
        operation,
        about: &about,
        hidden: None,
        number: 1,
    };
    let unreadable = |what: String| {
        let refusal = Refusal::of_status(reply.status)
            .with_class(Class::Target)
            .with_kind(ErrorKind::Unsupported)
            .with_retry(Retry::Never)
            .with_meaning(what)
            .with_billed(reply.billed);
        link.refuse(refusal, None, attempt)
    };
    let content_type = reply.content_type().map(text::media_type);
    // What the vendor turned into Markdown keeps the media type that it had.
    if request.format == PageFormat::Html && !text::is_text(reply.content_type()) {
        let media = content_type.unwrap_or_default();
        return Err(unreadable(format!(
            "the page is no text but {}",
            brief(&media)
        )));
    }
    let Some(decoded) = text::decode(&reply.body, reply.content_type()) else {
        return Err(unreadable("the page is no text".to_owned()));
    };
    if decoded.trim().is_empty() {
        let refusal = Refusal::empty(reply.status).with_billed(reply.billed);
        return Err(link.refuse(refusal.with_retry(Retry::Never), None, attempt));
    }
    let final_url = (!same_page(&request.url, &reply.url)).then_some(reply.url);
    Ok(
        Page::new(request.url.as_str(), reply.status, request.format, decoded)
            .with_final_url(final_url)
            .with_content_type(content_type),
    )
}

fn same_page(asked: &str, answered: &str) -> bool {
    asked
        .parse::<PublicUrl>()
        .is_ok_and(|asked| asked.as_str() == answered)
}

fn brief(text: &str) -> String {
    text.chars().take(80).collect()
}
