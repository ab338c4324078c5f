//! Speaks TLS before a server that does not.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A certificate for `localhost` that no authority has signed, and a server's settings with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct SelfSigned {
    /// What a server serves with.
    pub config: Arc<ServerConfig>,
    /// What a client has to trust, in PEM.
    pub root_pem: String,
}

impl SelfSigned {
    /// Makes one for a server that speaks these protocols (ALPN, RFC 7301); clients are not asked where
    /// there is none.
    ///
    /// # Panics
    ///
    /// When no certificate can be made.
    #[must_use]
    pub fn for_localhost(protocols: &[&[u8]]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .expect("a certificate can be made");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("the key is that of the certificate");
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self {
            config: Arc::new(config),
            root_pem: made.cert.pem(),
        }
    }
}

/// Unwraps TLS for `localhost`, with a certificate of its own making, and passes what is in it on to
/// another server. A connection that the server resets is reset.
///
/// Dropping it ends every connection.
#[derive(Debug)]
pub struct TlsTerminator {
    address: SocketAddr,
    root_pem: String,
    task: JoinHandle<()>,
}

impl TlsTerminator {
    /// Listens on a free port of 127.0.0.1; clients are not asked which protocol they want.
    ///
    /// # Panics
    ///
    /// When no port or certificate can be had.
    pub async fn before(server: SocketAddr) -> Self {
        Self::start(server, &[]).await
    }

    /// The same for a server that speaks HTTP/2: clients that do not offer it are turned away (ALPN,
    /// RFC 7301).
    ///
    /// # Panics
    ///
    /// When no port or certificate can be had.
    pub async fn with_http2_before(server: SocketAddr) -> Self {
        Self::start(server, &[b"h2"]).await
    }

    async fn start(server: SocketAddr, protocols: &[&[u8]]) -> Self {
        let made = SelfSigned::for_localhost(protocols);
        let acceptor = TlsAcceptor::from(made.config);
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port can be had");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(pass(acceptor.clone(), stream, server));
            }
        });
        Self {
            address,
            root_pem: made.root_pem,
            task,
        }
    }

    /// Returns the address: `https://localhost:40001`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Returns the certificate to trust.
    #[must_use]
    pub fn root_pem(&self) -> &[u8] {
        self.root_pem.as_bytes()
    }
}

impl Drop for TlsTerminator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection that breaks is the client's affair.
async fn pass(acceptor: TlsAcceptor, stream: TcpStream, server: SocketAddr) {
    let _dead = stream.set_nodelay(true);
    let (Ok(mut inner), Ok(mut outer)) = (
        acceptor.accept(stream).await,
        TcpStream::connect(server).await,
    ) else {
        return;
    };
    let _dead = outer.set_nodelay(true);
    if copy_bidirectional(&mut inner, &mut outer).await.is_err() {
        let _dead = inner.get_ref().0.set_zero_linger();
    }
}
