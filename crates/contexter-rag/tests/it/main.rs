//! The public behaviour of `contexter-rag`.

mod chunk;
mod embedding;
mod evaluation;
mod fusion;
mod ingest;
mod search;
mod sparse;
