//! What the engine and the file system report, as errors of the model.

use std::any::Any;
use std::io;
use std::path::Path;

use contexter_model::{Error, ErrorKind};
use qdrant_edge::OperationError;

pub(super) use crate::spec::{SERVICE, error};

/// Maps an error of the file system; `doing` reads like "write /data/x".
pub(super) fn io(doing: &str, path: &Path, source: io::Error) -> Error {
    let path = path.display();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            error(ErrorKind::Unavailable, no_space(&path.to_string()))
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => error(
            ErrorKind::Unauthorized,
            format!("no permission to {doing} {path}"),
        ),
        io::ErrorKind::NotFound => error(
            ErrorKind::NotFound,
            format!("cannot {doing} {path}: not found"),
        ),
        _ => error(ErrorKind::Unavailable, format!("cannot {doing} {path}")),
    }
    .with_source(source)
}

pub(super) fn no_space(place: &str) -> String {
    format!("no space left on device for {place}")
}

/// Maps an error of the engine while it was `doing` something with the data at `path`.
pub(super) fn engine(doing: &str, path: &Path, source: OperationError) -> Error {
    let place = path.display();
    let text = source.to_string();
    if is_full(&text) {
        return error(ErrorKind::Unavailable, no_space(&place.to_string())).with_source(source);
    }
    let kind = match &source {
        OperationError::WrongVectorDimension { .. }
        | OperationError::ValidationError { .. }
        | OperationError::TypeError { .. }
        | OperationError::WrongSparse
        | OperationError::WrongMulti => ErrorKind::Invalid,
        OperationError::Cancelled { .. } => ErrorKind::Cancelled,
        OperationError::Timeout { .. } => ErrorKind::Timeout,
        OperationError::OutOfMemory { .. } => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    };
    error(kind, format!("the engine failed to {doing} {place}")).with_source(source)
}

/// Returns whether the engine was stopped by another holder of its log.
pub(super) fn is_locked(source: &OperationError) -> bool {
    // The engine keeps of an io::Error only its text: `failed to open WAL …: … WouldBlock …`.
    let text = source.to_string();
    text.contains("WAL") && text.contains("WouldBlock")
}

/// Maps a panic of the engine; some of its methods report I/O errors that way.
pub(super) fn panic(doing: &str, path: &Path, panic: &(dyn Any + Send)) -> Error {
    let place = path.display();
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    if is_full(text) {
        return error(ErrorKind::Unavailable, no_space(&place.to_string()))
            .with_source(Panicked(text.to_owned()));
    }
    error(
        ErrorKind::Unexpected,
        format!("the engine failed to {doing} {place}"),
    )
    .with_source(Panicked(text.to_owned()))
}

/// Returns whether `text` tells of a full disk.
///
/// The engine turns every `io::Error` into text before it gets here, so the text is all there is:
/// the operating system's message, the debug form of the error kind, or the engine's own check
/// before it optimizes.
fn is_full(text: &str) -> bool {
    [
        "No space left on device",
        "StorageFull",
        "Not enough space available",
    ]
    .iter()
    .any(|mark| text.contains(mark))
}

#[derive(Debug, thiserror::Error)]
#[error("engine panicked: {0}")]
struct Panicked(String);
