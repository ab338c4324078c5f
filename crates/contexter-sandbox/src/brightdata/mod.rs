//! A local Bright Data: REST interface and native proxy, with a small website to fetch.
//!
//! Written from the vendor's documentation (unlocker and its error codes, the catalogue of the proxy's
//! errors, asynchronous requests, the scraper interface; read in November 2026). Like the vendor it
//! answers 200 also where the unlocker failed, and tells so in headers. The pages that there are, and
//! what goes wrong with which, are listed in `site.rs`.
//!
//! Nothing is sent anywhere: who asks for a webhook or for a delivery is refused.

mod account;
mod ask;
mod config;
mod dataset;
mod jobs;
mod kept;
mod login;
mod pages;
mod proxy;
mod refusal;
mod rest;
mod search;
mod site;
mod tls;
mod unlock;
mod zones;

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;

use crate::error::Error;
use crate::faults::{Faults, Layer, Server};
use crate::server::{self, Shutdown};
use account::Ledger;
use dataset::Datasets;
use jobs::Jobs;
use tls::Authority;
use zones::Zones;

pub use config::BrightDataConfig;

/// A local Bright Data. Clones are the same servers.
#[derive(Clone)]
pub struct BrightData {
    office: Arc<Office>,
}

/// What all interfaces share.
struct Office {
    config: BrightDataConfig,
    zones: Zones,
    ledger: Ledger,
    jobs: Jobs,
    datasets: Datasets,
    authority: Authority,
}

impl BrightData {
    pub(crate) fn new(config: BrightDataConfig) -> Result<Self, Error> {
        config.validate()?;
        let authority = Authority::new().map_err(|source| Error::Setup {
            server: Server::BrightdataProxy,
            source,
        })?;
        Ok(Self {
            office: Arc::new(Office {
                ledger: Ledger::default(),
                jobs: Jobs::new(),
                datasets: Datasets::new(),
                authority,
                zones: Zones::new(&config),
                config,
            }),
        })
    }

    pub(crate) fn router(&self) -> Router {
        rest::router(Arc::clone(&self.office))
    }

    /// Serves the native proxy.
    pub(crate) async fn serve_proxy(
        self,
        listener: TcpListener,
        faults: Faults,
        shutdown: Shutdown,
    ) {
        let layer = Layer::new(Server::BrightdataProxy, faults, shutdown.clone());
        let router = proxy::router(Arc::clone(&self.office), shutdown.clone(), layer);
        server::serve(listener, router, shutdown).await;
    }

    /// Returns the key of the REST interface.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.office.config.api_key
    }

    /// Returns the unlocker zone, which is that of the proxy's URL too.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.office.config.zone
    }

    /// Returns the search zone.
    #[must_use]
    pub fn serp_zone(&self) -> &str {
        &self.office.config.serp_zone
    }

    /// Returns the customer's id.
    #[must_use]
    pub fn customer(&self) -> &str {
        &self.office.config.customer
    }

    /// Returns the password of the unlocker zone.
    #[must_use]
    pub fn zone_password(&self) -> &str {
        &self.office.config.zone_password
    }

    /// Returns the certificate, as PEM, by which the proxy signs for the hosts of the website; a client
    /// of the proxy has to trust it. It is made anew at each start.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.office.authority.pem()
    }

    /// Returns how many requests arrived, those that a fault kept away not counted.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.office.ledger.requests()
    }

    /// Returns how many requests would have been billed.
    #[must_use]
    pub fn billed(&self) -> u64 {
        self.office.ledger.billed()
    }

    /// Returns how many requests were refused for being too many.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.office.ledger.refusals()
    }

    /// Returns whether the caller is blocked after too many such refusals.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.office.ledger.is_blocked()
    }

    /// Returns the URL of the proxy, with user name and password.
    pub(crate) fn proxy_url(&self, address: SocketAddr) -> String {
        let BrightDataConfig {
            customer,
            zone,
            zone_password,
            ..
        } = &self.office.config;
        let password = encoded(zone_password);
        format!("http://brd-customer-{customer}-zone-{zone}:{password}@{address}")
    }
}

/// Writes a password as it stands in a URL, where all but RFC 3986's unreserved characters are encoded.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _written = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Without key, password and certificate.
impl fmt::Debug for BrightData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrightData")
            .field("config", &self.office.config)
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}
