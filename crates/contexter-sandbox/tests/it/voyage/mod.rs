//! The Voyage AI server against the vendor's documentation.

mod batches;
mod contextualized;
mod embeddings;
mod limits;
mod multimodal;
mod rerank;
