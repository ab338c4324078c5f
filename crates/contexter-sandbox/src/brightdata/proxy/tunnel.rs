//! Tunnels, in which the proxy answers in the name of the target.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Uri;
use axum::{Extension, Router, middleware};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use url::Url;

use super::super::login::Login;
use super::super::refusal::Refusal;
use super::super::site::Outcome;
use super::{Proxy, admit, answer, no_host, refused, visit};
use crate::connection::Hangup;
use crate::faults;
use crate::server::{self, Shutdown};
use crate::tunnels::Tunnels;

/// How long a client may take to set TLS up in a tunnel.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A tunnel that is open longer is closed.
const LONGEST_TUNNEL: Duration = Duration::from_mins(10);

/// Opens a tunnel, unless the target is refused before anything travels in it.
pub(super) fn open(proxy: &Proxy, mut request: Request, login: Login) -> Result<(), Refusal> {
    let authority = request.uri().authority().cloned().ok_or_else(no_host)?;
    if !matches!(authority.port_u16(), None | Some(443 | 8443)) {
        let port = Refusal::proxy(403, "policy_20020", "the port is refused");
        return Err(port);
    }
    let origin = Url::parse(&format!("https://{authority}/")).map_err(|_no_url| no_host())?;
    // Whether there is such a host, and whether it may be visited, does not depend on the path.
    if let Outcome::Refused(refusal) = visit(&origin, login.kind) {
        return Err(refusal);
    }
    let host = origin.host_str().unwrap_or_default();
    let acceptor = proxy.office.authority.acceptor(host).map_err(|error| {
        tracing::warn!(%error, "cannot sign for a host");
        Refusal::unlocker(502, "proxy_error", "cannot sign for the host")
    })?;
    let upgrade = hyper::upgrade::on(&mut request);
    let extensions = request.extensions();
    let hangup = extensions.get::<Hangup>().cloned();
    let hangup = hangup.unwrap_or_else(Hangup::new);
    let within = within(proxy, origin, login).layer(Extension(hangup));
    let tunnel = serve(upgrade, acceptor, within, proxy.shutdown.clone());
    let tunnel = async move {
        let _ended = tokio::time::timeout(LONGEST_TUNNEL, tunnel).await;
    };
    match extensions.get::<Tunnels>() {
        Some(tunnels) if tunnels.open(tunnel) => Ok(()),
        _ => Err(Refusal::unlocker(
            502,
            "net_err_closed",
            "the connection has ended",
        )),
    }
}

/// Serves a tunnel when the connection is handed over, which is when its answer has been sent.
async fn serve(upgrade: OnUpgrade, acceptor: TlsAcceptor, within: Router, shutdown: Shutdown) {
    let accepted = async {
        let upgraded = upgrade.await.ok()?;
        let accepting = acceptor.accept(TokioIo::new(upgraded));
        tokio::time::timeout(HANDSHAKE, accepting).await.ok()?.ok()
    };
    let stream = tokio::select! {
        // No request is under way yet.
        () = shutdown.requested() => return,
        accepted = accepted => accepted,
    };
    let Some(stream) = stream else {
        return;
    };
    let within = within
        .map_request(|request: hyper::Request<Incoming>| -> Request { request.map(Body::new) });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(within));
    tokio::pin!(served);
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = shutdown.requested() => {
            served.as_mut().graceful_shutdown();
            served.as_mut().await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a tunnel ended early");
    }
}

/// Answers the requests within a tunnel, which are counted and go wrong as any others.
fn within(proxy: &Proxy, origin: Url, login: Login) -> Router {
    let office = Arc::clone(&proxy.office);
    let target = Arc::new((origin, login));
    let handle = move |uri: Uri| {
        let (office, target) = (Arc::clone(&office), Arc::clone(&target));
        async move {
            if let Err(refusal) = admit(&office) {
                return refused(&refusal);
            }
            let (origin, login) = &*target;
            let mut url = origin.clone();
            url.set_path(uri.path());
            url.set_query(uri.query());
            answer(&office, &url, login).await
        }
    };
    let layer = middleware::from_fn_with_state(proxy.faults.clone(), faults::inject);
    Router::new()
        .fallback(handle)
        .layer(layer)
        .layer(middleware::from_fn(server::drain_unread))
}
