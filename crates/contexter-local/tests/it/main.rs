//! The behaviour of the local documents and the local embedder.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may panic, and say what it waits for"
)]

mod documents;
mod embedding;
mod embedding_acquire;
mod embedding_lexical;
mod embedding_minilm;
mod embedding_wordpiece;
