//! Local documents and local embeddings: everything that works without a key or a server.

mod documents;
mod embedding;

pub use documents::{CargoLock, DocumentSource, Folder, LocalDocuments, default_registry};
pub use embedding::{
    AcquireError, Attempt, EmbedderChoice, FailedRun, InvalidEmbedderChoice, Lexical,
    LocalEmbedder, MODEL_SHA256, MiniLm, ModelFile, ModelSource, ModelSources, Notice, OpenError,
    Selected, UnreadableModel, UnusableModel, WordPiece, default_model_cache,
};
