//! Replies that a fault makes up, in the vendor's shape.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::faults::fault::{GrpcStatusFault, RateLimitFault, StatusFault};
use crate::faults::server::Server;
use crate::faults::vendor;

/// gRPC's RESOURCE_EXHAUSTED, <https://grpc.io/docs/guides/status-codes/>.
const RESOURCE_EXHAUSTED: u8 = 8;

/// A status, and by default what the vendor says with it.
pub(super) fn status(server: Server, path: &str, fault: StatusFault) -> Response {
    let mut response = spoken(server, path, fault.code, fault.body);
    let headers = response.headers_mut();
    if let Some(content_type) = &fault.content_type {
        set(headers, CONTENT_TYPE.as_str(), content_type);
    }
    for (name, value) in &fault.headers {
        set(headers, name, value);
    }
    response
}

pub(super) fn rate_limit(server: Server, path: &str, fault: RateLimitFault) -> Response {
    let code = StatusCode::TOO_MANY_REQUESTS.as_u16();
    let mut response = spoken(server, path, code, fault.body);
    if let Some(wait) = fault.retry_after {
        let seconds = whole_seconds(wait).to_string();
        let reset = jiff::Timestamp::now()
            .as_second()
            .saturating_add_unsigned(whole_seconds(wait))
            .to_string();
        let headers = response.headers_mut();
        set(headers, RETRY_AFTER.as_str(), &seconds);
        match server {
            // As Context7 documents it.
            Server::Context7 => {
                set(headers, "ratelimit-limit", "60");
                set(headers, "ratelimit-remaining", "0");
                set(headers, "ratelimit-reset", &reset);
            }
            // As the vendor's TypeScript client reads it.
            Server::Voyage => set(headers, "x-ratelimit-reset", &reset),
            _ => {}
        }
    }
    response
}

pub(super) fn grpc_rate_limit(fault: &RateLimitFault) -> Response {
    let mut response = grpc_status(&GrpcStatusFault {
        code: RESOURCE_EXHAUSTED,
        message: fault
            .body
            .clone()
            .unwrap_or_else(|| "rate limit exceeded".to_owned()),
    });
    if let Some(wait) = fault.retry_after {
        let seconds = whole_seconds(wait).to_string();
        set(response.headers_mut(), RETRY_AFTER.as_str(), &seconds);
    }
    response
}

/// A reply of headers alone, as gRPC has it for a call that fails at once.
pub(super) fn grpc_status(fault: &GrpcStatusFault) -> Response {
    let mut response = reply(200, "application/grpc", String::new());
    let headers = response.headers_mut();
    set(headers, "grpc-status", &fault.code.to_string());
    set(headers, "grpc-message", &percent_encoded(&fault.message));
    response
}

/// A reply with this body, or else with the vendor's and the headers that belong to it.
fn spoken(server: Server, path: &str, code: u16, body: Option<String>) -> Response {
    if let Some(body) = body {
        return reply(code, vendor::TEXT, body);
    }
    let words = vendor::words(server, path, code);
    let mut response = reply(code, words.content_type, words.body);
    for (name, value) in &words.headers {
        set(response.headers_mut(), name, value);
    }
    response
}

fn reply(code: u16, content_type: &str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    // The script was checked: a code that is none cannot get here.
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    set(response.headers_mut(), CONTENT_TYPE.as_str(), content_type);
    response
}

/// Sets a header; the script was checked, so that none is left out.
fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

/// Rounded up: `retry-after` knows no fractions, and less would be too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// As gRPC wants a message in a header:
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses>.
fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => {
                // Writing to a text cannot fail.
                let _written = write!(encoded, "%{byte:02X}");
            }
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}
