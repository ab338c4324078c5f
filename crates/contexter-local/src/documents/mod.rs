//! Documents on this machine: folders, and the sources of crates.

mod adapter;
mod cargo_lock;
mod convert;
mod crate_docs;
mod file;
mod folder;
mod html;
mod kind;
mod markdown;
mod nesting;
mod page;
mod resolve;
mod rst;
mod rust_docs;
mod walk;

pub use adapter::{DocumentSource, LocalDocuments};
pub use cargo_lock::{CargoLock, default_registry};
pub use folder::Folder;

use contexter_model::{Error, ErrorKind, LibraryId};

/// Runs work that blocks where it may.
///
/// When the future is dropped the work goes on to its end, which a page bounds.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorKind::Unexpected, "reading documents was broken off").with_source(error)
    })
}

fn unknown(library: &LibraryId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("no library {:?}", library.as_str()),
    )
}
