//! The layer around a server that makes replies go wrong.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::Response;

use crate::connection::Hangup;
use crate::faults::decide::Faults;
use crate::faults::fault::Fault;
use crate::faults::server::Server;
use crate::faults::{plain_reply, spoil};
use crate::server::Shutdown;

/// What the layer knows.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    server: Server,
    faults: Faults,
    shutdown: Shutdown,
}

impl Layer {
    pub(crate) fn new(server: Server, faults: Faults, shutdown: Shutdown) -> Self {
        Self {
            server,
            faults,
            shutdown,
        }
    }
}

/// Answers properly, or as the script wants it.
pub(crate) async fn inject(State(layer): State<Layer>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let Some(fault) = layer.faults.decide(layer.server, method, path) else {
        return next.run(request).await;
    };
    let hangup = request.extensions().get::<Hangup>().cloned();
    let hangup = hangup.unwrap_or_else(Hangup::new);
    let grpc = is_grpc(request.headers());
    match fault {
        Fault::Status(status) => plain_reply::status(layer.server, path, status),
        Fault::RateLimit(limit) if grpc => plain_reply::grpc_rate_limit(&limit),
        Fault::RateLimit(limit) => plain_reply::rate_limit(layer.server, path, limit),
        Fault::GrpcStatus(status) => plain_reply::grpc_status(&status),
        Fault::Delay(delay) => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        Fault::Hang => {
            layer.shutdown.requested().await;
            hangup.close();
            std::future::pending().await
        }
        Fault::Disconnect => {
            hangup.reset();
            std::future::pending().await
        }
        Fault::ContentType(fault) => spoil::content_type(next.run(request).await, fault),
        Fault::Reset(cut) => spoil::cut(next.run(request).await, cut, move || hangup.reset()).await,
        Fault::CutShort(cut) => {
            spoil::cut(next.run(request).await, cut, move || hangup.close()).await
        }
        Fault::Truncate(cut) => spoil::truncate(next.run(request).await, cut).await,
        Fault::Oversize(fault) => spoil::oversize(next.run(request).await, fault),
        Fault::Drip(fault) => spoil::drip(next.run(request).await, fault).await,
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
