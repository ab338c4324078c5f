//! The script: rules that match requests, and what becomes of the reply.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use contexter_config::Loader;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The longest script in rules.
pub(crate) const MAX_RULES: usize = 1000;

/// The longest wait that a script may ask for.
pub(crate) const MAX_WAIT: Duration = Duration::from_hours(1);

/// One of the sandbox's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Server {
    /// Voyage AI.
    Voyage,
    /// Context7.
    Context7,
    /// Bright Data's REST interface.
    Brightdata,
    /// Bright Data's native proxy.
    BrightdataProxy,
    /// Qdrant.
    Qdrant,
}

impl Server {
    /// All servers.
    pub const ALL: [Self; 5] = [
        Self::Voyage,
        Self::Context7,
        Self::Brightdata,
        Self::BrightdataProxy,
        Self::Qdrant,
    ];

    /// Returns the name that scripts use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Voyage => "voyage",
            Self::Context7 => "context7",
            Self::Brightdata => "brightdata",
            Self::BrightdataProxy => "brightdata_proxy",
            Self::Qdrant => "qdrant",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which requests go wrong, and how.
///
/// Rules are tried in order for every request; the first that applies decides, and the rest do not
/// count the request.
///
/// ```yaml
/// seed: 7                        # optional, for `probability`
/// rules:
///   - server: voyage             # voyage, context7, brightdata, brightdata_proxy, qdrant; any
///     method: POST               # any
///     path: /v1/embeddings       # a prefix; any
///     calls: [1, 4]              # of the requests that match, counted from 1 …
///     fault: { status: { code: 503 } }
///   - every: 10                  # … or every tenth …
///     times: 3                   # three times at most
///     fault: { delay: 200ms }
///   - probability: 0.05          # … or one in twenty; none of the three: each
///     fault: { reset: { after_bytes: 100 } }
/// ```
///
/// | fault | what the client sees |
/// |---|---|
/// | `status: { code, body, content_type, headers }` | this status, in the vendor's shape by default |
/// | `rate_limit: { retry_after, body }` | 429, with the vendor's headers if `retry_after` is set |
/// | `grpc_status: { code, message }` | a gRPC status |
/// | `delay: 200ms` | the proper reply, later |
/// | `hang` | no reply, and the connection stays open |
/// | `disconnect` | a reset before the first byte |
/// | `reset: { after_bytes }` | a reset within the body, half-way by default |
/// | `truncate: { after_bytes }` | a cut body that is framed as if it were whole |
/// | `cut_short: { after_bytes }` | a whole `content-length`, and the connection closed within |
/// | `content_type: { value, body }` | this content type, with the proper body by default |
/// | `oversize: { bytes }` | so many spaces before the proper body |
/// | `drip: { chunk_bytes, every }` | the proper body, slowly |
///
/// From `hang` up, and with `disconnect`, the request does not reach the server; with the others it
/// does, and takes effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FaultScript {
    /// The seed of `probability`; that of the sandbox wins.
    pub seed: Option<u64>,
    /// The rules.
    pub rules: Vec<Rule>,
}

impl FaultScript {
    /// Creates a script without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Reads a script from YAML or JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Script`] with line, column and key, or [`Error::Invalid`] naming the rule.
    pub fn from_yaml(text: &str) -> Result<Self, Error> {
        Self::load(Loader::new().defaults("faults", text))
    }

    /// Reads a script from a file of YAML or JSON.
    ///
    /// # Errors
    ///
    /// As [`from_yaml`](Self::from_yaml), and if the file cannot be read.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::load(Loader::new().file(path))
    }

    fn load(loader: Loader) -> Result<Self, Error> {
        let config = loader.load::<Self>()?;
        let script = (*config.current()).clone();
        script.validate()?;
        Ok(script)
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.rules.len() > MAX_RULES {
            let count = self.rules.len();
            return Err(Error::Invalid(format!(
                "the fault script has {count} rules, at most {MAX_RULES} are allowed"
            )));
        }
        let mut wrong = Vec::new();
        for (number, rule) in (1..).zip(&self.rules) {
            rule.faults_of(&mut |what| wrong.push(format!("rule {number}: {what}")));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "the fault script cannot be used: {}",
            wrong.join("; ")
        )))
    }
}

/// One rule of a [`FaultScript`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// Which server; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Which method; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How the path begins; anyhow by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which of the matching requests, counted from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<u64>,
    /// Every so many matching requests: 3 means the third, the sixth, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Which share of the matching requests, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// How often at most; without limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What goes wrong.
    pub fault: Fault,
}

impl Rule {
    /// Creates a rule for every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self {
            server: None,
            method: None,
            path: None,
            calls: Vec::new(),
            every: None,
            probability: None,
            times: None,
            fault,
        }
    }

    /// Restricts the rule to one server.
    #[must_use]
    pub fn server(mut self, server: Server) -> Self {
        self.server = Some(server);
        self
    }

    /// Restricts the rule to paths that begin like this.
    #[must_use]
    pub fn path(mut self, prefix: impl Into<String>) -> Self {
        self.path = Some(prefix.into());
        self
    }

    /// Restricts the rule to these of the matching requests, counted from 1.
    #[must_use]
    pub fn calls(mut self, calls: impl IntoIterator<Item = u64>) -> Self {
        self.calls = calls.into_iter().collect();
        self
    }

    /// Lets the rule apply so often at most.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn faults_of(&self, wrong: &mut dyn FnMut(String)) {
        let ways = [
            !self.calls.is_empty(),
            self.every.is_some(),
            self.probability.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() > 1 {
            wrong("of calls, every and probability only one can be set".to_owned());
        }
        if self.calls.contains(&0) || self.every == Some(0) {
            wrong("calls and every count from 1, got 0".to_owned());
        }
        if let Some(probability) = self.probability
            && !(0.0..=1.0).contains(&probability)
        {
            wrong(format!("probability is from 0 to 1, got {probability}"));
        }
        if let Some(path) = &self.path
            && !path.starts_with('/')
        {
            wrong(format!("path begins with /, got {path:?}"));
        }
        self.fault.faults_of(wrong);
    }
}

/// What goes wrong; the table is at [`FaultScript`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Answers with a status.
    Status(StatusFault),
    /// Answers 429.
    RateLimit(RateLimitFault),
    /// Answers with a gRPC status.
    GrpcStatus(GrpcStatusFault),
    /// Answers properly, but later.
    Delay(#[serde(with = "contexter_service::duration")] Duration),
    /// Does not answer; the connection stays open.
    Hang,
    /// Resets the connection before the first byte.
    Disconnect,
    /// Resets the connection within the body.
    Reset(CutFault),
    /// Cuts the body and frames it as if it were whole.
    Truncate(CutFault),
    /// Promises the whole length, and closes the connection within the body.
    CutShort(CutFault),
    /// Answers with another content type.
    ContentType(ContentTypeFault),
    /// Puts spaces before the body.
    Oversize(OversizeFault),
    /// Sends the body slowly.
    Drip(DripFault),
}

/// The settings of [`Fault::Status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusFault {
    /// The status, from 200 to 599.
    pub code: u16,
    /// The body; by default what the vendor says with such a status.
    #[serde(default)]
    pub body: Option<String>,
    /// Its content type; by default the vendor's, or `text/plain` with a body of one's own.
    #[serde(default)]
    pub content_type: Option<String>,
    /// More headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// The settings of [`Fault::RateLimit`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitFault {
    /// What the headers say; without it, there are none.
    #[serde(with = "contexter_service::duration::option")]
    pub retry_after: Option<Duration>,
    /// The body; by default the vendor's.
    pub body: Option<String>,
}

/// The settings of [`Fault::GrpcStatus`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcStatusFault {
    /// The code, from 1 to 16.
    pub code: u8,
    /// The message.
    #[serde(default)]
    pub message: String,
}

/// The settings of the faults that end within the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutFault {
    /// After how many bytes of the body; by default after half of it.
    pub after_bytes: Option<u64>,
}

/// The settings of [`Fault::ContentType`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContentTypeFault {
    /// The content type; `text/html` by default.
    pub value: String,
    /// The body; by default the proper one.
    pub body: Option<String>,
}

impl Default for ContentTypeFault {
    fn default() -> Self {
        Self {
            value: "text/html".to_owned(),
            body: None,
        }
    }
}

/// The settings of [`Fault::Oversize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OversizeFault {
    /// How many spaces; 64 MiB by default.
    pub bytes: u64,
}

impl Default for OversizeFault {
    fn default() -> Self {
        Self { bytes: 64 << 20 }
    }
}

/// The settings of [`Fault::Drip`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DripFault {
    /// How many bytes at a time; 16 by default.
    pub chunk_bytes: u64,
    /// How long between two of them; 100 ms by default.
    #[serde(with = "contexter_service::duration")]
    pub every: Duration,
}

impl Default for DripFault {
    fn default() -> Self {
        Self {
            chunk_bytes: 16,
            every: Duration::from_millis(100),
        }
    }
}

impl Fault {
    /// Creates a fault that answers with this status, as the vendor would.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Status(StatusFault {
            code,
            body: None,
            content_type: None,
            headers: BTreeMap::new(),
        })
    }

    /// Returns which fault it is, without its settings.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Status(_) => FaultKind::Status,
            Self::RateLimit(_) => FaultKind::RateLimit,
            Self::GrpcStatus(_) => FaultKind::GrpcStatus,
            Self::Delay(_) => FaultKind::Delay,
            Self::Hang => FaultKind::Hang,
            Self::Disconnect => FaultKind::Disconnect,
            Self::Reset(_) => FaultKind::Reset,
            Self::Truncate(_) => FaultKind::Truncate,
            Self::CutShort(_) => FaultKind::CutShort,
            Self::ContentType(_) => FaultKind::ContentType,
            Self::Oversize(_) => FaultKind::Oversize,
            Self::Drip(_) => FaultKind::Drip,
        }
    }

    fn faults_of(&self, wrong: &mut dyn FnMut(String)) {
        match self {
            Self::Status(status) => {
                if !(200..=599).contains(&status.code) || StatusCode::from_u16(status.code).is_err()
                {
                    wrong(format!(
                        "status.code is from 200 to 599, got {}",
                        status.code
                    ));
                }
                for (name, value) in &status.headers {
                    if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err()
                    {
                        wrong(format!("status.headers has no valid header {name:?}"));
                    }
                }
                check_content_type(status.content_type.as_deref(), wrong);
            }
            Self::RateLimit(limit) => {
                check_wait("rate_limit.retry_after", limit.retry_after, wrong);
            }
            Self::GrpcStatus(status) if !(1..=16).contains(&status.code) => {
                wrong(format!(
                    "grpc_status.code is from 1 to 16, got {}",
                    status.code
                ));
            }
            Self::Delay(delay) => check_wait("delay", Some(*delay), wrong),
            Self::ContentType(fault) => check_content_type(Some(&fault.value), wrong),
            Self::Drip(drip) => {
                check_wait("drip.every", Some(drip.every), wrong);
                if drip.chunk_bytes == 0 {
                    wrong("drip.chunk_bytes is at least 1, got 0".to_owned());
                }
            }
            _ => {}
        }
    }
}

fn check_wait(key: &str, wait: Option<Duration>, wrong: &mut dyn FnMut(String)) {
    if let Some(wait) = wait.filter(|wait| *wait > MAX_WAIT) {
        wrong(format!("{key} is at most {MAX_WAIT:?}, got {wait:?}"));
    }
}

fn check_content_type(value: Option<&str>, wrong: &mut dyn FnMut(String)) {
    if let Some(value) = value.filter(|value| HeaderValue::try_from(*value).is_err()) {
        wrong(format!("{value:?} is no content type"));
    }
}

/// Which fault, without its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// [`Fault::Status`].
    Status,
    /// [`Fault::RateLimit`].
    RateLimit,
    /// [`Fault::GrpcStatus`].
    GrpcStatus,
    /// [`Fault::Delay`].
    Delay,
    /// [`Fault::Hang`].
    Hang,
    /// [`Fault::Disconnect`].
    Disconnect,
    /// [`Fault::Reset`].
    Reset,
    /// [`Fault::Truncate`].
    Truncate,
    /// [`Fault::CutShort`].
    CutShort,
    /// [`Fault::ContentType`].
    ContentType,
    /// [`Fault::Oversize`].
    Oversize,
    /// [`Fault::Drip`].
    Drip,
}
