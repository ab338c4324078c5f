//! The unlocker: what it makes of a request, and how it tells of it.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde_json::{Value, json};

use super::ask::{Ask, DataFormat, Form, Format};
use super::refusal::Refusal;
use super::rest::{Params, Shared, invalid, json_reply};
use super::site::{self, Answer, Outcome};
use super::zones::{self, Kind};
use super::{Office, jobs, search};

/// Answers at once, or takes the request up as a job.
pub(super) async fn unlock(
    State(office): Shared,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(error) => return invalid(&error.to_string()),
    };
    let later = params.get("async").is_some_and(|value| value == "true");
    if later && let Some(refused) = jobs::hooked(&body) {
        return refused;
    }
    let ask = match Ask::read(&headers, body) {
        Ok(ask) => ask,
        Err(refused) => return *refused,
    };
    let (Some(zone), Some(_)) = (&ask.zone, ask.form.format) else {
        return invalid("\"zone\" and \"format\" are required");
    };
    let Some(kind) = office.zones.kind(zone) else {
        return zones::unknown(zone);
    };
    if later {
        return jobs::accept(&office, &ask, kind);
    }
    let outcome = office.unlock(&ask, kind);
    site::linger(&outcome, office.config.slow_page).await;
    let billed = office.settle(&outcome);
    office.tell(&outcome, ask.form, billed)
}

impl Office {
    /// What the unlocker makes of a request.
    pub(super) fn unlock(&self, ask: &Ask, kind: Kind) -> Outcome {
        if ask.needs_feature && !self.config.paid_features {
            return Outcome::Refused(Refusal::unlocker(
                400,
                "feature_not_active",
                "the zone does not have the feature",
            ));
        }
        search::results(&ask.url, ask.form.data_format, kind == Kind::Search)
            .unwrap_or_else(|| site::visit(&ask.url))
    }

    /// Bills what is to be billed, and returns whether that was so.
    pub(super) fn settle(&self, outcome: &Outcome) -> bool {
        let billed = matches!(outcome, Outcome::Page(_)) || self.config.paid_features;
        if billed {
            self.ledger.bill();
        }
        billed
    }

    /// Tells an outcome as the unlocker does: the status is 200 whatever happened.
    pub(super) fn tell(&self, outcome: &Outcome, form: Form, billed: bool) -> Response {
        let mut told = HeaderMap::new();
        let mut body = Bytes::new();
        let status = match outcome {
            Outcome::Page(page) => {
                let (content_type, bytes) = rendered(page, form.data_format);
                told.insert("content-type", HeaderValue::from_static(content_type));
                if let Some(location) = &page.location
                    && let Ok(location) = HeaderValue::from_str(location)
                {
                    told.insert("location", location);
                }
                if let Ok(status) = HeaderValue::from_str(&page.status.to_string()) {
                    told.insert("x-brd-status-code", status);
                }
                if !form.is_head {
                    body = bytes;
                }
                page.status
            }
            Outcome::Refused(refusal) => {
                told = refusal.headers();
                refusal.status
            }
        };
        if form.debug {
            let line = format!(
                "req_id=sandbox{}; bytes_up=0; bytes_down={}; billed={billed}; peer_country=de",
                self.ledger.requests(),
                body.len(),
            );
            if let Ok(line) = HeaderValue::from_str(&line) {
                told.insert("x-brd-debug", line);
            }
        }
        if form.format == Some(Format::Json) {
            return enveloped(status, &told, &body);
        }
        let mut reply = Response::new(Body::from(body));
        *reply.headers_mut() = told;
        reply
    }
}

fn enveloped(status: u16, told: &HeaderMap, body: &[u8]) -> Response {
    let headers: BTreeMap<&str, &str> = told
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    json_reply(
        200,
        &json!({
            "status_code": status,
            "headers": headers,
            "body": String::from_utf8_lossy(body),
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
