//! Every way in which an answer can go wrong has its kind.

use contexter_http::{Api, Auth, Client, Config};
use contexter_model::{Error, ErrorKind};
use contexter_service::{Again, Verdict};
use contexter_testkit::{Scripted, ScriptedServer};

async fn failure(script: Scripted) -> Error {
    let server = ScriptedServer::start(vec![script]).await;
    let client = Client::new(&Config::default()).unwrap();
    let api = Api::new(&client, &server.base_url(), Auth::None)
        .unwrap()
        .with_service("example");
    let error = api.get("x").operation("try").send().await.unwrap_err();
    let start = format!("example try: {}/x ", server.base_url());
    assert!(error.to_string().starts_with(&start), "{error}");
    assert_eq!(server.requests().len(), 1, "nothing is sent twice");
    error
}

#[tokio::test]
async fn a_connection_that_breaks_is_unavailable_and_may_be_tried_again() {
    for script in [
        Scripted::close(),
        Scripted::text(200, "0123456789").truncated(),
        Scripted::text(200, "0123456789").reset_after(4),
    ] {
        let shown = format!("{script:?}");
        let error = failure(script).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{shown}: {error}");
        assert!(error.message().ends_with("broke off its answer"), "{error}");
        assert!(matches!(error.again(), Again::Yes { .. }));
        assert!(error.sent());
    }
}

#[tokio::test]
async fn what_is_no_http_is_against_the_protocol() {
    for bytes in [
        "220 smtp.example.org ready\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno size\r\n",
    ] {
        let error = failure(Scripted::raw(bytes)).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{bytes:?}: {error:?}");
        assert_eq!(error.again(), Again::No);
    }
}

#[tokio::test]
async fn a_broken_compression_is_against_the_protocol() {
    let script = Scripted::text(200, "this is no gzip").header("content-encoding", "gzip");
    let error = failure(script).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
}

#[tokio::test]
async fn a_header_with_a_bad_name_does_not_spoil_the_others() {
    let bytes = "HTTP/1.1 200 OK\r\nProxy Connection: x\r\nx-a: b\r\ncontent-length: 0\r\n\r\n";
    let server = ScriptedServer::start(vec![Scripted::raw(bytes)]).await;
    let client = Client::new(&Config::default()).unwrap();
    let api = Api::new(&client, &server.base_url(), Auth::None).unwrap();
    let reply = api.get("x").send().await.unwrap();
    assert_eq!(reply.header("x-a"), Some("b"));
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_nothing_was_sent() {
    // Held without listening, so that nobody else listens there either.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let base_url = format!("http://{}", held.local_addr().unwrap());
    let client = Client::new(&Config::default()).unwrap();
    let api = Api::new(&client, &base_url, Auth::Bearer("s3cret-key".into())).unwrap();
    let error = api.get("x").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), format!("{base_url}/x cannot be reached"));
    assert!(!error.sent() && !error.is_rejection());
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let server = ScriptedServer::start(vec![Scripted::hang(), Scripted::text(200, "ok")]).await;
    let client = Client::new(&Config::default()).unwrap();
    let api = Api::new(&client, &server.base_url(), Auth::None).unwrap();
    let asked = async {
        while server.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = api.get("x").send() => panic!("ended: {ended:?}"),
        () = asked => {}
    }
    // The hanging connection is not used again.
    assert_eq!(api.get("x").send().await.unwrap().status(), 200);
}
