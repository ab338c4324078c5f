//! A Qdrant server, over gRPC.
//!
//! [`QdrantAdapter`] presents a server to a registry; [`RemoteStore`] serves the vector capabilities
//! of `contexter-model` without any mechanism around them. [`Config`] is the section
//! `services.qdrant` of a configuration.
//!
//! A collection is what the embedded engine makes of the same specification: a dense vector
//! `dense`, a sparse vector `bm25` scored with the inverse document frequency, keyword indexes that
//! exist before anything is stored. It records the embedder that made it in its own metadata, and
//! another embedder is refused. That needs a server of version 1.16 or later.
//!
//! # What differs from the embedded engine
//!
//! | | server | `edge` |
//! |---|---|---|
//! | `Flush` | nothing to do: the server writes its log before it answers | makes changes durable |
//! | `Optimize` | waits for the server's own optimizer | runs it |
//! | snapshots | yes | no |
//! | numbers in payloads | up to 64 bits with a sign, or floating | any JSON number |
//! | nesting of payloads | up to [`MAX_DEPTH`] | bounded by the JSON reader |
//!
//! # Repeating calls
//!
//! The vendor's client repeats every failed call by itself, uploads included, and cannot be told not
//! to. This module uses its generated protocol over connections of its own, so that a call is sent
//! exactly as often as the stack around it says and takes no longer than its timeout.
//!
//! # Cancel safety
//!
//! Dropping a call closes its stream; what the server has received by then may still happen. Every
//! change of points, aliases and settings is idempotent: repeat it. `DropCollection`,
//! `CreateSnapshot` and `DropSnapshot` are not, and the stack sends them again only where they did
//! not reach the server.
//!
//! # Examples
//!
//! ```no_run
//! use contexter_adapter::ServiceAdapter;
//! use contexter_model::{Count, Filter};
//! use contexter_qdrant::remote::{Config, QdrantAdapter};
//! use contexter_service::Service as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let qdrant = QdrantAdapter::new(Config::default())?;
//! qdrant.initialize().await?;
//! let count = qdrant.capabilities().handle::<Count>().ok_or("cannot count")?;
//! let chunks = Count { collection: "chunks".into(), filter: Filter::all() };
//! println!("{} chunks", count.call(chunks).await?);
//! # Ok(())
//! # }
//! ```

mod adapter;
mod address;
mod aliases;
mod codec;
mod collections;
mod config;
mod connection;
mod expected;
mod fault;
mod filter;
mod gateway;
mod health;
mod known;
mod line;
mod record;
pub mod replies;
mod search;
mod sending;
mod service;
mod snapshots;
mod store;
mod upload;
mod value;
mod write;

pub use adapter::QdrantAdapter;
pub use config::{Config, GRACE, GRPC_PORT, REST_PORT};
pub use connection::MAX_REPLY_BYTES;
pub use contexter_resilience::RetryConfig;
pub use expected::{CollectionConfig, Metric};
pub use health::{CLIENT_VERSION, ServerVersion, WEIGHTED_FUSION_VERSION};
pub use record::KEY as METADATA_KEY;
pub use sending::UploadConfig;
pub use store::RemoteStore;
pub use upload::Progress;
pub use value::MAX_DEPTH;
