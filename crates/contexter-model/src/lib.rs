//! The requests, replies and errors that are the capabilities of Contexter's services.
//!
//! A request type is a capability: `Embed` turns text into vectors, `FetchDocs` reads
//! documentation, `Query` searches a vector store. Adapters implement
//! [`Service`](contexter_service::Service) for them; the retrieval crates see only these types.

mod alias;
mod capability;
mod document;
mod embedding;
mod error;
mod filter;
mod library;
mod page;
mod rerank;
mod snapshot;
mod sparse;
mod stored;
mod vector_search;
mod vector_store;

pub use alias::{Alias, AliasSwitched, DropAlias, ListAliases, SwitchAlias};
pub use document::{DocsPage, Document, FetchDocs, Format, Skipped};
pub use embedding::{
    CountTokens, DescribeSpace, Embed, EmbeddingSpace, Embeddings, Purpose, SpaceKind, Usage,
};
pub use error::{Error, ErrorKind};
pub use filter::{Condition, Filter};
pub use library::{InvalidLibraryId, Library, LibraryId, ResolveLibrary};
pub use page::{FetchPage, Page, PageFormat, SearchWeb, WebResult};
pub use rerank::{Ranked, Rerank, Reranked};
pub use snapshot::{CreateSnapshot, DropSnapshot, ListSnapshots, Snapshot};
pub use sparse::{InvalidSparseVector, SparseVector};
pub use stored::{Count, Record, Retrieve, Scroll, ScrollPage};
pub use vector_search::{FusedQuery, Hit, Leg, Query, QueryReply, StoreFusion};
pub use vector_store::{
    CollectionSpec, CollectionState, Delete, Distance, DropCollection, EnsureCollection, Flush,
    Optimize, Payload, Point, PointId, Selector, Upsert,
};
