//! The native proxy: plain requests, and tunnels in which it re-signs the traffic.

mod tunnel;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware;
use axum::response::Response;
use url::Url;

use super::login::{Flags, Login};
use super::refusal::Refusal;
use super::site::{self, Outcome};
use super::zones::Kind;
use super::{Office, search};
use crate::faults::{self, Layer};
use crate::server::Shutdown;

#[derive(Clone)]
struct Proxy {
    office: Arc<Office>,
    shutdown: Shutdown,
    faults: Layer,
}

pub(super) fn router(office: Arc<Office>, shutdown: Shutdown, faults: Layer) -> Router {
    let layer = middleware::from_fn_with_state(faults.clone(), faults::inject);
    Router::new()
        .fallback(handle)
        .layer(layer)
        .with_state(Proxy {
            office,
            shutdown,
            faults,
        })
}

async fn handle(State(proxy): State<Proxy>, request: Request) -> Response {
    let office = &proxy.office;
    if let Err(refusal) = admit(office) {
        return refused(&refusal);
    }
    let login = match Login::read(office, request.headers()) {
        Ok(login) => login,
        Err(refusal) => return refused(&refusal),
    };
    if request.method() == Method::CONNECT {
        return match tunnel::open(&proxy, request, login) {
            Ok(()) => status(200),
            Err(refusal) => refused(&refusal),
        };
    }
    match absolute(request.uri()) {
        Some(url) => answer(office, &url, &login).await,
        None => refused(&no_host()),
    }
}

/// Turns away who asks too often.
fn admit(office: &Office) -> Result<(), Refusal> {
    let limit = office.config.requests_per_minute;
    let admitted = office.ledger.admit(limit);
    admitted.map_err(|_too_many| Refusal::proxy(429, "client_10110", "too many requests"))
}

fn no_host() -> Refusal {
    Refusal::proxy(403, "client_10080", "no host in the request")
}

fn absolute(uri: &Uri) -> Option<Url> {
    uri.scheme()?;
    Url::parse(&uri.to_string()).ok().filter(Url::has_host)
}

fn status(status: u16) -> Response {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    reply
}

/// Search engines are refused through zones that are none for searches.
fn visit(url: &Url, kind: Kind) -> Outcome {
    if let Some(found) = search::results(url, None, true) {
        return match kind {
            Kind::Search => found,
            Kind::Unlocker => Outcome::Refused(Refusal::proxy(
                403,
                "policy_20250",
                "search engines are refused, use a search zone",
            )),
        };
    }
    match site::visit(url) {
        // The proxy has a code of its own for a name that does not resolve.
        Outcome::Refused(refusal) if refusal.code.as_deref() == Some("proxy_error") => {
            Outcome::Refused(Refusal::proxy(
                502,
                "target_40001",
                "the host does not resolve",
            ))
        }
        outcome => outcome,
    }
}

/// Answers with the target's own status and headers; failures have the status that they report.
async fn answer(office: &Office, url: &Url, login: &Login) -> Response {
    let outcome = visit(url, login.kind);
    site::linger(&outcome, office.config.slow_page).await;
    let billed = office.settle(&outcome);
    let mut reply = match &outcome {
        Outcome::Refused(refusal) => refused(refusal),
        Outcome::Page(page) => {
            let mut reply = status(page.status);
            *reply.body_mut() = Body::from(page.body.clone());
            let headers = reply.headers_mut();
            headers.insert("content-type", HeaderValue::from_static(page.content_type));
            if let Some(location) = &page.location
                && let Ok(location) = HeaderValue::from_str(location)
            {
                headers.insert("location", location);
            }
            reply
        }
    };
    flag_headers(reply.headers_mut(), office, billed, &login.flags);
    reply
}

fn flag_headers(headers: &mut HeaderMap, office: &Office, billed: bool, flags: &Flags) {
    if let Some(tag) = &flags.tag
        && let Ok(tag) = HeaderValue::from_str(tag)
    {
        headers.insert("x-brd-c_tag", tag);
    }
    if flags.debug {
        let line = format!(
            "req_id=sandbox{}; billed={billed}; peer_country=de",
            office.ledger.requests()
        );
        if let Ok(line) = HeaderValue::from_str(&line) {
            headers.insert("x-brd-debug", line);
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let mut reply = status(refusal.status);
    *reply.headers_mut() = refusal.headers();
    if refusal.status == 407 {
        reply.headers_mut().insert(
            "proxy-authenticate",
            HeaderValue::from_static("Basic realm=\"brd.superproxy.io\""),
        );
    }
    reply
}
