//! The native proxy, against a scripted one and a real one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_adapter::ServiceAdapter as _;
use contexter_brightdata::{
    BrightDataAdapter, Class, Config, FetchByProxy, ProxyConfig, ProxyUser, Refusal,
};
use contexter_model::{ErrorKind, FetchPage, PageFormat};
use contexter_service::Verdict as _;
use contexter_testkit::{Builder, Recorded, Scripted, ScriptedServer, Server};

use super::fixture::{KEY, adapter, call, quick, with_stack};

const PASSWORD: &str = "zone-password-123";

fn user() -> ProxyUser {
    ProxyUser::new("hl_1", "residential1")
}

fn by(host: &str, port: u16, user: ProxyUser, password: &str) -> BrightDataAdapter {
    let proxy = ProxyConfig::new(user, password).with_address(host, port);
    adapter(
        &Config::new(KEY)
            .with_base_url("http://127.0.0.1:9")
            .with_proxy(proxy),
    )
}

async fn scripted(user: ProxyUser, script: Vec<Scripted>) -> (ScriptedServer, BrightDataAdapter) {
    let server = ScriptedServer::start(script).await;
    let address = server.address();
    let adapter = by(&address.ip().to_string(), address.port(), user, PASSWORD);
    (server, adapter)
}

/// The user name and the password that a request showed to the proxy.
fn shown(request: &Recorded) -> String {
    let header = request.header("proxy-authorization").unwrap_or_default();
    let encoded = header.strip_prefix("Basic ").expect("it is basic");
    String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
}

fn html(body: &str) -> Scripted {
    Scripted::status(200)
        .header("content-type", "text/html")
        .body(body)
}

#[tokio::test]
async fn a_page_is_asked_for_under_the_user_name_that_says_how() {
    let user = user().country("de").session("abc");
    let (server, adapter) = scripted(user, vec![html("<h1>Hi</h1>")]).await;
    let request = FetchByProxy::new("http://example.org/a/b?x=1&y&z=%20").country("fr");
    let reply = call(&adapter, request).await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (200, &b"<h1>Hi</h1>"[..]));
    let requests = server.requests();
    assert_eq!(requests[0].method, "GET");
    // The query is that of the address, to the byte.
    assert_eq!(requests[0].path, "http://example.org/a/b?x=1&y&z=%20");
    assert_eq!(
        shown(&requests[0]),
        format!("brd-customer-hl_1-zone-residential1-country-fr-session-abc:{PASSWORD}")
    );
    assert_eq!(requests[0].header("authorization"), None);
}

#[tokio::test]
async fn the_country_of_the_visitor_is_that_of_the_peer_unless_the_user_name_has_one() {
    for (user, country) in [(user(), "de"), (user().country("fr"), "fr")] {
        let server = ScriptedServer::start(vec![html("<h1>Hi</h1>")]).await;
        let address = server.address();
        let proxy =
            ProxyConfig::new(user, PASSWORD).with_address(address.ip().to_string(), address.port());
        let adapter = adapter(&Config::proxied(proxy).with_country("de"));
        call(&adapter, FetchPage::new("http://example.org/a"))
            .await
            .unwrap();
        assert_eq!(
            shown(&server.requests()[0]),
            format!("brd-customer-hl_1-zone-residential1-country-{country}:{PASSWORD}")
        );
    }
}

#[tokio::test]
async fn the_path_is_that_of_the_address_to_the_byte() {
    for path in [
        "//a",
        "//a//b/",
        "/a/",
        "/%2F%2e%2e/x",
        "/",
        "/;x=1/*",
        "/a%20b%c3%bc",
    ] {
        let (server, adapter) = scripted(user(), vec![html("x")]).await;
        let url = format!("http://example.org{path}");
        let reply = call(&adapter, FetchByProxy::new(url.as_str()))
            .await
            .unwrap();
        assert_eq!(server.requests()[0].path, url);
        assert_eq!(reply.url, url);
    }
}

#[tokio::test]
async fn without_a_zone_pages_come_by_the_proxy_and_are_converted_here() {
    let page = html("<html><body><nav>menu</nav><h1>Hi</h1></body></html>");
    let (_server, adapter) = scripted(user(), vec![page]).await;
    assert!(adapter.capabilities().contains("fetch_page"));
    let page = call(&adapter, FetchPage::new("http://example.org/"))
        .await
        .unwrap();
    assert_eq!(
        (page.text.trim(), page.format),
        ("# Hi", PageFormat::Markdown)
    );
}

#[tokio::test]
async fn the_proxy_s_refusals_are_told_from_the_target_s_pages() {
    for (answer, class, kind) in [
        (
            Scripted::status(407).header("x-brd-err-code", "client_10001"),
            Class::Config,
            ErrorKind::Invalid,
        ),
        (
            Scripted::status(407).header(
                "proxy-status",
                "brd.superproxy.io; received-status=407; details=\"client-10020: suspended\"",
            ),
            Class::Account,
            ErrorKind::QuotaExhausted,
        ),
        (Scripted::status(407), Class::Auth, ErrorKind::Unauthorized),
        (
            Scripted::status(502).header("x-brd-err-code", "target_40001"),
            Class::Target,
            ErrorKind::NotFound,
        ),
        (
            Scripted::text(403, r#"{"error":{"code":"kyc_required"}}"#),
            Class::Policy,
            ErrorKind::Unsupported,
        ),
    ] {
        let (server, adapter) = scripted(user(), vec![answer]).await;
        let error = call(&adapter, FetchByProxy::new("http://example.org/"))
            .await
            .unwrap_err();
        let refusal = Refusal::of(&error).unwrap();
        assert_eq!((refusal.class(), error.kind()), (class, kind));
        assert_eq!(server.requests().len(), 1);
    }
    let (_server, adapter) = scripted(user(), vec![Scripted::text(404, "not here")]).await;
    let reply = call(&adapter, FetchByProxy::new("http://example.org/"))
        .await
        .unwrap();
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn another_session_is_tried_where_it_helps_and_never_against_policy() {
    let blocked = |code: &str| Scripted::status(502).header("x-brd-err-code", code);
    let sessions = |server: &ScriptedServer| -> Vec<String> {
        let names = server.requests();
        names
            .iter()
            .map(|request| shown(request).split_once("-session-").unwrap().1.to_owned())
            .collect()
    };
    let script = vec![blocked("client_10120"), blocked("client_10120"), html("x")];
    let (server, adapter) = scripted(user().session("abc"), script).await;
    call(&adapter, FetchByProxy::new("http://example.org/"))
        .await
        .unwrap();
    let expected: Vec<String> = ["abc", "abcr1", "abcr2"]
        .map(|session| format!("{session}:{PASSWORD}"))
        .into();
    assert_eq!(sessions(&server), expected);

    for code in [
        "policy_20050",
        "client_10100",
        "client_10001",
        "policy_20070",
    ] {
        let (server, adapter) = scripted(user().session("abc"), vec![blocked(code)]).await;
        call(&adapter, FetchByProxy::new("http://example.org/"))
            .await
            .unwrap_err();
        assert_eq!(sessions(&server), [format!("abc:{PASSWORD}")], "{code}");
    }

    // Who insists on a peer is given no other one.
    let script = vec![blocked("client_10120"), html("x")];
    let (server, adapter) = scripted(user().session("abc").keep_peer(), script).await;
    call(&adapter, FetchByProxy::new("http://example.org/"))
        .await
        .unwrap();
    let peer = format!("abc-const:{PASSWORD}");
    assert_eq!(sessions(&server), [peer.clone(), peer]);

    // Throttled, the same session comes back later.
    let throttled = blocked("policy_20223").header("retry-after", "0");
    let (server, adapter) = scripted(user().session("abc"), vec![throttled, html("x")]).await;
    call(&adapter, FetchByProxy::new("http://example.org/"))
        .await
        .unwrap();
    let same = format!("abc:{PASSWORD}");
    assert_eq!(sessions(&server), [same.clone(), same]);
}

#[tokio::test]
async fn why_a_tunnel_is_refused_is_found_out_by_one_plain_request() {
    let refused = |code: &str| Scripted::status(407).header("x-brd-err-code", code);
    for (code, kind) in [
        ("client_10001", ErrorKind::Invalid),
        ("client_10020", ErrorKind::QuotaExhausted),
        ("client_10030", ErrorKind::Invalid),
    ] {
        let (server, adapter) = scripted(user(), vec![refused(code)]).await;
        let error = call(&adapter, FetchByProxy::new("https://example.org/a"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(Refusal::of(&error).unwrap().code(), Some(code));
        assert!(
            error.message().starts_with("https://example.org/a: "),
            "{error}"
        );
        let requests = server.requests();
        let asked: Vec<(&str, &str)> = requests
            .iter()
            .map(|request| (request.method.as_str(), request.path.as_str()))
            .collect();
        assert_eq!(
            asked,
            [
                ("CONNECT", "example.org:443"),
                ("GET", "http://geo.brdtest.com/welcome.txt"),
            ]
        );
    }
}

#[tokio::test]
async fn a_proxy_that_works_and_opens_no_tunnel_says_so() {
    let script = vec![
        Scripted::status(502),
        html("welcome"),
        Scripted::status(502),
        html("welcome"),
    ];
    let (server, adapter) = scripted(user(), script).await;
    let error = call(&adapter, FetchByProxy::new("https://example.org/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.message().contains("opens no tunnel to the target"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_redirect_is_followed_by_the_proxy_and_not_into_a_private_network() {
    let to = |location: &str| Scripted::status(302).header("location", location);
    let script = vec![to("/b"), html("<p>there</p>")];
    let (server, adapter) = scripted(user(), script).await;
    let reply = call(&adapter, FetchByProxy::new("http://example.org/a"))
        .await
        .unwrap();
    assert_eq!(reply.url, "http://example.org/b");
    assert_eq!(server.requests().len(), 2);

    let (server, adapter) = scripted(user(), vec![to("http://169.254.169.254/")]).await;
    let error = call(&adapter, FetchByProxy::new("http://example.org/a"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_empty_answer_is_no_content_here_either() {
    let (_server, adapter) = scripted(user(), vec![Scripted::status(200)]).await;
    let error = call(&adapter, FetchByProxy::new("http://example.org/"))
        .await
        .unwrap_err();
    assert_eq!(Refusal::of(&error).unwrap().class(), Class::Empty);
}

/// A real proxy that asks for the user name and password, and hands on to `site`, which stands for the
/// rest of the internet.
fn tinyproxy(site: &ScriptedServer) -> Server {
    let config = format!(
        "Port {{port}}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nLogLevel Connect\n\
         BasicAuth {} {PASSWORD}\nUpstream http {}\n",
        user().name().unwrap(),
        site.address(),
    );
    Builder::new("tinyproxy", "tinyproxy-bin", "http")
        .file("tinyproxy.conf", &config)
        .args(["-d", "-c", "{dir}/tinyproxy.conf"])
        .ready(
            b"GET http://127.0.0.1:9/ HTTP/1.0\r\n\r\n",
            ["407", "tinyproxy"],
        )
        .start()
        .unwrap()
}

#[tokio::test]
async fn a_real_proxy_takes_the_user_name_and_the_password() {
    contexter_testkit::require!("tinyproxy");
    let site = ScriptedServer::start(vec![html("<p>from the site</p>")]).await;
    let proxy = tinyproxy(&site);
    let address = proxy.address();
    let adapter = by(&address.ip().to_string(), address.port(), user(), PASSWORD);
    let reply = call(&adapter, FetchByProxy::new("http://site.example/a?x=1"))
        .await
        .unwrap();
    assert_eq!(
        (reply.status, &reply.body[..]),
        (200, &b"<p>from the site</p>"[..])
    );
    let requests = site.requests();
    assert_eq!(requests[0].path, "http://site.example:80/a?x=1");
}

#[tokio::test]
async fn a_real_proxy_refuses_a_wrong_password_in_the_clear_and_for_tunnels() {
    contexter_testkit::require!("tinyproxy");
    let site = ScriptedServer::start(vec![html("<p>secret</p>")]).await;
    let proxy = tinyproxy(&site);
    let address = proxy.address();
    let adapter = by(
        &address.ip().to_string(),
        address.port(),
        user(),
        "wrong-password-1",
    );
    // What this proxy says to a wrong password is a 401.
    for (url, message) in [
        ("http://site.example/", "the page answers 401 (status 401)"),
        (
            "https://site.example/",
            "the credentials are refused (status 401)",
        ),
    ] {
        let error = call(&adapter, FetchPage::new(url)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{url}: {error}");
        assert_eq!(error.message(), format!("{url}: {message}"));
        assert!(
            !format!("{error:?}").contains("wrong-password-1"),
            "{error:?}"
        );
    }
    assert!(site.requests().is_empty());
}

#[tokio::test]
async fn another_session_is_tried_where_the_vendor_failed() {
    for status in [500, 502, 503, 504] {
        let failed = Scripted::status(status).header("x-brd-error", "it failed");
        let user = user().session("abc");
        let (server, adapter) = scripted(user, vec![failed, html("x")]).await;
        call(&adapter, FetchByProxy::new("http://example.org/"))
            .await
            .unwrap();
        let sessions: Vec<bool> = server
            .requests()
            .iter()
            .map(|request| shown(request).contains("-session-abcr1:"))
            .collect();
        assert_eq!(sessions, [false, true], "{status}");
    }
}

#[tokio::test]
async fn a_tunnel_is_waited_for_as_long_as_the_settings_say() {
    let script = vec![Scripted::hang(), html("welcome")];
    let server = ScriptedServer::start(script).await;
    let address = server.address();
    let proxy = ProxyConfig::new(user(), PASSWORD)
        .with_address(address.ip().to_string(), address.port())
        .with_connect_timeout(Duration::from_millis(200));
    let adapter = with_stack(&Config::proxied(proxy), quick().retry(None));
    let fetched = call(&adapter, FetchByProxy::new("https://example.org/"));
    let ended = tokio::time::timeout(Duration::from_secs(4), fetched).await;
    let error = ended.expect("it ends in time").unwrap_err();
    assert!(error.message().contains("opens no tunnel"), "{error}");
    assert!(!error.sent());
    // A peer may take longer than a connection.
    let default = ProxyConfig::new(user(), PASSWORD).connect_timeout;
    assert_eq!(default, Duration::from_secs(30));
}
