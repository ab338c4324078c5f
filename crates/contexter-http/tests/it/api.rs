//! What is sent.

use contexter_http::{Api, Auth, Client, Config};
use contexter_model::{Error, ErrorKind};
use contexter_service::Verdict;
use contexter_testkit::{Recorded, Scripted, ScriptedServer};
use serde_json::json;

async fn server() -> ScriptedServer {
    ScriptedServer::start(vec![Scripted::json(200, json!({}))]).await
}

fn client() -> Client {
    Client::new(&Config::default().user_agent("test/1")).unwrap()
}

fn bearer() -> Auth {
    Auth::Bearer("s3cret-key".into())
}

fn only(server: &ScriptedServer) -> Recorded {
    let [request] = server.requests().try_into().unwrap();
    request
}

#[tokio::test]
async fn a_request_is_exactly_what_was_put_together() {
    let server = server().await;
    let api = Api::new(&client(), &format!("{}/v1/", server.base_url()), bearer())
        .unwrap()
        .with_header("x-version", "2")
        .unwrap();
    let reply = api
        .post("embeddings")
        .segment("a/b c")
        .query("q", "x y&z")
        .query("n", 3)
        .header("x-once", "yes")
        .json(&json!({ "input": ["hello"] }))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    let sent = only(&server);
    assert_eq!(sent.method, "POST");
    assert_eq!(sent.path, "/v1/embeddings/a%2Fb%20c?q=x+y%26z&n=3");
    assert_eq!(sent.text(), r#"{"input":["hello"]}"#);
    let mut headers = sent.headers.clone();
    headers.sort();
    let address = server.address().to_string();
    let expected = [
        ("accept", "*/*"),
        ("accept-encoding", "gzip"),
        ("authorization", "Bearer s3cret-key"),
        ("content-length", "19"),
        ("content-type", "application/json"),
        ("host", &address),
        ("user-agent", "test/1"),
        ("x-once", "yes"),
        ("x-version", "2"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(headers, expected);
}

#[tokio::test]
async fn every_method_is_sent_under_its_name() {
    let server = server().await;
    let api = Api::new(&client(), &server.base_url(), Auth::None).unwrap();
    for request in [
        api.get("x"),
        api.post("x"),
        api.put("x"),
        api.patch("x"),
        api.delete("x"),
        api.head("x"),
    ] {
        request.send().await.unwrap();
    }
    let methods: Vec<_> = server
        .requests()
        .into_iter()
        .map(|sent| sent.method)
        .collect();
    assert_eq!(methods, ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]);
}

#[tokio::test]
async fn credentials_come_in_three_forms() {
    let server = server().await;
    for (auth, name, value) in [
        (bearer(), "authorization", "Bearer s3cret-key"),
        (
            Auth::Header {
                name: "X-Api-Key".into(),
                value: "s3cret-key".into(),
            },
            "x-api-key",
            "s3cret-key",
        ),
        (
            Auth::Basic {
                user: "Aladdin".into(),
                password: "open sesame".into(),
            },
            "authorization",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
    ] {
        let api = Api::new(&client(), &server.base_url(), auth).unwrap();
        api.get("").send().await.unwrap();
        let sent = server.requests().pop().unwrap();
        assert_eq!(sent.header(name), Some(value));
    }
}

#[tokio::test]
async fn a_form_has_its_fields_and_files() {
    let server = server().await;
    let api = Api::new(&client(), &server.base_url(), Auth::None).unwrap();
    let request = api.post("files").field("purpose", "batch").file(
        "file",
        "in \"put\".jsonl",
        "application/jsonl",
        "{}\n",
    );
    // A clone sends the same again.
    request.clone().send().await.unwrap();
    request.send().await.unwrap();
    for sent in server.requests() {
        let content_type = sent.header("content-type").unwrap();
        let (kind, boundary) = content_type.split_once("; boundary=").unwrap();
        assert_eq!(kind, "multipart/form-data");
        assert_eq!(
            sent.text(),
            format!(
                "--{boundary}\r\n\
                 Content-Disposition: form-data; name=\"purpose\"\r\n\r\n\
                 batch\r\n\
                 --{boundary}\r\n\
                 Content-Disposition: form-data; name=\"file\"; filename=\"in \\\"put\\\".jsonl\"\r\n\
                 Content-Type: application/jsonl\r\n\r\n\
                 {{}}\n\r\n\
                 --{boundary}--\r\n"
            )
        );
        assert!(sent.header("content-length").is_some());
    }
}

#[tokio::test]
async fn a_redirect_is_a_reply_and_the_key_stays_here() {
    let elsewhere = server().await;
    let location = format!("{}/x", elsewhere.base_url());
    let server =
        ScriptedServer::start(vec![Scripted::status(307).header("location", &location)]).await;
    let api = Api::new(&client(), &server.base_url(), bearer()).unwrap();
    let reply = api.get("x").send().await.unwrap();
    assert_eq!(reply.status(), 307);
    assert_eq!(reply.header("location"), Some(location.as_str()));
    assert!(elsewhere.requests().is_empty());
}

fn refusal(base_url: &str, auth: Auth) -> Error {
    let error = Api::new(&client(), base_url, auth).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{base_url}");
    error
}

#[test]
fn a_base_url_that_cannot_be_is_refused_and_told_why() {
    for (base_url, why) in [
        ("api.example.org", "malformed url"),
        ("", "malformed url"),
        ("ftp://example.org/", "expected https"),
        (
            "https://u:s3cret-key@example.org/",
            "expected no credentials",
        ),
        (
            "https://example.org/?key=s3cret-key",
            "neither query nor fragment",
        ),
        (
            "https://example.org/#s3cret-key",
            "neither query nor fragment",
        ),
    ] {
        let error = refusal(base_url, Auth::None);
        assert!(error.message().contains(why), "{base_url}: {error}");
        assert!(!format!("{error:?}").contains("s3cret-key"), "{error:?}");
    }
}

#[test]
fn a_key_travels_encrypted_or_within_this_machine() {
    let error = refusal("http://api.example.org/v1", bearer());
    assert_eq!(
        error.message(),
        "base url http://api.example.org/v1 is not allowed: expected https, because a key is sent"
    );
    refusal("http://127.0.0.1.example.org/", bearer());
    for base_url in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
        assert!(
            Api::new(&client(), base_url, bearer()).is_ok(),
            "{base_url}"
        );
    }
    // Without a key there is nothing to lose, until a header brings one.
    let open = Api::new(&client(), "http://api.example.org", Auth::None).unwrap();
    assert!(open.clone().with_header("accept", "text/plain").is_ok());
    let error = open.with_header("X-Api-Key", "s3cret-key").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(!format!("{error:?}").contains("s3cret-key"), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_when_it_is_sent_and_surely_was_not() {
    let server = server().await;
    let api = Api::new(&client(), &server.base_url(), bearer())
        .unwrap()
        .with_service("example");
    let bad_key = f64::NAN;
    let mut map = std::collections::BTreeMap::new();
    map.insert((1, 2), bad_key);
    for (request, why) in [
        (api.get("../x"), "it climbs"),
        (api.get("x?key=s3cret-key"), "no part of a path"),
        (api.get("x").segment(".."), "segment"),
        (api.get("x").segment(""), "segment"),
        (api.get("x").header("bad name", "v"), "no name of a header"),
        (api.get("x").header("x-a", "s3cret-key\n"), "header x-a"),
        (api.post("x").body("a\nb", "x"), "no content type"),
        (
            api.post("x").file("f", "n", "no type", "x"),
            "no content type",
        ),
        (api.post("x").json(&map), "as json"),
    ] {
        let error = request.operation("try").send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(!error.sent(), "{error}");
        assert!(error.message().contains(why), "{why}: {error}");
        assert!(error.to_string().starts_with("example try: "), "{error}");
        assert!(!format!("{error:?}").contains("s3cret-key"), "{error:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = ScriptedServer::start(vec![Scripted::text(200, "ok")]).await;
    let api = Api::new(&client(), &server.base_url(), Auth::None).unwrap();
    for _ in 0..3 {
        api.get("x").send().await.unwrap();
    }
    let ports: std::collections::BTreeSet<_> =
        server.requests().iter().map(|sent| sent.from).collect();
    assert_eq!(ports.len(), 1);
}
