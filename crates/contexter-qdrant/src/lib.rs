//! The Qdrant engine as a vector store, hosted or embedded.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `remote` | on | the module [`remote`]: a Qdrant server, over gRPC |
//! | `edge` | off | the module [`edge`]: the engine inside this process, in a folder on disk, no server |
//! | `server` | off | the module [`server`]: that engine behind the server's own protocol, for development and tests |
//!
//! `edge` compiles the whole engine (about 290 crates and some C, ten minutes on two cores), which
//! is why it is off by default; `server` needs both.
//!
//! Hosted and embedded collections are made of the same things and searched by the same requests,
//! so that programs change from one to the other by configuration.
#![cfg_attr(
    not(feature = "remote"),
    doc = "\n\n[`remote`]: https://docs.rs/contexter-qdrant"
)]
#![cfg_attr(
    not(feature = "edge"),
    doc = "\n\n[`edge`]: https://docs.rs/contexter-qdrant"
)]
#![cfg_attr(
    not(feature = "server"),
    doc = "\n\n[`server`]: https://docs.rs/contexter-qdrant"
)]

#[cfg(feature = "edge")]
pub mod edge;
#[cfg(feature = "remote")]
pub mod remote;
#[cfg(feature = "server")]
pub mod server;
#[cfg(any(feature = "edge", feature = "remote"))]
mod spec;
