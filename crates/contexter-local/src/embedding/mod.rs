//! Turning text into vectors on this machine.

mod acquire;
mod adapter;
mod batch;
mod choice;
mod lexical;
mod minilm;
mod model_file;
mod pip;
mod wordpiece;

pub use acquire::{AcquireError, Attempt, ModelSources, Notice, default_model_cache};
pub use adapter::{LocalEmbedder, OpenError, Selected};
pub use choice::{EmbedderChoice, InvalidEmbedderChoice};
pub use lexical::Lexical;
pub use minilm::{FailedRun, MiniLm, UnusableModel};
pub use model_file::{MODEL_SHA256, ModelFile, ModelSource, UnreadableModel};
pub use wordpiece::WordPiece;
