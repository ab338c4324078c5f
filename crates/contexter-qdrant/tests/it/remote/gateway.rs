//! Replies that are not the server's.

use std::time::Duration;

use bytes::Bytes;
use contexter_model::{ErrorKind as Kind, ListAliases};
use contexter_qdrant::remote::RemoteStore;
use contexter_service::{Again, Sample, Service, Verdict};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Empty};
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::before::{Before, page};
use super::served::PATIENCE;

const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
const SECONDS: &[(&str, &str)] = &[("content-type", "text/html"), ("retry-after", "7")];
const SUCCESS: &[(&str, &str)] = &[("content-type", "application/grpc"), ("grpc-status", "0")];
const PAST: &[(&str, &str)] = &[("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT")];

#[tokio::test]
async fn plain_http_before_the_server_has_its_kind_verdict_and_message() {
    let no = Again::No;
    let yes = Again::Yes { after: None };
    let after = |seconds| Again::Yes {
        after: Some(Duration::from_secs(seconds)),
    };
    for (status, headers, kind, again, what) in [
        (
            401,
            HTML,
            Kind::Unauthorized,
            no,
            "does not let the call pass",
        ),
        (
            401,
            &[][..],
            Kind::Unauthorized,
            no,
            "does not let the call pass",
        ),
        (
            403,
            HTML,
            Kind::Unauthorized,
            no,
            "does not let the call pass",
        ),
        (
            407,
            HTML,
            Kind::Unauthorized,
            no,
            "does not let the call pass",
        ),
        (402, HTML, Kind::QuotaExhausted, no, "wants to be paid"),
        (404, HTML, Kind::Unsupported, no, "knows no Qdrant server"),
        (408, HTML, Kind::Timeout, yes, "waited in vain"),
        (504, HTML, Kind::Timeout, yes, "waited in vain"),
        (413, HTML, Kind::TooLarge, no, "finds the call too large"),
        (
            429,
            HTML,
            Kind::RateLimited,
            after(5),
            "is called too often",
        ),
        (
            429,
            SECONDS,
            Kind::RateLimited,
            after(7),
            "is called too often",
        ),
        (500, HTML, Kind::Unavailable, yes, "cannot reach the server"),
        (502, HTML, Kind::Unavailable, yes, "cannot reach the server"),
        (
            503,
            SECONDS,
            Kind::Unavailable,
            after(7),
            "cannot reach the server",
        ),
        (
            503,
            PAST,
            Kind::Unavailable,
            after(0),
            "cannot reach the server",
        ),
        (302, HTML, Kind::Protocol, no, "does not speak gRPC"),
        (204, &[][..], Kind::Protocol, no, "does not speak gRPC"),
        (200, HTML, Kind::Protocol, no, "does not speak gRPC"),
        (
            503,
            SUCCESS,
            Kind::Unavailable,
            yes,
            "cannot reach the server",
        ),
    ] {
        let body = if status == 204 { "" } else { "<html>no</html>" };
        let before = Before::start(move |_| Some(page(status, headers, body))).await;
        let store = RemoteStore::new(&before.config()).unwrap();
        let error = store.call(ListAliases).await.unwrap_err();

        let context = format!("{status} {headers:?}: {error:?}");
        let message = format!("what answers in place of the server {what}: HTTP status {status}");
        assert_eq!(error.message(), message, "{context}");
        assert_eq!(error.kind(), kind, "{context}");
        assert_eq!(error.again(), again, "{context}");
        let door = matches!(
            kind,
            Kind::Unauthorized | Kind::RateLimited | Kind::QuotaExhausted
        );
        assert_eq!(error.sample() == Sample::Neutral, door, "{context}");
    }
}

#[tokio::test]
async fn a_server_that_sends_the_head_of_a_reply_and_no_more_is_given_up() {
    let hanging = |_: &str| {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        // Whoever drops it ends the reply.
        tokio::spawn(async move {
            std::future::pending::<()>().await;
            sender.send_data(Bytes::new()).await.unwrap();
        });
        let reply = Response::builder().header("content-type", "application/grpc");
        Some(reply.body(Body::new(body)).unwrap())
    };
    let before = Before::start(hanging).await;
    let config = before.config().with_timeout(Duration::from_millis(200));
    let store = RemoteStore::new(&config).unwrap();

    let call = tokio::time::timeout(PATIENCE, store.call(ListAliases));
    let error = call.await.expect("a call ends").unwrap_err();

    assert_eq!(error.kind(), Kind::Timeout, "{error:?}");
    assert_eq!(error.message(), "the server did not answer in time");
}

#[tokio::test]
async fn details_that_are_no_base64_are_no_panic() {
    let details = HeaderMap::from_iter([
        (
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("5"),
        ),
        (
            HeaderName::from_static("grpc-status-details-bin"),
            HeaderValue::from_static("CAgS:"),
        ),
    ]);
    for trailing in [false, true] {
        let details = details.clone();
        let before = Before::start(move |_| {
            let mut reply = Response::new(Body::empty());
            if trailing {
                let trailers = details.clone();
                let body = Empty::<Bytes>::new().with_trailers(async { Some(Ok(trailers)) });
                *reply.body_mut() = Body::new(body);
            } else {
                *reply.headers_mut() = details.clone();
            }
            let grpc = HeaderValue::from_static("application/grpc");
            reply.headers_mut().insert("content-type", grpc);
            Some(reply)
        })
        .await;
        let store = RemoteStore::new(&before.config()).unwrap();
        let error = store.call(ListAliases).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    }
}
