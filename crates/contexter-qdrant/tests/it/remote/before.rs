//! What stands before a local server, and answers some calls itself.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use contexter_qdrant::remote::Config;
use contexter_qdrant::server::{LocalServer, Options};
use http_body_util::Full;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service, StdError};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower_layer::Layer;

use super::served::KEY;

/// A local server behind somebody who answers those calls that `answer` does, by their path.
pub(crate) struct Before {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Before {
    pub(crate) async fn start(
        answer: impl Fn(&str) -> Option<Response<Body>> + Clone + Send + Sync + 'static,
    ) -> Self {
        let server = LocalServer::temporary(Options::default()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Server::builder()
            .layer(Gate(answer))
            .add_routes(server.routes())
            .serve_with_incoming(TcpIncoming::from(listener));
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { address, task }
    }

    pub(crate) fn config(&self) -> Config {
        config_of(self.address)
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn config_of(address: SocketAddr) -> Config {
    Config::default()
        .with_url(format!("http://{address}"))
        .with_api_key(KEY)
}

/// A reply in plain HTTP.
pub(crate) fn page(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Body> {
    let mut reply = Response::builder().status(status);
    for (name, value) in headers {
        reply = reply.header(*name, *value);
    }
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    reply.body(Body::new(body)).unwrap()
}

#[derive(Clone)]
struct Gate<F>(F);

impl<S, F: Clone> Layer<S> for Gate<F> {
    type Service = Gated<S, F>;

    fn layer(&self, inner: S) -> Gated<S, F> {
        Gated {
            inner,
            answer: self.0.clone(),
        }
    }
}

#[derive(Clone)]
struct Gated<S, F> {
    inner: S,
    answer: F,
}

impl<S, F> Service<Request<Body>> for Gated<S, F>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<StdError>,
    S::Future: Send + 'static,
    F: Fn(&str) -> Option<Response<Body>>,
{
    type Response = Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<Response<Body>, StdError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(reply) = (self.answer)(request.uri().path()) {
            return Box::pin(async move { Ok(reply) });
        }
        let reply = self.inner.call(request);
        Box::pin(async move { reply.await.map_err(Into::into) })
    }
}
