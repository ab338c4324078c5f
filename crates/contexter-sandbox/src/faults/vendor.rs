//! What a vendor says with a status, where the script says nothing else.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::faults::server::Server;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// The words of a vendor: a body, and the headers that come with it.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) content_type: &'static str,
    pub(super) body: String,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Words {
    fn text(body: impl Into<String>) -> Self {
        Self {
            content_type: TEXT,
            body: body.into(),
            headers: Vec::new(),
        }
    }

    fn json(body: &Value) -> Self {
        Self {
            content_type: JSON,
            ..Self::text(body.to_string())
        }
    }
}

/// Returns what the vendor says with such a status to a request for this path.
pub(super) fn words(server: Server, path: &str, code: u16) -> Words {
    let vendors = match server {
        Server::Voyage => voyage(path, code),
        Server::Context7 => context7(path, code),
        Server::Brightdata => brightdata(path, code),
        Server::BrightdataProxy => proxy(code),
        Server::Qdrant => None,
    };
    vendors.unwrap_or_else(|| match code {
        400..=599 => Words::text(reason(code)),
        _ => Words::text(""),
    })
}

fn reason(code: u16) -> &'static str {
    StatusCode::from_u16(code)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("unknown status")
}

/// <https://docs.voyageai.com/docs/error-codes>. Above 499 the body is no JSON.
fn voyage(path: &str, code: u16) -> Option<Words> {
    let detail = match code {
        401 => json!("Provided API key is invalid."),
        410 => {
            let (model, replacement) = retired(path);
            json!(format!(
                "Model '{model}' has been retired. Please use '{replacement}' instead."
            ))
        }
        422 => json!([{"loc": ["body", "model"], "msg": "field required", "type": "value_error"}]),
        429 => json!("You have exceeded the rate limit. Please slow down."),
        400..=499 => json!(reason(code)),
        _ => return None,
    };
    Some(Words::json(&json!({ "detail": detail })))
}

/// Returns an older model of an endpoint and the newer one of its kind. Which one the request names is
/// in its body, which nobody has read.
fn retired(path: &str) -> (&'static str, &'static str) {
    match path {
        "/v1/rerank" => ("rerank-2", "rerank-3"),
        "/v1/contextualizedembeddings" => ("voyage-context-3", "voyage-context-4"),
        "/v1/multimodalembeddings" => ("voyage-multimodal-3", "voyage-multimodal-3.5"),
        _ => ("voyage-3-large", "voyage-4-large"),
    }
}

/// <https://github.com/upstash/context7/blob/master/docs/openapi.json>.
fn context7(path: &str, code: u16) -> Option<Words> {
    let finds_libraries = path.ends_with("/libs/search")
        || path.ends_with("/v2/search")
        || path.ends_with("/v1/search");
    let finds_pieces = path.ends_with("/v3/search");
    let (error, message) = match code {
        202 => (
            "library_not_finalized",
            "Library is not finalized yet. Please try again later.",
        ),
        301 => ("library_redirected", "Library has moved"),
        401 => (
            "invalid_api_key",
            "Invalid API key. Please check your API key. API keys should start with 'ctx7sk'.",
        ),
        402 => (
            "spending_limit_exceeded",
            "Your team has reached its monthly spending limit.",
        ),
        403 => ("access_denied", "You do not have access to this library."),
        404 if finds_libraries => ("no_libraries_found", "No libraries found."),
        404 if finds_pieces => (
            "no_documentation_found",
            "No documentation found for this query.",
        ),
        404 => ("library_not_found", "Library not found."),
        422 => ("library_too_large", "Library is too large."),
        429 => (
            "rate_limit_exceeded",
            "Rate limit exceeded. Please slow down.",
        ),
        503 if finds_libraries || finds_pieces => ("search_failed", "Search failed."),
        400..=499 => ("validation_error", reason(code)),
        500..=599 => ("internal_error", reason(code)),
        _ => return None,
    };
    let mut body = json!({ "error": error, "message": message });
    if let (301, Some(body)) = (code, body.as_object_mut()) {
        // The id of a library, and no address; there is no `location`.
        body.insert("redirectUrl".to_owned(), json!("/new-owner/new-repo"));
    }
    Some(Words::json(&body))
}

/// What is refused before it comes to the unlocker; nothing of it is in headers.
/// <https://docs.brightdata.com/scraping-automation/web-unlocker/error-codes>.
fn brightdata(path: &str, code: u16) -> Option<Words> {
    match code {
        400 if path.starts_with("/datasets/") => Some(Words::json(&json!({
            "error": "Invalid input provided",
            "code": "validation_error",
            "errors": [["url", "This input should be a valid URL"]],
        }))),
        400 => Some(Words::json(&json!({
            "error": "Request validation failed",
            "error_code": "validation",
            "details": ["\"url\" must be a valid uri with a scheme of http or https"],
        }))),
        401 => Some(Words::text("Auth method is not supported")),
        _ => None,
    }
}

/// What the proxy refuses itself, with the commonest code of the status; all of it is in headers. Any
/// other status is the target's. The vendor writes `Proxy-Status` in two ways; this is the other one than
/// that of failures which nobody has scripted. <https://docs.brightdata.com/proxy-networks/errorCatalog>.
fn proxy(code: u16) -> Option<Words> {
    let (error_code, short, text) = match code {
        400 => (
            "client_10060",
            "IP not found",
            "Requested IP is not in the zone",
        ),
        401 => (
            "client_10050",
            "IP denied",
            "Your IP is on the denylist of the account",
        ),
        402 => (
            "policy_20130",
            "Method refused",
            "Residential access without KYC does not allow this method",
        ),
        403 => (
            "policy_20050",
            "Forbidden",
            "Access to the target is blocked by policy",
        ),
        407 => (
            "client_10000",
            "Auth failed",
            "Invalid authentication: check customer id, zone and password",
        ),
        429 => (
            "client_10110",
            "Too many requests",
            "The account is limited to fewer requests a minute",
        ),
        499 => (
            "client_10140",
            "Client closed",
            "The client closed the connection",
        ),
        502 => (
            "peer_30030",
            "No peer available",
            "There is no peer in the requested city",
        ),
        _ => return None,
    };
    let mut words = Words::text("");
    words.headers = vec![
        ("x-brd-err-code", error_code.to_owned()),
        ("x-brd-error", short.to_owned()),
        ("x-brd-err-msg", text.to_owned()),
    ];
    if matches!(code, 400 | 403 | 407) {
        let status = format!(
            "brd.superproxy.io; received-status={code}; error=\"http_request_denied\"; \
             details=\"{error_code}: {text}\""
        );
        words.headers.push(("proxy-status", status));
    }
    if code == 407 {
        let challenge = "Basic realm=\"brd.superproxy.io\"".to_owned();
        words.headers.push(("proxy-authenticate", challenge));
    }
    Some(words)
}
