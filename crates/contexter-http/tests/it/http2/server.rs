//! A server that speaks HTTP/2 over TLS.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use contexter_http::{Api, Auth, Client, Config};
use contexter_model::Error;
use contexter_testkit::TlsTerminator;
use h2::SendStream;
use h2::server::{Builder, SendResponse};
use hyper::Response;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// How long a test waits for what has to happen.
pub(super) const PATIENT: Duration = Duration::from_secs(30);

pub(super) type Respond = SendResponse<Bytes>;

/// Runs until dropped.
pub(super) struct Http2 {
    tls: TlsTerminator,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Http2 {
    /// Answers each request in a task of its own; it is told which one of the server it is.
    pub(super) async fn start<F, O>(settings: Builder, answer: F) -> Self
    where
        F: Fn(usize, Respond) -> O + Clone + Send + Sync + 'static,
        O: Future<Output = ()> + Send + 'static,
    {
        let requests = Arc::new(AtomicUsize::new(0));
        Self::start_with(move |stream| {
            let (settings, answer, requests) =
                (settings.clone(), answer.clone(), Arc::clone(&requests));
            async move {
                let mut connection = settings.handshake(stream).await.unwrap();
                let mut answers = JoinSet::new();
                while let Some(Ok((_request, respond))) = connection.accept().await {
                    answers.spawn(answer(requests.fetch_add(1, Ordering::SeqCst), respond));
                }
            }
        })
        .await
    }

    /// Serves each connection in a task of its own.
    pub(super) async fn start_with<F, O>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> O + Send + Sync + 'static,
        O: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = TlsTerminator::with_http2_before(listener.local_addr().unwrap()).await;
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                served.spawn(serve(stream));
            }
        });
        Self {
            tls,
            connections,
            task,
        }
    }

    pub(super) fn api(&self, config: Config) -> Api {
        api(&self.tls, config)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn api(tls: &TlsTerminator, config: Config) -> Api {
    let config = config.http2().root_certificate_pem(tls.root_pem());
    api_of(tls, &config)
}

pub(super) fn api_of(tls: &TlsTerminator, config: &Config) -> Api {
    let client = Client::new(config).unwrap();
    Api::new(&client, &tls.base_url(), Auth::Bearer("s3cret".into())).unwrap()
}

pub(super) fn head(respond: &mut Respond) -> SendStream<Bytes> {
    respond.send_response(Response::new(()), false).unwrap()
}

/// Announces so many bytes.
pub(super) fn head_of(respond: &mut Respond, bytes: usize) -> SendStream<Bytes> {
    let head = Response::builder().header("content-length", bytes);
    respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap()
}

pub(super) fn send_text(respond: &mut Respond, text: &'static str) {
    head(respond).send_data(text.into(), true).unwrap();
}

/// Sends as much of so many bytes as the client lets in.
pub(super) async fn send_counted(mut body: SendStream<Bytes>, bytes: usize, sent: &AtomicUsize) {
    body.reserve_capacity(bytes);
    while sent.load(Ordering::SeqCst) < bytes {
        let Some(Ok(room)) = poll_fn(|cx| body.poll_capacity(cx)).await else {
            return;
        };
        let is_last = sent.fetch_add(room, Ordering::SeqCst) + room == bytes;
        body.send_data(vec![b'x'; room].into(), is_last).unwrap();
    }
}

pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let came = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let came = tokio::time::timeout(PATIENT, came).await;
    assert!(came.is_ok(), "in vain: {what}");
}

pub(super) async fn failure_of(api: &Api) -> Error {
    let ended = tokio::time::timeout(PATIENT, api.get("x").send()).await;
    let error = ended.expect("the call ends").unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    error
}
