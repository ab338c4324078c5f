//! The requests, replies and errors that are the capabilities of Contexter's services.
//!
//! A request type is a capability: `Embed` turns text into vectors, `FetchDocs` reads
//! documentation, `Query` searches a vector store. Adapters implement
//! [`Service`](contexter_service::Service) for them; the retrieval crates see only these types.

mod document;
mod embedding;
mod error;
mod library;
mod page;
mod rerank;
mod sparse;
mod vector_store;

pub use document::{DocsPage, Document, FetchDocs, Format, Skipped};
pub use embedding::{
    CountTokens, DescribeSpace, Embed, EmbeddingSpace, Embeddings, Purpose, SpaceKind, Usage,
};
pub use error::{Error, ErrorKind};
pub use library::{InvalidLibraryId, Library, LibraryId, ResolveLibrary};
pub use page::{FetchPage, Page, PageFormat, SearchWeb, WebResult};
pub use rerank::{Ranked, Rerank, Reranked};
pub use sparse::{InvalidSparseVector, SparseVector};
pub use vector_store::{
    Alias, AliasSwitched, CollectionSpec, CollectionState, Condition, Count, CreateSnapshot,
    Delete, Distance, DropAlias, DropCollection, DropSnapshot, EnsureCollection, Filter, Flush,
    FusedQuery, Hit, Leg, ListAliases, ListSnapshots, Optimize, Payload, Point, PointId, Query,
    QueryReply, Record, Retrieve, Scroll, ScrollPage, Selector, Snapshot, StoreFusion, SwitchAlias,
    Upsert,
};
