//! The Qdrant engine inside this process, in a folder on disk.
//!
//! [`EmbeddedStore`] opens a data folder and serves the vector capabilities of `contexter-model`;
//! [`EmbeddedQdrant`] presents it to a registry. One process at a time holds a folder; [`inspect`]
//! reads what a folder holds without taking it.
//!
//! # Durability
//!
//! The engine writes a log ahead of its segments but never replays it when it loads a collection
//! (`qdrant-edge` 0.7.2, `edge/mod.rs`), so only what [`Flush`](contexter_model::Flush) covered
//! survives the end of the process. Record progress after the flush, never before it.
//!
//! # What runs at the same time
//!
//! Searches run next to everything, [`Optimize`](contexter_model::Optimize) included. Changes of one
//! collection (store, delete, flush, optimize) run one after the other, in the order of arrival.
//! All work happens on the blocking threads of the tokio runtime, in bounded numbers.
//!
//! # Cancel safety
//!
//! Dropping a call before its turn leaves no trace. Once its work has started it runs to its end on
//! its thread; the caller merely does not learn the outcome.
//!
//! # Examples
//!
//! ```
//! use contexter_model::{
//!     CollectionSpec, Distance, EmbeddingSpace, EnsureCollection, Filter, Flush, Leg, Point,
//!     PointId, Query, SpaceKind, SparseVector, Upsert,
//! };
//! use contexter_qdrant::edge::EmbeddedStore;
//! use contexter_service::Service;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = EmbeddedStore::open(folder.path()).await?;
//! store
//!     .call(EnsureCollection(CollectionSpec {
//!         name: "chunks".into(),
//!         space: EmbeddingSpace {
//!             id: "letters".into(),
//!             dimensions: 3,
//!             max_tokens: 64,
//!             kind: SpaceKind::Lexical,
//!         },
//!         distance: Distance::Cosine,
//!         keyword_fields: vec!["library".into()],
//!     }))
//!     .await?;
//!
//! let point = Point {
//!     id: PointId::from_u128(1),
//!     dense: Some(vec![1.0, 0.0, 0.0]),
//!     sparse: Some(SparseVector::new(vec![7], vec![1.0])?),
//!     payload: serde_json::Map::from_iter([("library".into(), "tokio".into())]),
//! };
//! store
//!     .call(Upsert { collection: "chunks".into(), points: vec![point] })
//!     .await?;
//! store.call(Flush { collection: "chunks".into() }).await?;
//!
//! let reply = store
//!     .call(Query {
//!         collection: "chunks".into(),
//!         legs: vec![Leg::Dense(vec![0.9, 0.1, 0.0])],
//!         filter: Filter::all().and("library", "tokio"),
//!         limit: 10,
//!     })
//!     .await?;
//! assert_eq!(reply.rankings[0][0].id, PointId::from_u128(1));
//! # Ok(())
//! # }
//! ```

mod adapter;
mod aliases;
mod collection;
mod fault;
mod folder;
mod inspect;
mod lock;
mod opening;
mod options;
mod reading;
mod repair;
mod search;
mod service;
mod store;
mod threads;
mod write;

pub use adapter::EmbeddedQdrant;
pub use inspect::{InspectedCollection, Inspection, inspect};
pub use lock::Holder;
pub use options::Options;
pub use store::EmbeddedStore;
