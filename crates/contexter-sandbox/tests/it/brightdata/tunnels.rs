//! Tunnels of the proxy, byte by byte.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_sandbox::{BrightDataConfig, Sandbox, SandboxConfig, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::client::PATIENCE;

const HOST: &str = "docs.example.com";

async fn start(config: BrightDataConfig) -> Sandbox {
    crate::client::start(SandboxConfig::new().brightdata(config)).await
}

fn authority(sandbox: &Sandbox) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(sandbox.brightdata().ca_pem().as_bytes()).unwrap()
}

/// Opens a tunnel to `host` and sets TLS up in it.
async fn open(sandbox: &Sandbox, host: &str) -> TlsStream<TcpStream> {
    let server = sandbox.brightdata();
    let (customer, zone) = (server.customer(), server.zone());
    let login = format!(
        "brd-customer-{customer}-zone-{zone}:{}",
        server.zone_password()
    );
    let (_, address) = sandbox
        .addresses()
        .brightdata_proxy
        .rsplit_once('@')
        .unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let connect = format!(
        "CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\nproxy-authorization: Basic {}\r\n\r\n",
        STANDARD.encode(login)
    );
    stream.write_all(connect.as_bytes()).await.unwrap();
    let head = head(&mut stream).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");

    let mut roots = RootCertStore::empty();
    roots.add(authority(sandbox)).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

/// Reads the head of a reply, in lower case.
async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

async fn send(stream: &mut TlsStream<TcpStream>, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

/// Reads a reply: its head and its body.
async fn receive(stream: &mut TlsStream<TcpStream>) -> (String, String) {
    let head = head(stream).await;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// How often a certificate has these bytes.
fn count(certificate: &[u8], bytes: &[u8]) -> usize {
    certificate
        .windows(bytes.len())
        .filter(|window| *window == bytes)
        .count()
}

#[tokio::test]
async fn certificates_have_what_strict_clients_ask_for() {
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03, 0x0c];
    const SUBJECT_KEY: &[u8] = &[0x55, 0x1d, 0x0e, 0x04, 0x16, 0x04, 0x14];
    const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

    let sandbox = start(BrightDataConfig::new()).await;
    let authority = authority(&sandbox);
    let place = authority
        .windows(SUBJECT_KEY.len())
        .position(|window| window == SUBJECT_KEY)
        .unwrap();
    let key = &authority[place + SUBJECT_KEY.len()..][..20];
    // The authority key identifier, which names that key.
    let authority_key = [&[0x55, 0x1d, 0x23, 0x04, 0x18, 0x30, 0x16, 0x80, 0x14], key].concat();

    let long = format!("{}.{HOST}", "a".repeat(60));
    for host in [HOST, &long] {
        let stream = open(&sandbox, host).await;
        let (_, session) = stream.get_ref();
        let certificate = &session.peer_certificates().unwrap()[0];
        assert_eq!(count(certificate, &authority_key), 1, "{host}");
        assert_eq!(count(certificate, SERVER_AUTH), 1, "{host}");
        // The issuer's name, and the subject's if it is short enough.
        let fits = host.len() <= 64;
        let names = 1 + usize::from(fits);
        assert_eq!(count(certificate, COMMON_NAME), names, "{host}");
        let length = u8::try_from(host.len()).unwrap();
        let subject = [COMMON_NAME, &[length], host.as_bytes()].concat();
        assert_eq!(count(certificate, &subject), usize::from(fits), "{host}");
    }
}

#[tokio::test]
async fn requests_within_a_tunnel_are_counted_and_refused_as_outside() {
    let sandbox = start(BrightDataConfig::new().requests_per_minute(2)).await;
    let mut stream = open(&sandbox, HOST).await;
    send(&mut stream, "/guide/copy").await;
    let (head, body) = receive(&mut stream).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(body.contains("Copying a folder"), "{body}");
    send(&mut stream, "/guide/copy").await;
    let (head, body) = receive(&mut stream).await;
    assert!(head.starts_with("http/1.1 429"), "{head}");
    assert!(head.contains("x-brd-err-code: client_10110\r\n"), "{head}");
    assert_eq!(body, "");
    let server = sandbox.brightdata();
    assert_eq!((server.requests(), server.refusals()), (3, 1));
}

#[tokio::test]
async fn stopping_lets_a_request_within_a_tunnel_end() {
    let slow = Duration::from_millis(300);
    let sandbox = start(BrightDataConfig::new().slow_page(slow)).await;
    let mut idle = open(&sandbox, HOST).await;
    let mut busy = open(&sandbox, HOST).await;
    send(&mut busy, "/slow").await;
    // Two that opened the tunnels, and the one within.
    let under_way = async {
        while sandbox.faults().requests(Server::BrightdataProxy) < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, under_way).await.unwrap();
    let stopped = tokio::time::timeout(PATIENCE, sandbox.shutdown());
    stopped.await.unwrap();
    let (head, body) = receive(&mut busy).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(body.contains("It took a while"), "{body}");
    for stream in [&mut busy, &mut idle] {
        assert!(stream.read_u8().await.is_err(), "the tunnel has ended");
    }
}
