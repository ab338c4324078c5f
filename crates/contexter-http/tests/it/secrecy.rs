//! No key, password or query is in anything that a person may see.

use std::time::Duration;

use contexter_http::{Api, Auth, Client, Config, HttpTransport, Proxy};
use contexter_model::Error;
use contexter_testkit::{Scripted, ScriptedServer};

use crate::shown::everything;

const SECRET: &str = "hunter2-s3cret";

/// `alice:hunter2-s3cret` in Base64.
const ENCODED: &str = "YWxpY2U6aHVudGVyMi1zM2NyZXQ=";

fn assert_hidden(shown: &str) {
    for secret in [SECRET, ENCODED] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn credentials() -> [Auth; 3] {
    [
        Auth::Bearer(SECRET.into()),
        Auth::Header {
            name: "x-api-key".into(),
            value: SECRET.into(),
        },
        Auth::Basic {
            user: "alice".into(),
            password: SECRET.into(),
        },
    ]
}

fn config() -> Config {
    Config::default()
        .read_timeout(Duration::from_millis(300))
        .total_timeout(Duration::from_secs(20))
}

/// Sends the most telling request that there is.
async fn send(api: &Api) -> Result<contexter_http::Reply, Error> {
    let request = api
        .post("x")
        .segment("y")
        .query("key", SECRET)
        .header("cookie", SECRET)
        .json(&SECRET)
        .operation("try");
    assert_hidden(&format!("{request:?} {api:?}"));
    request.send().await
}

#[tokio::test]
async fn no_failure_of_the_transport_shows_one() {
    for script in [
        Scripted::hang(),
        Scripted::close(),
        Scripted::text(200, SECRET).stall_after(3),
        Scripted::text(200, SECRET).reset_after(3),
        Scripted::text(200, SECRET).truncated(),
        Scripted::raw(SECRET),
        Scripted::raw(format!("HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n")),
        Scripted::raw(format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{SECRET}"
        )),
        Scripted::text(200, SECRET).header("content-encoding", "gzip"),
        Scripted::text(200, SECRET).header("content-length", "99999999999999"),
    ] {
        for auth in credentials() {
            let server = ScriptedServer::start(vec![script.clone()]).await;
            let client = Client::new(&config()).unwrap();
            let api = Api::new(&client, &server.base_url(), auth).unwrap();
            match send(&api).await {
                // A line that is no header is left aside.
                Ok(reply) => assert_hidden(&format!("{reply:?}")),
                Err(error) => assert_hidden(&everything(&error)),
            }
        }
    }
}

#[tokio::test]
async fn no_error_of_a_reply_shows_one_even_if_the_service_repeats_it() {
    let echo = format!("the key {SECRET} is wrong, and so is {ENCODED}");
    for auth in credentials() {
        let script = Scripted::text(401, echo.clone())
            .header("x-request-id", SECRET)
            .header("content-type", SECRET);
        let server = ScriptedServer::start(vec![script]).await;
        let client = Client::new(&config()).unwrap();
        let api = Api::new(&client, &server.base_url(), auth)
            .unwrap()
            .with_header("x-other-token", SECRET)
            .unwrap();
        let reply = send(&api).await.unwrap();
        let said = reply.text().unwrap().replace(ENCODED, "");
        let error = reply.error(said);
        assert_hidden(&everything(&error));
        assert!(
            error.message().contains("the key [redacted] is wrong"),
            "{error}"
        );
        let error = reply.json::<u8>().unwrap_err();
        assert_hidden(&everything(&error));
    }
}

#[tokio::test]
async fn no_credential_of_one_request_is_shown_even_if_the_service_repeats_it() {
    let script = Scripted::text(401, "unknown key").header("x-request-id", SECRET);
    let server = ScriptedServer::start(vec![script]).await;
    let client = Client::new(&config()).unwrap();
    let api = Api::new(&client, &server.base_url(), Auth::None).unwrap();
    let request = api.get("x").header("x-api-key", SECRET).query("of", SECRET);
    assert_hidden(&format!("{request:?}"));
    let reply = request.send().await.unwrap();
    assert_eq!(reply.request_id(), None);
    assert_hidden(&format!("{reply:?}"));
    let error = reply.error(format!("the key {SECRET} is unknown"));
    assert_hidden(&everything(&error));
    assert!(
        error.message().ends_with(": the key [redacted] is unknown"),
        "{error}"
    );
}

#[tokio::test]
async fn no_header_of_a_reply_shows_one_even_if_the_service_repeats_it() {
    let location = format!("https://user:{SECRET}@example.org/?token=another-s3cret");
    for auth in credentials() {
        let script = Scripted::status(200)
            .header("content-type", &format!("text/{SECRET}"))
            .header("x-echo", &format!("{SECRET} {ENCODED}"))
            .header("location", &location)
            .body("no json");
        let server = ScriptedServer::start(vec![script]).await;
        let client = Client::new(&config()).unwrap();
        let api = Api::new(&client, &server.base_url(), auth)
            .unwrap()
            .with_header("x-other-token", SECRET)
            .unwrap();
        let reply = send(&api).await.unwrap();
        let shown = format!("{reply:?} {}", everything(&reply.json::<u8>().unwrap_err()));
        let shown = shown.replace(ENCODED, "");
        assert_hidden(&shown);
        assert!(!shown.contains("another-s3cret"), "{shown}");
    }
}

#[tokio::test]
async fn no_secret_comes_together_when_a_text_is_cleaned() {
    let (one, two) = SECRET.split_at(5);
    let split = format!("the key {one}\u{200b}{two} is wrong");
    let server = ScriptedServer::start(vec![Scripted::text(401, split)]).await;
    let client = Client::new(&config()).unwrap();
    let api = Api::new(&client, &server.base_url(), Auth::Bearer(SECRET.into())).unwrap();
    let reply = send(&api).await.unwrap();
    let error = reply.error(reply.text().unwrap());
    assert_hidden(&everything(&error));
    assert!(
        error.message().ends_with("the key [redacted] is wrong"),
        "{error}"
    );
}

#[tokio::test]
async fn no_part_of_one_is_left_where_a_text_is_cut() {
    let torn: String = SECRET.chars().flat_map(|c| [c, '\u{200b}']).collect();
    let upper = SECRET.to_uppercase();
    for written in [SECRET, upper.as_str(), "hunter2%2Ds3cret", torn.as_str()] {
        for filling in [0, 100, 280, 285, 290, 295, 299] {
            let echo = format!("{} {written} is wrong", "x".repeat(filling));
            let script =
                Scripted::text(401, echo.clone()).header("content-type", &echo_type(written));
            let server = ScriptedServer::start(vec![script]).await;
            let client = Client::new(&config()).unwrap();
            let api = Api::new(&client, &server.base_url(), Auth::Bearer(SECRET.into())).unwrap();
            let reply = send(&api).await.unwrap();
            let unread = reply.json::<u8>().unwrap_err();
            let shown = format!("{} {}", everything(&reply.error(echo)), everything(&unread));
            assert!(!shown.to_lowercase().contains("hunt"), "{shown}");
        }
    }
}

/// A media type with what a header can carry of a text.
fn echo_type(text: &str) -> String {
    let visible: String = text.chars().filter(char::is_ascii).collect();
    format!("{}/{visible}", "x".repeat(296))
}

#[tokio::test]
async fn no_name_in_place_of_another_shows_a_part_of_one() {
    #[derive(Debug, serde::Deserialize)]
    enum Word {
        Known,
    }

    // Of a name that is not known, 40 letters are shown.
    let torn: String = SECRET.chars().flat_map(|c| [c, '\u{200b}']).collect();
    let places = [0, 30, 35].map(|filling| [(filling, SECRET), (filling, torn.as_str())]);
    for (filling, written) in places.concat() {
        let body = format!("\"{}{written}\"", "x".repeat(filling));
        let server = ScriptedServer::start(vec![Scripted::text(200, body)]).await;
        let client = Client::new(&config()).unwrap();
        let api = Api::new(&client, &server.base_url(), Auth::Bearer(SECRET.into())).unwrap();
        let error = send(&api).await.unwrap().json::<Word>().unwrap_err();
        assert!(error.message().contains("unknown variant"), "{error}");
        let shown = everything(&error);
        assert!(!shown.contains("hunt"), "{shown}");
    }
}

#[tokio::test]
async fn no_refused_redirect_of_a_download_shows_one() {
    let location = format!("http://user:{SECRET}@example.invalid/?key={SECRET}");
    let script = vec![Scripted::status(302).header("location", &location)];
    let server = ScriptedServer::start(script).await;
    let client = Client::new(&config()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = client
        .download(
            &format!("{}/?key={SECRET}", server.base_url()),
            &folder.path().join("f"),
            100,
            |_, _| {},
        )
        .await
        .unwrap_err();
    assert_hidden(&everything(&error));
}

#[tokio::test]
async fn no_proxy_password_is_shown_when_the_proxy_is_down_or_refuses() {
    // Held without listening, so that nobody else listens there either.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let down = held.local_addr().unwrap();
    let refusing = ScriptedServer::start(vec![Scripted::status(407)]).await;
    let deaf = ScriptedServer::start(vec![Scripted::hang()]).await;
    for address in [down, refusing.address(), deaf.address()] {
        let url = format!("http://alice:{SECRET}@{address}");
        for proxy in [
            Proxy::new(&url).unwrap(),
            Proxy::new(&format!("http://{address}"))
                .unwrap()
                .basic_auth("alice", SECRET),
        ] {
            let config = config().proxy(proxy.clone());
            let client = Client::new(&config).unwrap();
            assert_hidden(&format!("{proxy:?} {config:?} {client:?}"));
            for base_url in ["http://example.invalid", "https://example.invalid"] {
                let api = Api::new(&client, base_url, Auth::None).unwrap();
                assert_hidden(&format!("{api:?} {:?}", HttpTransport::from(api.clone())));
                match api.get("x").query("key", SECRET).send().await {
                    Ok(reply) => {
                        assert_eq!(reply.status(), 407);
                        assert_hidden(&everything(&reply.error(format!("no {SECRET}"))));
                    }
                    Err(error) => assert_hidden(&everything(&error)),
                }
            }
        }
    }
    assert!(!refusing.requests().is_empty(), "the proxy was asked");
}
