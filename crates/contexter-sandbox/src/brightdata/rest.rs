//! The REST interface: unlocker, search, asynchronous requests, account.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::refusal::Refusal;
use super::site::{self, Answer, Outcome};
use super::zones::{self, Kind};
use super::{Office, account, dataset, jobs, search};

/// How many bytes a body holds at most: 1 GB, as the inputs of a job do.
const MAX_BODY: usize = 1 << 30;

pub(super) type Params = Query<BTreeMap<String, String>>;
pub(super) type Shared = State<Arc<Office>>;

pub(super) fn router(office: Arc<Office>) -> Router {
    Router::new()
        .route("/request", post(unlock))
        .route("/unblocker/req", post(jobs::submit_page))
        .route("/unblocker/get_result", get(jobs::collect))
        .route("/serp/req", post(jobs::submit_search))
        .route("/serp/get_result", get(jobs::collect))
        .route("/status", get(status))
        .merge(dataset::routes())
        .merge(zones::routes())
        .fallback(|| async { text(404, "Not found") })
        .method_not_allowed_fallback(|| async { text(405, "Method not allowed") })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&office), door))
        .with_state(office)
}

/// Turns away who has no key, or asks too often.
async fn door(State(office): Shared, request: Request, next: Next) -> Response {
    if let Err(too_many) = office.ledger.admit(office.config.requests_per_minute) {
        let words = if too_many.blocked {
            "Your IP is blocked, contact support"
        } else {
            "Too many requests"
        };
        let mut reply = text(429, words);
        if let Ok(wait) = HeaderValue::from_str(&too_many.retry_after.to_string()) {
            reply.headers_mut().insert("retry-after", wait);
        }
        return reply;
    }
    match account::refused_key(&office.config, request.headers()) {
        Some(words) => text(401, words),
        None => next.run(request).await,
    }
}

/// A plain text, which is what most refusals of the interface are.
pub(super) fn text(status: u16, words: &str) -> Response {
    reply(status, "text/plain; charset=utf-8", words.to_owned())
}

pub(super) fn json_reply(status: u16, body: &Value) -> Response {
    reply(status, "application/json", body.to_string())
}

fn reply(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
        .headers_mut()
        .insert("content-type", HeaderValue::from_static(content_type));
    reply
}

pub(super) fn invalid(problem: &str) -> Response {
    json_reply(
        400,
        &json!({
            "error": "Request validation failed",
            "error_code": "validation",
            "details": [problem],
        }),
    )
}

/// What can be asked of the unlocker. The vendor's clients send more, such as `sdk_function`.
#[derive(Debug, Deserialize)]
struct Ask {
    zone: String,
    url: String,
    format: Format,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    country: Option<String>,
    #[serde(default)]
    data_format: Option<DataFormat>,
    #[serde(default)]
    #[expect(dead_code, reason = "read to be checked; nothing here needs a browser")]
    render: Option<Spoken>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    debug: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Raw,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DataFormat {
    Markdown,
    Screenshot,
    ParsedLight,
    ParsedFast,
    ParsedBing,
}

/// The vendor takes these as text and refuses `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Spoken {
    True,
    False,
}

async fn unlock(
    State(office): Shared,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut ask: Ask = match serde_json::from_slice(&body) {
        Ok(ask) => ask,
        Err(error) => return invalid(&error.to_string()),
    };
    if let Some(format) = headers.get("x-unblock-data-format") {
        let format = Value::from(format.to_str().unwrap_or_default());
        match serde_json::from_value(format) {
            Ok(format) => ask.data_format = Some(format),
            Err(error) => return invalid(&error.to_string()),
        }
    }
    let Some(kind) = office.zones.kind(&ask.zone) else {
        return zones::unknown(&ask.zone);
    };
    let url = match target(&ask.url, ask.country.as_deref(), ask.method.as_deref()) {
        Ok(url) => url,
        Err(problem) => return invalid(problem),
    };
    if params.get("async").is_some_and(|value| value == "true") {
        return jobs::accept(&office, &url, ask.data_format, kind);
    }
    let expects = headers.contains_key("x-unblock-expect");
    let outcome = office.unlock(&ask, &url, kind, expects);
    site::linger(&outcome, office.config.slow_page).await;
    office.settle(&outcome);
    answer(&office, &outcome, &ask)
}

/// Reads what is to be fetched, and from where, and how.
pub(super) fn target(
    url: &str,
    country: Option<&str>,
    method: Option<&str>,
) -> Result<Url, &'static str> {
    let url = Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or("\"url\" must be a valid uri with a scheme of http or https")?;
    // The vendor documents lower case; its client for Python sends upper case.
    let is_country =
        |country: &str| country.len() == 2 && country.bytes().all(|b| b.is_ascii_alphabetic());
    if country.is_some_and(|country| !is_country(country)) {
        return Err("\"country\" must be two letters");
    }
    let is_method =
        |method: &str| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    if method.is_some_and(|method| !is_method(method)) {
        return Err("\"method\" must be a method");
    }
    Ok(url)
}

impl Office {
    /// What the unlocker makes of a request.
    fn unlock(&self, ask: &Ask, url: &Url, kind: Kind, expects: bool) -> Outcome {
        let wants_feature = ask.headers.is_some() || ask.body.is_some() || expects;
        if wants_feature && !self.config.paid_features {
            return Outcome::Refused(Refusal::unlocker(
                400,
                "feature_not_active",
                "the zone does not have the feature",
            ));
        }
        search::results(url, ask.data_format, kind == Kind::Search)
            .unwrap_or_else(|| site::visit(url))
    }

    pub(super) fn settle(&self, outcome: &Outcome) {
        if matches!(outcome, Outcome::Page(_)) || self.config.paid_features {
            self.ledger.bill();
        }
    }
}

/// Tells an outcome as the unlocker does: the status is 200 whatever happened.
fn answer(office: &Office, outcome: &Outcome, ask: &Ask) -> Response {
    let mut told = HeaderMap::new();
    let mut body = Bytes::new();
    let status = match outcome {
        Outcome::Page(page) => {
            let (content_type, bytes) = rendered(page, ask.data_format);
            told.insert("content-type", HeaderValue::from_static(content_type));
            if let Some(location) = &page.location
                && let Ok(location) = HeaderValue::from_str(location)
            {
                told.insert("location", location);
            }
            if let Ok(status) = HeaderValue::from_str(&page.status.to_string()) {
                told.insert("x-brd-status-code", status);
            }
            if ask.method.as_deref() != Some("HEAD") {
                body = bytes;
            }
            page.status
        }
        Outcome::Refused(refusal) => {
            told = refusal.headers();
            refusal.status
        }
    };
    if ask.debug {
        let billed = matches!(outcome, Outcome::Page(_)) || office.config.paid_features;
        let line = format!(
            "req_id=sandbox{}; bytes_up=0; bytes_down={}; billed={billed}; peer_country=de",
            office.ledger.requests(),
            body.len(),
        );
        if let Ok(line) = HeaderValue::from_str(&line) {
            told.insert("x-brd-debug", line);
        }
    }
    if ask.format == Format::Raw {
        let mut reply = Response::new(Body::from(body));
        *reply.headers_mut() = told;
        return reply;
    }
    let headers: BTreeMap<&str, &str> = told
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    json_reply(
        200,
        &json!({
            "status_code": status,
            "headers": headers,
            "body": String::from_utf8_lossy(&body),
        }),
    )
}

fn rendered(page: &Answer, format: Option<DataFormat>) -> (&'static str, Bytes) {
    let is_page = page.status < 300 && page.content_type.starts_with("text/html");
    match format {
        Some(DataFormat::Markdown) if is_page => {
            ("text/markdown; charset=utf-8", Bytes::from(page.text()))
        }
        Some(DataFormat::Screenshot) if page.status < 300 => {
            ("image/png", Bytes::from_static(site::PIXEL))
        }
        _ => (page.content_type, page.body.clone()),
    }
}

async fn status(State(office): Shared) -> Json<Value> {
    Json(json!({
        "status": "active",
        "customer": office.config.customer,
        "can_make_requests": !office.ledger.is_blocked(),
    }))
}
