//! Local servers that speak the protocols of Voyage AI, Context7, Bright Data and Qdrant, with
//! scripted faults.
//!
//! [`Sandbox::start`] opens one listener for each service on a free port of the loopback interface.
//! A client for the real service works against it unmodified: it gets the addresses and keys from
//! [`Sandbox::addresses`]. The servers reject what the services reject, count what they would bill,
//! and hold their quotas. A [`FaultScript`] makes them misbehave, the same way for the same seed.
//!
//! | feature | adds |
//! |---|---|
//! | `minilm` | embeddings of the local model; without it, hashed wording |
//! | `qdrant` | the Qdrant server, over the embedded engine |
//!
//! Everything listens on 127.0.0.1 only and speaks plain HTTP: the keys are no secrets.
//!
//! # Examples
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use contexter_sandbox::{FaultScript, Sandbox, SandboxConfig};
//!
//! let faults = FaultScript::from_yaml(
//!     "rules:
//!        - server: voyage
//!          path: /v1/embeddings
//!          every: 3
//!          fault: { status: { code: 503 } }",
//! )?;
//! let sandbox = Sandbox::start(SandboxConfig::new().faults(faults)).await?;
//! assert!(sandbox.addresses().voyage_base_url.ends_with("/v1"));
//! sandbox.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod addresses;
mod brightdata;
mod config;
mod connection;
mod context7;
mod error;
mod faults;
#[cfg(feature = "qdrant")]
mod qdrant;
mod sandbox;
mod server;
mod tunnels;
mod voyage;

pub use addresses::Addresses;
pub use brightdata::{BrightData, BrightDataConfig};
pub use config::SandboxConfig;
pub use context7::{Context7, Context7Config, LibraryDocs, LibraryState};
pub use error::Error;
pub use faults::{
    ContentTypeFault, CutFault, DripFault, Fault, FaultKind, FaultScript, Faults, GrpcStatusFault,
    OversizeFault, RateLimitFault, Rule, Server, StatusFault,
};
#[cfg(feature = "qdrant")]
pub use qdrant::{Qdrant, QdrantConfig};
pub use sandbox::Sandbox;
pub use voyage::{Embedder, Tier, Voyage, VoyageConfig};
