//! What a server over TLS needs, and what trusts it.

use std::error::Error;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Returns the configuration of a server that speaks this protocol (ALPN), and its certificate in PEM.
pub(crate) fn made(protocol: &[u8]) -> Result<(Arc<ServerConfig>, String), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok((Arc::new(config), made.cert.pem()))
}
