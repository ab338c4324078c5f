//! Cutting documents into chunks that an embedding model can read whole.

mod chunker;
mod content;
mod draft;
mod outline;
mod settings;
mod split;
mod title_path;

pub use chunker::Chunker;
pub use content::{CHUNK_NAMESPACE, Chunk, chunk_id};
pub use settings::{Chunking, InvalidChunking};
