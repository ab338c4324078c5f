//! A real forward proxy.

use std::io::{Read, Write};
use std::net::TcpStream;

use contexter_testkit::{Tinyproxy, require};

/// Asks the proxy for itself, which it answers with a page of its own.
fn status(proxy: &contexter_testkit::Server, credentials: &str) -> String {
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    write!(
        stream,
        "GET http://{}/ HTTP/1.0\r\n{credentials}\r\n",
        proxy.address()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn it_asks_for_user_and_password() {
    require!("tinyproxy");
    let proxy = Tinyproxy::start("alice", "s3cret").unwrap();
    assert!(status(&proxy, "").contains("407"));
    // "alice:wrong" and "alice:s3cret" in Base64.
    let wrong = "Proxy-Authorization: Basic YWxpY2U6d3Jvbmc=\r\n";
    assert!(status(&proxy, wrong).contains("401"));
    let right = "Proxy-Authorization: Basic YWxpY2U6czNjcmV0\r\n";
    let answer = status(&proxy, right);
    assert!(
        !answer.contains("407") && !answer.contains("401"),
        "{answer}"
    );
}
