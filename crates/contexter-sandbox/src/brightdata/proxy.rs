//! The native proxy: plain requests, and tunnels in which it re-signs the traffic.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use axum::{Extension, middleware};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tower::ServiceExt as _;
use url::Url;

use super::account::{self, ProxyFlags};
use super::refusal::Refusal;
use super::site::{self, Outcome};
use super::{Office, search};
use crate::connection::Hangup;
use crate::faults::{self, Layer};
use crate::server::Shutdown;

/// How long a client may take to set TLS up in a tunnel.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A tunnel that is open longer is closed.
const LONGEST_TUNNEL: Duration = Duration::from_mins(10);

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
    if office
        .ledger
        .admit(office.config.requests_per_minute)
        .is_err()
    {
        return refused(&Refusal::proxy(429, "client_10110", "too many requests"));
    }
    let flags = match account::proxy_login(&office.config, request.headers()) {
        Ok(flags) => flags,
        Err(refusal) => return refused(&refusal),
    };
    if request.method() == Method::CONNECT {
        return connect(&proxy, request, flags);
    }
    match absolute(request.uri()) {
        Some(url) => answer(office, &url, &flags).await,
        None => refused(&Refusal::proxy(
            403,
            "client_10080",
            "no host in the request",
        )),
    }
}

fn absolute(uri: &Uri) -> Option<Url> {
    uri.scheme()?;
    Url::parse(&uri.to_string()).ok().filter(Url::has_host)
}

/// Opens a tunnel, unless the target is refused before anything travels in it.
fn connect(proxy: &Proxy, request: Request, flags: ProxyFlags) -> Response {
    let Some(authority) = request.uri().authority().cloned() else {
        return refused(&Refusal::proxy(
            403,
            "client_10080",
            "no host in the request",
        ));
    };
    if !matches!(authority.port_u16(), None | Some(443 | 8443)) {
        return refused(&Refusal::proxy(403, "policy_20020", "the port is refused"));
    }
    let origin = Url::parse(&format!("https://{authority}/"));
    let Ok(origin) = origin else {
        return refused(&Refusal::proxy(
            403,
            "client_10080",
            "no host in the request",
        ));
    };
    // Whether there is such a host, and whether it may be visited, does not depend on the path.
    if let Outcome::Refused(refusal) = visit(&origin) {
        return refused(&refusal);
    }
    let host = origin.host_str().unwrap_or_default().to_owned();
    let acceptor = match proxy.office.authority.acceptor(&host) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::warn!(%error, "cannot sign for a host");
            return refused(&Refusal::unlocker(
                502,
                "proxy_error",
                "cannot sign for the host",
            ));
        }
    };
    let hangup = request.extensions().get::<Hangup>().cloned();
    let hangup = hangup.unwrap_or_else(Hangup::new);
    let within = within(proxy, origin, flags).layer(Extension(hangup.clone()));
    let shutdown = proxy.shutdown.clone();
    // The connection is handed over when the answer below has been sent. The task ends with the sandbox,
    // with the tunnel, by a fault, or after the longest time of a tunnel.
    tokio::spawn(async move {
        let tunnel = async {
            let upgraded = hyper::upgrade::on(request).await.ok()?;
            let accepting = acceptor.accept(TokioIo::new(upgraded));
            let stream = tokio::time::timeout(HANDSHAKE, accepting)
                .await
                .ok()?
                .ok()?;
            let within = within.map_request(|request: hyper::Request<Incoming>| -> Request {
                request.map(Body::new)
            });
            http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(within))
                .await
                .ok()
        };
        tokio::select! {
            () = shutdown.requested() => {}
            () = hangup.requested() => {}
            _ended = tokio::time::timeout(LONGEST_TUNNEL, tunnel) => {}
        }
    });
    status(200)
}

/// Answers the requests within a tunnel, which go wrong as any others do.
fn within(proxy: &Proxy, origin: Url, flags: ProxyFlags) -> Router {
    let office = Arc::clone(&proxy.office);
    let target = Arc::new((origin, flags));
    let handle = move |uri: Uri| {
        let (office, target) = (Arc::clone(&office), Arc::clone(&target));
        async move {
            let (origin, flags) = &*target;
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            match origin.join(path) {
                Ok(url) => answer(&office, &url, flags).await,
                Err(_no_url) => status(400),
            }
        }
    };
    let layer = middleware::from_fn_with_state(proxy.faults.clone(), faults::inject);
    Router::new().fallback(handle).layer(layer)
}

fn status(status: u16) -> Response {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    reply
}

/// Search engines are refused through zones that are proxies.
fn visit(url: &Url) -> Outcome {
    if search::results(url, None, false).is_some() {
        return Outcome::Refused(Refusal::proxy(
            403,
            "policy_20250",
            "search engines are refused, use a search zone",
        ));
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
async fn answer(office: &Office, url: &Url, flags: &ProxyFlags) -> Response {
    let outcome = visit(url);
    site::linger(&outcome, office.config.slow_page).await;
    office.settle(&outcome);
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
    flag_headers(reply.headers_mut(), office, &outcome, flags);
    reply
}

fn flag_headers(headers: &mut HeaderMap, office: &Office, outcome: &Outcome, flags: &ProxyFlags) {
    if let Some(tag) = &flags.tag
        && let Ok(tag) = HeaderValue::from_str(tag)
    {
        headers.insert("x-brd-c_tag", tag);
    }
    if flags.debug {
        let billed = matches!(outcome, Outcome::Page(_)) || office.config.paid_features;
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
