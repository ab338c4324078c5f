//! A client of the sandbox.

use std::time::Duration;

use contexter_http::{Api, Auth, Client, Config, Reply};
use contexter_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn start(config: SandboxConfig) -> Sandbox {
    Sandbox::start(config).await.unwrap()
}

pub(crate) fn voyage(sandbox: &Sandbox) -> Api {
    voyage_with_key(sandbox, &sandbox.addresses().voyage_api_key)
}

pub(crate) fn voyage_with_key(sandbox: &Sandbox, key: &str) -> Api {
    let client = Client::new(&Config::default().no_proxy()).unwrap();
    let auth = Auth::Bearer(key.to_owned());
    Api::new(&client, &sandbox.addresses().voyage_base_url, auth).unwrap()
}

/// Posts JSON; returns the status and the JSON of the reply.
pub(crate) async fn post(api: &Api, path: &str, body: &Value) -> (u16, Value) {
    read(&api.post(path).json(body).send().await.unwrap())
}

pub(crate) async fn get(api: &Api, path: &str) -> (u16, Value) {
    read(&api.get(path).send().await.unwrap())
}

fn read(reply: &Reply) -> (u16, Value) {
    (reply.status(), reply.json().unwrap())
}

/// A small request that is answered with 200 unless something is wrong.
pub(crate) fn hello() -> Value {
    json!({"model": "voyage-4-lite", "input": ["hello"], "output_dimension": 256})
}

/// What a connection carries, byte by byte, and how it ended.
pub(crate) struct Raw {
    pub(crate) text: String,
    pub(crate) reset: bool,
}

/// Sends [`hello`] over a connection of its own and reads until it ends.
pub(crate) async fn raw_hello(sandbox: &Sandbox) -> Raw {
    let mut stream = send_hello(sandbox).await;
    let read = async {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => break (bytes, false),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                    break (bytes, true);
                }
            }
        }
    };
    let (bytes, reset) = tokio::time::timeout(PATIENCE, read).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    Raw { text, reset }
}

pub(crate) async fn send_hello(sandbox: &Sandbox) -> TcpStream {
    let addresses = sandbox.addresses();
    let host = addresses
        .voyage_base_url
        .trim_start_matches("http://")
        .trim_end_matches("/v1");
    let body = hello().to_string();
    let request = format!(
        "POST /v1/embeddings HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        addresses.voyage_api_key,
        body.len(),
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}
