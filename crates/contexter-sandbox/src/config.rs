//! What a sandbox is started with.

use std::collections::BTreeMap;

use crate::brightdata::BrightDataConfig;
use crate::context7::Context7Config;
use crate::faults::{FaultScript, Server};
#[cfg(feature = "qdrant")]
use crate::qdrant::QdrantConfig;
use crate::voyage::VoyageConfig;

/// What a sandbox is started with.
///
/// | setting | default |
/// |---|---|
/// | [`seed`](Self::seed) | the script's, else 0 |
/// | [`faults`](Self::faults) | none |
/// | [`port`](Self::port) | a free one for each server |
/// | keys, quotas, contents | those of the vendor's own configuration |
///
/// # Examples
///
/// ```
/// use contexter_sandbox::{SandboxConfig, Server, Tier, VoyageConfig};
///
/// let config = SandboxConfig::new()
///     .seed(7)
///     .port(Server::Voyage, 8100)
///     .voyage(VoyageConfig::new().tier(Tier::Unpaid));
/// # drop(config);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SandboxConfig {
    pub(crate) seed: Option<u64>,
    pub(crate) faults: FaultScript,
    pub(crate) ports: BTreeMap<Server, u16>,
    pub(crate) voyage: VoyageConfig,
    pub(crate) context7: Context7Config,
    pub(crate) brightdata: BrightDataConfig,
    #[cfg(feature = "qdrant")]
    pub(crate) qdrant: QdrantConfig,
}

impl SandboxConfig {
    /// Creates the configuration of a sandbox without faults, on free ports.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the seed of everything that is random; it wins over the script's.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the faults.
    #[must_use]
    pub fn faults(mut self, script: FaultScript) -> Self {
        self.faults = script;
        self
    }

    /// Sets the port of one server; 0 is a free one.
    #[must_use]
    pub fn port(mut self, server: Server, port: u16) -> Self {
        self.ports.insert(server, port);
        self
    }

    /// Sets the key, quotas and embedder of the Voyage AI server.
    #[must_use]
    pub fn voyage(mut self, voyage: VoyageConfig) -> Self {
        self.voyage = voyage;
        self
    }

    /// Sets the key and contents of the Context7 server.
    #[must_use]
    pub fn context7(mut self, context7: Context7Config) -> Self {
        self.context7 = context7;
        self
    }

    /// Sets the keys and contents of the Bright Data servers.
    #[must_use]
    pub fn brightdata(mut self, brightdata: BrightDataConfig) -> Self {
        self.brightdata = brightdata;
        self
    }

    /// Sets the key and limits of the Qdrant server.
    #[cfg(feature = "qdrant")]
    #[must_use]
    pub fn qdrant(mut self, qdrant: QdrantConfig) -> Self {
        self.qdrant = qdrant;
        self
    }
}
