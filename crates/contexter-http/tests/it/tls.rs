//! A server that speaks TLS, with a certificate of its own making.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Unwraps TLS for `localhost` and passes what is in it on to another server.
pub(crate) struct Tls {
    address: SocketAddr,
    root_pem: String,
    task: JoinHandle<()>,
}

impl Tls {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(pass(acceptor.clone(), stream, server));
            }
        });
        Self {
            address,
            root_pem: made.cert.pem(),
            task,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate to trust.
    pub(crate) fn root_pem(&self) -> &[u8] {
        self.root_pem.as_bytes()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection that breaks is the client's affair.
async fn pass(acceptor: TlsAcceptor, stream: TcpStream, server: SocketAddr) {
    let (Ok(mut inner), Ok(mut outer)) = (
        acceptor.accept(stream).await,
        TcpStream::connect(server).await,
    ) else {
        return;
    };
    let _ended = copy_bidirectional(&mut inner, &mut outer).await;
}
