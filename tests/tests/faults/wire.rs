//! How a server of the sandbox is reached: as it listens, or over TLS by HTTP/2, as vendors are.

use std::net::SocketAddr;

use contexter_http::{Client, Config};
use contexter_testkit::TlsTerminator;

use crate::matrix::PATIENT;

/// The version of HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    Http1,
    Http2,
}

/// A server as an adapter is told of it.
pub(crate) struct Reached {
    pub(crate) base_url: String,
    http: Client,
    /// Ends with it.
    _tls: Option<TlsTerminator>,
}

impl Reached {
    pub(crate) fn http(&self) -> &Client {
        &self.http
    }
}

impl Wire {
    /// Returns how the server at this URL is reached.
    pub(crate) async fn to(self, base_url: &str) -> Reached {
        // An adapter knows how long an attempt may take; this must not be quicker.
        let config = Config::default().read_timeout(PATIENT * 2);
        match self {
            Self::Http1 => Reached {
                base_url: base_url.to_owned(),
                http: Client::new(&config).unwrap(),
                _tls: None,
            },
            Self::Http2 => {
                let rest = base_url.strip_prefix("http://").unwrap();
                let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
                let address: SocketAddr = address.parse().unwrap();
                let tls = TlsTerminator::with_http2_before(address).await;
                let config = config.http2().root_certificate_pem(tls.root_pem());
                Reached {
                    base_url: format!("{}/{path}", tls.base_url()),
                    http: Client::new(&config).unwrap(),
                    _tls: Some(tls),
                }
            }
        }
    }
}
