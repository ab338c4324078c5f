//! Replies that are not the server's: a gateway, a proxy or another program answered.

use std::fmt;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use contexter_retry::parse_retry_after;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use tonic::body::Body;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use tonic::codegen::http::{Request, Response, StatusCode};
use tonic::codegen::{BoxFuture, Service, StdError};
use tonic::transport::Channel;

/// The header that a reply with nothing but a status has; all others end with it.
const GRPC_STATUS: &str = "grpc-status";

/// The header with the details of a status, in base64.
const GRPC_DETAILS: &str = "grpc-status-details-bin";

/// How the content type of every gRPC reply begins
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses>).
const GRPC: &[u8] = b"application/grpc";

/// A channel on which only replies in gRPC count.
///
/// `tonic` reads the body of any reply as messages, so that a page which says 401 would be a broken
/// message, and as such be asked for again.
#[derive(Clone, Debug)]
pub(super) struct GrpcOnly(Channel);

impl GrpcOnly {
    pub(super) fn new(channel: Channel) -> Self {
        Self(channel)
    }
}

impl Service<Request<Body>> for GrpcOnly {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<Response<Body>, StdError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.0.poll_ready(cx).map_err(StdError::from)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let reply = self.0.call(request);
        Box::pin(async move {
            let mut reply = reply.await?;
            if let Some(other) = NotGrpc::of(reply.status(), reply.headers()) {
                return Err(other.into());
            }
            leave_out_details(reply.headers_mut());
            Ok(reply.map(|body| {
                Body::new(body.map_frame(|mut frame| {
                    if let Some(trailers) = frame.trailers_mut() {
                        leave_out_details(trailers);
                    }
                    frame
                }))
            }))
        })
    }
}

/// Takes out what nobody here reads, and `tonic` (0.14, `status.rs`) panics on where it is no base64.
pub(super) fn leave_out_details(headers: &mut HeaderMap) {
    headers.remove(GRPC_DETAILS);
}

/// What a reply says that is not in gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotGrpc {
    /// The status of HTTP.
    pub(super) status: u16,
    /// How long it asks to wait.
    pub(super) retry_after: Option<Duration>,
}

impl NotGrpc {
    /// Looks at the head of a reply; `None` if it is in gRPC.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let is_typed = headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(GRPC));
        let is_ok = status == StatusCode::OK;
        // A success of gRPC within a failure of HTTP is neither.
        let is_told = headers
            .get(GRPC_STATUS)
            .is_some_and(|code| is_ok || code.as_bytes() != b"0");
        if is_told || (is_ok && is_typed) {
            return None;
        }
        Some(Self {
            status: status.as_u16(),
            retry_after: headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(wait),
        })
    }
}

impl fmt::Display for NotGrpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP status {} and no gRPC", self.status)
    }
}

impl std::error::Error for NotGrpc {}

/// Reads how long to wait: seconds, or a date as gateways send it.
pub(super) fn wait(text: &str) -> Option<Duration> {
    let now = Timestamp::now().as_duration().unsigned_abs();
    parse_retry_after(text, UNIX_EPOCH + now)
}
