//! The Qdrant engine as a vector store, embedded or hosted.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `edge` | off | the module [`edge`]: the engine inside this process, in a folder on disk, no server |
//!
//! `edge` compiles the whole engine (about 290 crates and some C, ten minutes on two cores), which
//! is why it is off by default. Without it this crate is empty for now: the adapter for a hosted
//! server is not written yet.
#![cfg_attr(not(feature = "edge"), doc = "")]
#![cfg_attr(
    not(feature = "edge"),
    doc = "[`edge`]: https://docs.rs/contexter-qdrant"
)]

#[cfg(feature = "edge")]
pub mod edge;
