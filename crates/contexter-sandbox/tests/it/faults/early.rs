//! Replies to requests whose body nobody wants.

use contexter_sandbox::{Fault, FaultScript, RateLimitFault, Rule, Sandbox, SandboxConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{PATIENCE, hello, start};

/// More than waits on a connection unread.
const LARGE: usize = 8 << 20;

/// A request with this key and a body that is so long.
fn request(path: &str, key: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: sandbox\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len(),
    )
}

/// Sends a large request, then [`hello`] over the same connection, and returns all replies.
async fn large_then_small(sandbox: &Sandbox, path: &str, key: &str) -> String {
    let addresses = sandbox.addresses();
    let host = addresses.voyage_base_url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host.trim_end_matches("/v1"))
        .await
        .unwrap();
    let large = request(path, key, &" ".repeat(LARGE));
    let small = request(
        "/v1/embeddings",
        &addresses.voyage_api_key,
        &hello().to_string(),
    );
    let small = small.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let exchange = async {
        stream.write_all(large.as_bytes()).await.unwrap();
        stream.write_all(small.as_bytes()).await.unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).await.unwrap();
        replies
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap()
}

fn statuses(replies: &str) -> Vec<&str> {
    let lines = replies.split("HTTP/1.1 ").skip(1);
    lines.map(|reply| &reply[..3]).collect()
}

#[tokio::test]
async fn a_scripted_reply_arrives_after_whatever_was_sent() {
    let limit = Fault::RateLimit(RateLimitFault::default());
    for (fault, expected) in [(Fault::status(503), "503"), (limit, "429")] {
        let script = FaultScript::new().rule(Rule::new(fault).calls([1]));
        let sandbox = start(SandboxConfig::new().faults(script)).await;
        let key = &sandbox.addresses().voyage_api_key;
        let replies = large_then_small(&sandbox, "/v1/embeddings", key).await;
        assert_eq!(statuses(&replies), [expected, "200"], "{replies}");
    }
}

#[tokio::test]
async fn a_refusal_arrives_after_whatever_was_sent() {
    let sandbox = start(SandboxConfig::new()).await;
    let key = &sandbox.addresses().voyage_api_key;
    for (path, key, expected) in [
        ("/v1/embeddings", "pa-wrong", "401"),
        ("/v1/nowhere", key.as_str(), "404"),
        ("/v1/batches/batch-1", key.as_str(), "405"),
        ("/v1/files", key.as_str(), "400"),
    ] {
        let replies = large_then_small(&sandbox, path, key).await;
        assert_eq!(statuses(&replies), [expected, "200"], "{path}: {replies}");
    }
}

#[tokio::test]
async fn who_waits_to_be_told_to_go_on_is_refused_at_once() {
    let sandbox = start(SandboxConfig::new()).await;
    let host = sandbox.addresses().voyage_base_url.clone();
    let host = host.trim_start_matches("http://").trim_end_matches("/v1");
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = "POST /v1/embeddings HTTP/1.1\r\nhost: sandbox\r\nexpect: 100-continue\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut reply = String::new();
    let read = stream.read_to_string(&mut reply);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(statuses(&reply), ["401"], "{reply}");
}
