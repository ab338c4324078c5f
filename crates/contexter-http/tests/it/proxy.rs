//! Through a real forward proxy that asks for a password.

use contexter_http::{Api, Auth, Client, Config, Proxy};
use contexter_model::{Error, ErrorKind};
use contexter_service::Verdict;
use contexter_testkit::{Scripted, ScriptedServer, Tinyproxy, TlsTerminator, require};

use crate::shown::everything;

const PASSWORD: &str = "pr0xy-s3cret";

fn by(proxy: &contexter_testkit::Server, password: &str) -> Proxy {
    Proxy::new(&proxy.url())
        .unwrap()
        .basic_auth("alice", password)
}

fn client(proxy: Proxy, tls: &TlsTerminator) -> Client {
    let config = Config::default()
        .proxy(proxy)
        .root_certificate_pem(tls.root_pem());
    Client::new(&config).unwrap()
}

async fn get(client: &Client, base_url: &str) -> Result<contexter_http::Reply, Error> {
    let auth = Auth::Bearer("api-s3cret".into());
    let api = Api::new(client, base_url, auth).unwrap();
    api.get("x").query("key", "query-s3cret").send().await
}

fn assert_hidden(error: &Error) {
    let shown = everything(error);
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn a_plain_request_and_a_tunnel_go_through_it_with_the_right_password() {
    require!("tinyproxy");
    let proxy = Tinyproxy::start("alice", PASSWORD).unwrap();
    let server = ScriptedServer::start(vec![Scripted::text(200, "hello")]).await;
    let tls = TlsTerminator::before(server.address()).await;
    let client = client(by(&proxy, PASSWORD), &tls);

    let reply = get(&client, &server.base_url()).await.unwrap();
    assert_eq!(reply.text().unwrap(), "hello");
    // The proxy says that it was there.
    let sent = server.requests().pop().unwrap();
    assert!(
        sent.header("via")
            .is_some_and(|via| via.contains("tinyproxy")),
        "{sent:?}"
    );
    assert_eq!(sent.header("proxy-authorization"), None);

    let reply = get(&client, &tls.base_url()).await.unwrap();
    assert_eq!(reply.text().unwrap(), "hello");
    let sent = server.requests().pop().unwrap();
    assert_eq!(
        sent.header("via"),
        None,
        "the proxy cannot look into a tunnel"
    );
    assert_eq!(sent.header("proxy-authorization"), None);
    let log = proxy.log().unwrap();
    assert!(log.contains("CONNECT"), "{log}");
}

#[tokio::test]
async fn no_password_is_a_typed_error() {
    require!("tinyproxy");
    let proxy = Tinyproxy::start("alice", PASSWORD).unwrap();
    let server = ScriptedServer::start(vec![Scripted::text(200, "hello")]).await;
    let tls = TlsTerminator::before(server.address()).await;
    let client = client(Proxy::new(&proxy.url()).unwrap(), &tls);

    let reply = get(&client, &server.base_url()).await.unwrap();
    assert_eq!(reply.status(), 407);
    let error = reply.error(reply.text().unwrap());
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_hidden(&error);

    let error = get(&client, &tls.base_url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert!(error.message().contains("(407)"), "{error}");
    assert!(!error.sent());
    assert_hidden(&error);
    assert!(server.requests().is_empty());
}

/// This proxy answers a wrong password with 401, as if it were the server. Of the answer to
/// `CONNECT` nothing is known but that it was not 200 and not 407.
#[tokio::test]
async fn a_wrong_password_is_a_typed_error_that_does_not_repeat_it() {
    require!("tinyproxy");
    let proxy = Tinyproxy::start("alice", PASSWORD).unwrap();
    let server = ScriptedServer::start(vec![Scripted::text(200, "hello")]).await;
    let tls = TlsTerminator::before(server.address()).await;
    let client = client(by(&proxy, "wr0ng-s3cret"), &tls);

    let reply = get(&client, &server.base_url()).await.unwrap();
    assert_eq!(reply.status(), 401);
    let error = reply.error(reply.text().unwrap());
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_hidden(&error);

    let error = get(&client, &tls.base_url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.message().ends_with("it opens no tunnel"), "{error}");
    assert!(!error.sent());
    assert_hidden(&error);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_proxy_that_cannot_connect_is_unavailable() {
    require!("tinyproxy");
    let proxy = Tinyproxy::start("alice", PASSWORD).unwrap();
    let server = ScriptedServer::start(Vec::new()).await;
    let tls = TlsTerminator::before(server.address()).await;
    let base_url = tls.base_url();
    let client = client(by(&proxy, PASSWORD), &tls);
    drop(tls);
    let error = get(&client, &base_url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(!error.sent());
    assert_hidden(&error);
}

#[tokio::test]
async fn a_proxy_that_is_down_is_named() {
    require!("tinyproxy");
    let mut proxy = Tinyproxy::start("alice", PASSWORD).unwrap();
    proxy.kill().unwrap();
    let server = ScriptedServer::start(Vec::new()).await;
    let tls = TlsTerminator::before(server.address()).await;
    let client = client(by(&proxy, PASSWORD), &tls);
    for base_url in [server.base_url(), tls.base_url()] {
        let error = get(&client, &base_url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(
            error.message(),
            format!(
                "{base_url}/x cannot be reached by the proxy {}",
                proxy.url()
            )
        );
        assert!(!error.sent());
        assert_hidden(&error);
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_exception_is_asked_directly() {
    require!("tinyproxy");
    let mut proxy = Tinyproxy::start("alice", PASSWORD).unwrap();
    proxy.kill().unwrap();
    let server = ScriptedServer::start(vec![Scripted::text(200, "hello")]).await;
    let tls = TlsTerminator::before(server.address()).await;
    let except = by(&proxy, PASSWORD).except("localhost, 127.0.0.0/8");
    let client = client(except, &tls);
    for base_url in [server.base_url(), tls.base_url()] {
        let reply = get(&client, &base_url).await.unwrap();
        assert_eq!(reply.text().unwrap(), "hello");
    }
}

#[tokio::test]
async fn an_unknown_certificate_is_not_trusted() {
    let server = ScriptedServer::start(vec![Scripted::text(200, "hello")]).await;
    let tls = TlsTerminator::before(server.address()).await;
    let client = Client::new(&Config::default().no_proxy()).unwrap();
    let error = get(&client, &tls.base_url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!error.sent());
    assert!(server.requests().is_empty());
    assert_hidden(&error);
}
