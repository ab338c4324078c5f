//! The authority that signs for the hosts behind the proxy, as the vendor's does.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// So many hosts have a certificate at a time.
const MAX_HOSTS: usize = 256;

/// An authority that is made at the start and thrown away at the end.
pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    acceptors: Mutex<BTreeMap<String, TlsAcceptor>>,
}

impl Authority {
    pub(super) fn new() -> Result<Self, Failure> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Contexter sandbox proxy");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
            acceptors: Mutex::default(),
        })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns what speaks TLS in the name of `host`.
    pub(super) fn acceptor(&self, host: &str) -> Result<TlsAcceptor, Failure> {
        let mut acceptors = self.acceptors.lock();
        if let Some(acceptor) = acceptors.get(host) {
            return Ok(acceptor.clone());
        }
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![host.to_owned()])?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], private)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        if acceptors.len() >= MAX_HOSTS {
            acceptors.pop_first();
        }
        acceptors.insert(host.to_owned(), acceptor.clone());
        Ok(acceptor)
    }
}
