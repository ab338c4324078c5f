//! Servers that speak HTTP/2 over TLS: what is read ahead, what is shared, and how it breaks.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use contexter_http::{Api, Auth, Client, Config};
use contexter_model::{Error, ErrorKind};
use contexter_service::{Again, Verdict};
use contexter_testkit::{Scripted, ScriptedServer, TlsTerminator};
use h2::server::{Builder, SendResponse};
use h2::{Reason, SendStream};
use hyper::Response;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::server::{Script, Server};

/// What may be received of a reply that nobody takes.
const WINDOW: usize = 1 << 20;

/// How long a test waits for what has to happen.
const PATIENT: Duration = Duration::from_secs(30);

type Respond = SendResponse<Bytes>;

/// Runs until dropped.
struct Http2 {
    tls: TlsTerminator,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Http2 {
    /// Answers each request in a task of its own; it is told which one of the server it is.
    async fn start<F, O>(settings: Builder, answer: F) -> Self
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
    async fn start_with<F, O>(serve: F) -> Self
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

    fn api(&self, config: Config) -> Api {
        api(&self.tls, config)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn api(tls: &TlsTerminator, config: Config) -> Api {
    let config = config.http2().root_certificate_pem(tls.root_pem());
    api_of(tls, &config)
}

fn api_of(tls: &TlsTerminator, config: &Config) -> Api {
    let client = Client::new(config).unwrap();
    Api::new(&client, &tls.base_url(), Auth::Bearer("s3cret".into())).unwrap()
}

fn head(respond: &mut Respond) -> SendStream<Bytes> {
    respond.send_response(Response::new(()), false).unwrap()
}

/// Announces so many bytes.
fn head_of(respond: &mut Respond, bytes: usize) -> SendStream<Bytes> {
    let head = Response::builder().header("content-length", bytes);
    respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap()
}

fn send_text(respond: &mut Respond, text: &'static str) {
    head(respond).send_data(text.into(), true).unwrap();
}

/// Sends as much of so many bytes as the client lets in.
async fn send_counted(mut body: SendStream<Bytes>, bytes: usize, sent: &AtomicUsize) {
    body.reserve_capacity(bytes);
    while sent.load(Ordering::SeqCst) < bytes {
        let Some(Ok(room)) = poll_fn(|cx| body.poll_capacity(cx)).await else {
            return;
        };
        let is_last = sent.fetch_add(room, Ordering::SeqCst) + room == bytes;
        body.send_data(vec![b'x'; room].into(), is_last).unwrap();
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let came = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let came = tokio::time::timeout(PATIENT, came).await;
    assert!(came.is_ok(), "in vain: {what}");
}

async fn failure_of(api: &Api) -> Error {
    let ended = tokio::time::timeout(PATIENT, api.get("x").send()).await;
    let error = ended.expect("the call ends").unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    error
}

#[tokio::test]
async fn calls_share_a_connection_and_wait_where_the_server_takes_one_at_a_time() {
    let mut settings = Builder::new();
    settings.max_concurrent_streams(1);
    let server = Http2::start(settings, |_, mut respond| async move {
        send_text(&mut respond, "ok");
    })
    .await;
    let api = server.api(Config::default());
    api.get("x").send().await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let api = api.clone();
        calls.spawn(async move { api.get("x").send().await.unwrap().bytes().to_vec() });
    }
    let replies = tokio::time::timeout(PATIENT, calls.join_all()).await;
    assert_eq!(replies.unwrap(), vec![b"ok".to_vec(); 8]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn no_more_than_a_window_is_read_ahead_and_nothing_is_lost() {
    const BODY: usize = 3 * WINDOW + 17;
    let sent = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let count = Arc::clone(&sent);
    let server = Http2::start(Builder::new(), move |number, mut respond| {
        let sent = Arc::clone(&count);
        async move { send_counted(head(&mut respond), BODY, &sent[number]).await }
    })
    .await;
    let api = server.api(Config::default());
    let reply = api.get("x").open().await.unwrap();
    let is_full = |reply: usize| sent[reply].load(Ordering::SeqCst) >= WINDOW;
    until("the window is full", || is_full(0)).await;
    // Had the client let in more, it would have been sent by the time the next reply has come.
    let other = api.get("y").open().await.unwrap();
    until("the other window is full", || is_full(1)).await;
    assert_eq!(sent[0].load(Ordering::SeqCst), WINDOW);
    drop(other);
    assert_eq!(reply.whole().await.unwrap().bytes().len(), BODY);
}

#[tokio::test]
async fn replies_that_nobody_takes_do_not_hold_up_the_others() {
    let server = Http2::start(Builder::new(), |number, mut respond| async move {
        if number < 32 {
            send_counted(head(&mut respond), 2 * WINDOW, &AtomicUsize::new(0)).await;
            pending::<()>().await;
        }
        send_text(&mut respond, "ok");
    })
    .await;
    let api = server.api(Config::default());
    let mut untaken = Vec::new();
    for _ in 0..32 {
        untaken.push(api.get("x").open().await.unwrap());
    }
    let reply = tokio::time::timeout(PATIENT, api.get("x").send()).await;
    assert_eq!(reply.unwrap().unwrap().bytes(), "ok");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_dropped_call_resets_its_stream_and_leaves_the_connection() {
    let is_reset = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&is_reset);
    let server = Http2::start(Builder::new(), move |number, mut respond| {
        let seen = Arc::clone(&seen);
        async move {
            if number == 0 {
                seen.store(1, Ordering::SeqCst);
                let reason = poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
                assert_eq!(reason, Reason::CANCEL);
                seen.store(2, Ordering::SeqCst);
            } else {
                send_text(&mut respond, "ok");
            }
        }
    })
    .await;
    let api = server.api(Config::default());
    tokio::select! {
        ended = api.get("x").send() => panic!("ended: {ended:?}"),
        () = until("the request arrives", || is_reset.load(Ordering::SeqCst) == 1) => {}
    }
    until("the reset arrives", || is_reset.load(Ordering::SeqCst) == 2).await;
    assert_eq!(api.get("x").send().await.unwrap().bytes(), "ok");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_refused_stream_was_not_worked_on() {
    let server = Http2::start(Builder::new(), |_, mut respond| async move {
        respond.send_reset(Reason::REFUSED_STREAM);
    })
    .await;
    let error = failure_of(&server.api(Config::default())).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let message = error.message();
    assert!(
        message.ends_with("takes no more requests on this connection"),
        "{error}"
    );
    assert!(!error.sent());
    assert!(matches!(error.again(), Again::Yes { .. }));
}

#[tokio::test]
async fn a_connection_that_says_goodbye_is_not_used_again() {
    let server = Http2::start_with(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        send_text(&mut respond, "ok");
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
    })
    .await;
    let api = server.api(Config::default());
    for _ in 0..3 {
        assert_eq!(api.get("x").send().await.unwrap().bytes(), "ok");
    }
    assert!(server.connections() >= 3);
}

#[tokio::test]
async fn a_request_that_a_goodbye_leaves_out_was_not_worked_on() {
    // An empty SETTINGS, and GOAWAY with no error, no stream, and the key (RFC 9113, sections 6.5 and
    // 6.8): what a server says besides is not shown.
    let frames = [
        &[0, 0, 0, 4, 0, 0, 0, 0, 0][..],
        &[0, 0, 14, 7, 0, 0, 0, 0, 0][..],
        &[0; 8][..],
        b"s3cret",
    ];
    let server = Server::start(Script::Stall(frames.concat())).await;
    let tls = TlsTerminator::with_http2_before(server.address()).await;
    let error = failure_of(&api(&tls, Config::default())).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(!error.sent(), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_breaks_is_unavailable_and_may_have_been_worked_on() {
    for (reason, after_head) in [
        (Reason::INTERNAL_ERROR, false),
        (Reason::CANCEL, false),
        (Reason::INTERNAL_ERROR, true),
        (Reason::REFUSED_STREAM, true),
        (Reason::HTTP_1_1_REQUIRED, true),
        // As some proxies do; the announced length tells.
        (Reason::NO_ERROR, true),
    ] {
        let server = Http2::start(Builder::new(), move |_, mut respond| async move {
            if !after_head {
                return respond.send_reset(reason);
            }
            let mut body = head_of(&mut respond, 10);
            body.send_data("01234".into(), false).unwrap();
            // The head is sent before a reset, and what follows it may be dropped.
            tokio::task::yield_now().await;
            body.send_reset(reason);
        })
        .await;
        let error = failure_of(&server.api(Config::default())).await;
        let shown = format!("{reason:?} {after_head}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{shown}");
        assert!(error.message().ends_with("broke off its answer"), "{shown}");
        assert!(error.sent(), "{shown}");
        assert!(matches!(error.again(), Again::Yes { .. }), "{shown}");
    }
}

#[tokio::test]
async fn a_server_that_wants_http1_says_so() {
    let server = Http2::start(Builder::new(), |_, mut respond| async move {
        respond.send_reset(Reason::HTTP_1_1_REQUIRED);
    })
    .await;
    let error = failure_of(&server.api(Config::default())).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    let message = error.message();
    assert!(message.ends_with("only over http/1.1"), "{error}");
}

#[tokio::test]
async fn what_is_no_http2_ends_the_connection_for_all_its_requests() {
    for bytes in [
        &b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"[..],
        // SETTINGS of one byte, then a frame that is longer than allowed.
        &[0, 0, 1, 4, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 4, 0, 0, 0, 0, 0, 255, 255, 255, 0, 0, 0, 0, 0, 1],
    ] {
        let server = Server::start(Script::Stall(bytes.to_vec())).await;
        let tls = TlsTerminator::with_http2_before(server.address()).await;
        let error = failure_of(&api(&tls, Config::default())).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{bytes:?}: {error:?}");
        let message = error.message();
        assert!(message.contains("broke the rules of http/2"), "{error}");
        assert!(error.sent());
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_against_the_protocol_and_harms_nobody_else() {
    const KIB: usize = 1 << 10;
    let server = Http2::start(Builder::new(), |number, mut respond| async move {
        let size = [200 * KIB, 300 * KIB, 0][number];
        let head = Response::builder().header("x-large", "x".repeat(size));
        let head = head.body(()).unwrap();
        respond.send_response(head, true).unwrap();
    })
    .await;
    let api = server.api(Config::default());
    let reply = api.get("x").send().await.unwrap();
    assert_eq!(reply.header("x-large").map(str::len), Some(200 * KIB));
    let error = failure_of(&api).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
    assert_eq!(error.again(), Again::No);
    api.get("x").send().await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_reply_without_a_body_may_announce_a_length() {
    let server = Http2::start(Builder::new(), |number, mut respond| async move {
        let status = [200, 304][number];
        let head = Response::builder().status(status);
        let head = head.header("content-length", 10).body(()).unwrap();
        respond.send_response(head, true).unwrap();
    })
    .await;
    let api = server.api(Config::default());
    assert_eq!(api.head("x").send().await.unwrap().status(), 200);
    assert_eq!(api.get("x").send().await.unwrap().status(), 304);
}

#[tokio::test]
async fn a_connection_that_is_dead_is_given_up_long_before_the_reply_would_be() {
    let server = Http2::start_with(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        send_text(&mut respond, "ok");
        // Answers a second request with nothing, and pings no more either.
        let _second = connection.accept().await;
        pending::<()>().await;
    })
    .await;
    let config = Config::default()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_mins(10));
    let api = server.api(config);
    assert_eq!(api.get("x").send().await.unwrap().bytes(), "ok");
    let error = failure_of(&api).await;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(error.sent());
    assert_eq!(api.get("x").send().await.unwrap().bytes(), "ok");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_longest_patience_is_no_obstacle() {
    let server = Http2::start(Builder::new(), |_, mut respond| async move {
        send_text(&mut respond, "ok");
    })
    .await;
    let api = server.api(Config::default().connect_timeout(Duration::MAX));
    assert_eq!(api.get("x").send().await.unwrap().bytes(), "ok");
}

#[tokio::test]
async fn http2_is_not_offered_unasked() {
    let server = ScriptedServer::start(vec![Scripted::text(200, "ok")]).await;
    let tls = TlsTerminator::with_http2_before(server.address()).await;
    let config = Config::default().root_certificate_pem(tls.root_pem());
    let error = failure_of(&api_of(&tls, &config)).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(!error.sent());
}
