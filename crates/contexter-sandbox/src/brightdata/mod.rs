//! A local Bright Data: REST interface and native proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Router, middleware};
use tokio::net::TcpListener;

use crate::error::Error;
use crate::faults::{self, Faults, Layer, Server};
use crate::server::{self, Shutdown};

/// What the Bright Data servers take and hold.
#[derive(Clone, Debug)]
pub struct BrightDataConfig {
    api_key: String,
    customer: String,
    zone: String,
    zone_password: String,
}

impl Default for BrightDataConfig {
    fn default() -> Self {
        Self {
            api_key: "brd-sandbox-0123456789".to_owned(),
            customer: "hl_sandbox".to_owned(),
            zone: "web_unlocker1".to_owned(),
            zone_password: "sandbox-zone-password".to_owned(),
        }
    }
}

impl BrightDataConfig {
    /// Creates the default configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the key of the REST interface.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = key.into();
        self
    }

    /// Sets the password of the zone, for the proxy.
    #[must_use]
    pub fn zone_password(mut self, password: impl Into<String>) -> Self {
        self.zone_password = password.into();
        self
    }
}

/// A local Bright Data. Clones are the same servers.
#[derive(Clone, Debug)]
pub struct BrightData {
    config: Arc<BrightDataConfig>,
}

impl BrightData {
    pub(crate) fn new(config: BrightDataConfig) -> Result<Self, Error> {
        Ok(Self {
            config: Arc::new(config),
        })
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
    }

    /// Serves the native proxy.
    pub(crate) async fn serve_proxy(
        self,
        listener: TcpListener,
        faults: Faults,
        shutdown: Shutdown,
    ) {
        let layer = Layer::new(Server::BrightdataProxy, faults, shutdown.clone());
        let router = Router::new().layer(middleware::from_fn_with_state(layer, faults::inject));
        server::serve(listener, router, shutdown).await;
    }

    /// Returns the key of the REST interface.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.config.api_key
    }

    /// Returns the zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.config.zone
    }

    /// Returns the URL of the proxy, with user name and password.
    pub(crate) fn proxy_url(&self, address: SocketAddr) -> String {
        let BrightDataConfig {
            customer,
            zone,
            zone_password,
            ..
        } = &*self.config;
        format!("http://brd-customer-{customer}-zone-{zone}:{zone_password}@{address}")
    }
}
