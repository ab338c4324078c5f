//! The public behaviour of `contexter-rag`.

mod chunk;
mod evaluation;
mod fusion;
mod sparse;
