//! The requests, replies and errors that are the capabilities of Contexter's services.
//!
//! A request type is a capability: `Embed` turns text into vectors, `FetchDocs` reads
//! documentation, `Query` searches a vector store. Adapters implement
//! [`Service`](contexter_service::Service) for them; the retrieval crates see only these types.

mod document;
mod embedding;
mod error;
mod library;
mod sparse;
mod vector_store;

pub use document::{DocsPage, Document, FetchDocs, Format, Skipped};
pub use embedding::{
    CountTokens, DescribeSpace, Embed, EmbeddingSpace, Embeddings, Purpose, SpaceKind, Usage,
};
pub use error::{Error, ErrorKind};
pub use library::{InvalidLibraryId, Library, LibraryId, ResolveLibrary};
pub use sparse::{InvalidSparseVector, SparseVector};
pub use vector_store::{
    CollectionSpec, CollectionState, Condition, Count, Delete, Distance, EnsureCollection, Filter,
    Flush, Hit, Leg, Optimize, Payload, Point, PointId, Query, QueryReply, Record, Retrieve,
    Selector, Upsert,
};
