//! How a server of HTTP/2 can fail a request.

use std::future::pending;
use std::time::Duration;

use contexter_http::Config;
use contexter_model::ErrorKind;
use contexter_service::{Again, Verdict};
use contexter_testkit::TlsTerminator;
use h2::Reason;
use h2::server::Builder;
use hyper::Response;

use super::server::{Http2, api, failure_of, head_of, send_text};
use crate::server::{Script, Server};

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
