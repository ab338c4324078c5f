//! The server that answers by a script.

use std::time::Duration;

use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(server: &ScriptedServer) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
}

/// Sends bytes and reads up to the end of the connection.
async fn exchange(server: &ScriptedServer, request: &[u8]) -> std::io::Result<String> {
    let mut stream = connect(server).await;
    stream.write_all(request).await?;
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap()?;
    Ok(answer)
}

/// Reads until the words have come.
async fn read_until(stream: &mut TcpStream, words: &str) -> String {
    let mut answer = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&answer).ends_with(words) {
            answer.push(stream.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn replies_come_in_their_order_on_one_connection_and_the_last_repeats() {
    let server = ScriptedServer::start(vec![
        Scripted::status(429).header("retry-after", "2"),
        Scripted::json(200, json!({ "ok": true })),
    ])
    .await;
    let mut stream = connect(&server).await;
    for expected in ["429", "200", "200"] {
        stream
            .write_all(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let head = read_until(&mut stream, "\r\n\r\n").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{head}");
        if expected == "200" {
            assert!(
                head.contains("content-type: application/json\r\n"),
                "{head}"
            );
            assert!(head.contains("content-length: 11\r\n"), "{head}");
            assert_eq!(read_until(&mut stream, "}").await, r#"{"ok":true}"#);
        } else {
            assert!(head.contains("retry-after: 2\r\n"), "{head}");
        }
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_request_is_recorded_as_it_came() {
    let server = ScriptedServer::start(vec![Scripted::status(204), Scripted::close()]).await;
    let mut stream = connect(&server).await;
    let request =
        b"POST /v1/x?y=%20 HTTP/1.1\r\nX-Api-Key: k\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    stream.write_all(request).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(!head.contains("content-length"), "{head}");
    let chunked = b"PUT http://example.org/z HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n";
    stream.write_all(chunked).await.unwrap();
    assert_eq!(read_to_end(&mut stream).await.unwrap(), "");

    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(
        (first.method.as_str(), first.path.as_str()),
        ("POST", "/v1/x?y=%20")
    );
    assert_eq!(first.header("x-api-key"), Some("k"));
    assert_eq!(first.json(), json!({ "a": 1 }));
    assert_eq!(second.path, "http://example.org/z");
    assert_eq!(second.text(), "abcde");
}

#[tokio::test]
async fn an_empty_script_answers_404() {
    let server = ScriptedServer::start(Vec::new()).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

#[tokio::test]
async fn a_truncated_reply_announces_more_than_it_sends() {
    let script = vec![Scripted::text(200, "0123456789").truncated()];
    let server = ScriptedServer::start(script).await;
    let answer = exchange(&server, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(answer.contains("content-length: 10\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n01234"), "{answer}");
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let script = vec![Scripted::text(200, "0123456789").reset_after(3)];
    let server = ScriptedServer::start(script).await;
    let error = exchange(&server, b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dripping_reply_arrives_whole() {
    let script = vec![
        Scripted::text(200, "0123456789").drip(3, Duration::from_millis(1)),
        Scripted::raw("no http at all"),
    ];
    let server = ScriptedServer::start(script).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let answer = read_until(&mut stream, "9").await;
    assert!(answer.ends_with("\r\n\r\n0123456789"), "{answer}");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await.unwrap(), "no http at all");
}

#[tokio::test]
async fn a_silent_reply_ends_with_the_server() {
    let script = vec![
        Scripted::hang(),
        Scripted::text(200, "0123456789").stall_after(4),
    ];
    let server = ScriptedServer::start(script).await;
    let mut silent = connect(&server).await;
    silent.write_all(b"GET /1 HTTP/1.1\r\n\r\n").await.unwrap();
    let recorded = async {
        while server.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, recorded).await.unwrap();
    let mut stalling = connect(&server).await;
    stalling
        .write_all(b"GET /2 HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let answer = read_until(&mut stalling, "3").await;
    assert!(answer.ends_with("\r\n\r\n0123"), "{answer}");

    drop(server);
    assert_eq!(read_to_end(&mut silent).await.unwrap_or_default(), "");
    assert_eq!(read_to_end(&mut stalling).await.unwrap_or_default(), "");
}
