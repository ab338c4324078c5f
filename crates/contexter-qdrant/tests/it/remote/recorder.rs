//! Keeps what is sent to a local server.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use contexter_qdrant::remote::{Config, RemoteStore};
use contexter_qdrant::server::{LocalServer, Options};
use contexter_service::Service;
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request};
use tonic::codegen::{BoxFuture, Service as HttpService, StdError, http};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower_layer::Layer;

use super::served::KEY;

/// Path, headers and message of every call.
type Log = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

#[derive(Clone)]
struct Recording(Log);

#[derive(Clone)]
struct Recorder<S>(S, Log);

impl<S> Layer<S> for Recording {
    type Service = Recorder<S>;

    fn layer(&self, inner: S) -> Recorder<S> {
        Recorder(inner, Arc::clone(&self.0))
    }
}

impl<S> HttpService<Request<Body>> for Recorder<S>
where
    S: HttpService<Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Error: Into<StdError>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<http::Response<Body>, StdError>;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), StdError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let fresh = self.0.clone();
        let mut ready = std::mem::replace(&mut self.0, fresh);
        let log = Arc::clone(&self.1);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let sent = (
                head.uri.path().to_owned(),
                head.headers.clone(),
                body.slice(5..),
            );
            log.lock().push(sent);
            let request = Request::from_parts(head, Body::new(Full::new(body)));
            ready.call(request).await.map_err(Into::into)
        })
    }
}

/// A store on a local server, and what was sent to it.
pub(crate) struct Golden {
    pub(crate) store: RemoteStore,
    log: Log,
}

impl Golden {
    pub(crate) async fn start() -> Self {
        let options = Options::default().with_api_key(KEY);
        let server = LocalServer::temporary(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Log::default();
        let serving = Server::builder()
            .layer(Recording(Arc::clone(&log)))
            .add_routes(server.routes())
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(async move { serving.await.unwrap() });
        let store = RemoteStore::new(&Config::default().with_url(url).with_api_key(KEY)).unwrap();
        Self { store, log }
    }

    /// Takes the next call, which is to be this one.
    pub(crate) fn sent<M: Message + Default + PartialEq + Debug>(&self, path: &str, expected: &M) {
        let (called, headers, message) = self.log.lock().remove(0);
        assert_eq!(called, path);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("api-key"), Some(KEY));
        assert_eq!(header("content-type"), Some("application/grpc"));
        assert!(header("user-agent").unwrap().starts_with("contexter/"));
        assert_eq!(&M::decode(message.clone()).unwrap(), expected, "{path}");
        assert_eq!(
            message.len(),
            expected.encoded_len(),
            "nothing else: {path}"
        );
    }

    /// Makes a call, which works.
    pub(crate) async fn call<R>(&self, request: R)
    where
        RemoteStore: Service<R, Error = contexter_model::Error>,
    {
        self.store.call(request).await.unwrap();
    }

    /// Forgets the calls that `kept` does not want.
    pub(crate) fn forget(&self, kept: impl Fn(&str) -> bool) {
        self.log.lock().retain(|(path, ..)| kept(path));
    }

    /// Nothing else was sent.
    pub(crate) fn end(&self) {
        assert!(self.log.lock().is_empty(), "{:?}", self.log.lock());
    }
}
