//! Servers that speak HTTP/2 over TLS: what is read ahead, what is shared, and how it breaks.

mod failures;
mod server;

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_http::Config;
use contexter_model::ErrorKind;
use contexter_service::Verdict;
use contexter_testkit::{Scripted, ScriptedServer, TlsTerminator};
use h2::Reason;
use h2::server::Builder;
use hyper::Response;
use tokio::task::JoinSet;

use self::server::{Http2, PATIENT, api_of, failure_of, head, send_counted, send_text, until};

/// What may be received of a reply that nobody takes.
const WINDOW: usize = 1 << 20;

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
