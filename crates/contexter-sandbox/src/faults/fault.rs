//! What goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

/// The longest wait that a script may ask for.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// What goes wrong; the table is at [`FaultScript`](crate::FaultScript).
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// The body; by default what the vendor says with such a status to such a request, and the headers
    /// that it sends along.
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

    /// Returns whether it spoils the body of a proper reply.
    pub(super) fn spoils_body(&self) -> bool {
        matches!(
            self,
            Self::Reset(_)
                | Self::Truncate(_)
                | Self::CutShort(_)
                | Self::ContentType(_)
                | Self::Oversize(_)
                | Self::Drip(_)
        )
    }

    /// Says what cannot be.
    pub(super) fn faults_of(&self, wrong: &mut dyn FnMut(String)) {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
