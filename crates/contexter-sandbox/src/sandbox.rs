//! The servers, started together.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::addresses::{Account, Addresses};
use crate::brightdata::BrightData;
use crate::config::SandboxConfig;
use crate::context7::Context7;
use crate::error::Error;
use crate::faults::{self, Faults, Layer, Server};
#[cfg(feature = "qdrant")]
use crate::qdrant::Qdrant;
use crate::server::{self, GRACE, Shutdown};
use crate::voyage::Voyage;

/// The servers, running. Dropping it stops them at once; [`shutdown`](Self::shutdown) lets requests
/// under way end first.
#[derive(Debug)]
pub struct Sandbox {
    addresses: Addresses,
    faults: Faults,
    voyage: Voyage,
    context7: Context7,
    brightdata: BrightData,
    #[cfg(feature = "qdrant")]
    qdrant: Qdrant,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Sandbox {
    /// Starts all servers; each accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// [`Error`] if a setting cannot be, or a port cannot be listened on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops what was started.
    pub async fn start(config: SandboxConfig) -> Result<Self, Error> {
        let seed = config.seed.or(config.faults.seed).unwrap_or(0);
        let faults = Faults::new(config.faults.clone(), seed)?;
        let (stop, shutdown) = Shutdown::new();
        let mut start = Start {
            config: &config,
            faults: faults.clone(),
            shutdown,
            tasks: JoinSet::new(),
        };

        let voyage = Voyage::new(config.voyage.clone())?;
        let voyage_address = start.http(Server::Voyage, voyage.router()).await?;
        let context7 = Context7::new(config.context7.clone())?;
        let context7_address = start.http(Server::Context7, context7.router()).await?;
        let brightdata = BrightData::new(config.brightdata.clone())?;
        let brightdata_address = start.http(Server::Brightdata, brightdata.router()).await?;
        let proxy_address = start.proxy(&brightdata).await?;
        #[cfg(feature = "qdrant")]
        let (qdrant, qdrant_address) = {
            let qdrant = Qdrant::new(config.qdrant.clone()).await?;
            let address = start.http(Server::Qdrant, qdrant.router()).await?;
            (qdrant, address)
        };

        let addresses = Addresses {
            voyage_base_url: format!("http://{voyage_address}/v1"),
            voyage_api_key: voyage.api_key().to_owned(),
            context7_base_url: format!("http://{context7_address}/api"),
            context7_api_key: context7.api_key().to_owned(),
            brightdata_base_url: format!("http://{brightdata_address}"),
            brightdata_api_key: brightdata.api_key().to_owned(),
            brightdata_zone: brightdata.zone().to_owned(),
            brightdata_proxy: brightdata.proxy_url(proxy_address),
            #[cfg(feature = "qdrant")]
            qdrant_url: Some(format!("http://{qdrant_address}")),
            #[cfg(feature = "qdrant")]
            qdrant_api_key: Some(qdrant.api_key().to_owned()),
            #[cfg(not(feature = "qdrant"))]
            qdrant_url: None,
            #[cfg(not(feature = "qdrant"))]
            qdrant_api_key: None,
            brightdata: Account {
                serp_zone: brightdata.serp_zone().to_owned(),
                customer: brightdata.customer().to_owned(),
                zone_password: brightdata.zone_password().to_owned(),
                proxy: proxy_address,
                ca: brightdata.ca_pem().to_owned(),
            },
        };
        Ok(Self {
            addresses,
            faults,
            voyage,
            context7,
            brightdata,
            #[cfg(feature = "qdrant")]
            qdrant,
            stop,
            tasks: start.tasks,
        })
    }

    /// Returns where the servers are and which keys they take.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Returns the configuration, as YAML, that points the adapters at these servers.
    #[must_use]
    pub fn config_yaml(&self) -> String {
        self.addresses.config_yaml()
    }

    /// Returns the faults: what was injected so far, and the script, which can be replaced.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Returns the Voyage AI server.
    #[must_use]
    pub fn voyage(&self) -> &Voyage {
        &self.voyage
    }

    /// Returns the Context7 server.
    #[must_use]
    pub fn context7(&self) -> &Context7 {
        &self.context7
    }

    /// Returns the Bright Data servers.
    #[must_use]
    pub fn brightdata(&self) -> &BrightData {
        &self.brightdata
    }

    /// Returns the Qdrant server.
    #[cfg(feature = "qdrant")]
    #[must_use]
    pub fn qdrant(&self) -> &Qdrant {
        &self.qdrant
    }

    /// Stops accepting, lets requests under way end, for at most five seconds, and stops.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the servers at once.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // Each server gives up by itself; this is for one that does not.
        if tokio::time::timeout(GRACE * 2, ended).await.is_err() {
            tracing::warn!("a server did not stop and was dropped");
        }
    }
}

/// What starting a server takes.
struct Start<'a> {
    config: &'a SandboxConfig,
    faults: Faults,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
}

impl Start<'_> {
    /// Starts an HTTP server with the fault layer around it.
    async fn http(&mut self, server: Server, router: Router) -> Result<SocketAddr, Error> {
        let (listener, address) = self.listen(server).await?;
        let layer = Layer::new(server, self.faults.clone(), self.shutdown.clone());
        let router = router.layer(middleware::from_fn_with_state(layer, faults::inject));
        self.tasks
            .spawn(server::serve(listener, router, self.shutdown.clone()));
        Ok(address)
    }

    /// Starts the proxy, which is no HTTP server: it asks for its faults itself.
    async fn proxy(&mut self, brightdata: &BrightData) -> Result<SocketAddr, Error> {
        let (listener, address) = self.listen(Server::BrightdataProxy).await?;
        self.tasks.spawn(brightdata.clone().serve_proxy(
            listener,
            self.faults.clone(),
            self.shutdown.clone(),
        ));
        Ok(address)
    }

    async fn listen(&self, server: Server) -> Result<(TcpListener, SocketAddr), Error> {
        let port = self.config.ports.get(&server).copied().unwrap_or(0);
        let failed = |source| Error::Listen {
            server,
            port,
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((listener, address))
    }
}
