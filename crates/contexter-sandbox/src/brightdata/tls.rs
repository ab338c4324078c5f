//! The authority that signs for the hosts behind the proxy, as the vendor's does.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// So many hosts have a certificate at a time.
const MAX_HOSTS: usize = 256;

/// As many characters a common name holds, by RFC 5280.
const MAX_COMMON_NAME: usize = 64;

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
        let certificate = leaf(host)?.signed_by(&key, &self.issuer)?;
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

/// What stands in a certificate, so that clients that check strictly take it too, such as Python since
/// 3.13: both key identifiers, and what the key is for.
fn leaf(host: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    // The name that counts is the alternative one.
    if host.len() <= MAX_COMMON_NAME {
        params.distinguished_name.push(DnType::CommonName, host);
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
