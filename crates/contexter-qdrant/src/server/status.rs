//! Failures as the server reports them.

use std::any::Any;

use qdrant_edge::OperationError;
use tonic::Status;

/// Maps an error of the engine.
pub(super) fn engine(error: &OperationError) -> Status {
    match error {
        OperationError::WrongVectorDimension { .. }
        | OperationError::VectorNameNotExists { .. }
        | OperationError::TypeError { .. }
        | OperationError::TypeInferenceError { .. }
        | OperationError::ValidationError { .. }
        | OperationError::WrongSparse
        | OperationError::WrongMulti
        | OperationError::MissingRangeIndexForOrderBy { .. }
        | OperationError::MissingMapIndexForFacet { .. }
        | OperationError::VariableTypeError { .. }
        | OperationError::NonFiniteNumber { .. } => wrong(error.to_string()),
        OperationError::PointIdError { .. } => not_found(error.to_string()),
        OperationError::Timeout { .. } => Status::deadline_exceeded(error.to_string()),
        OperationError::Cancelled { .. } => Status::cancelled(error.to_string()),
        OperationError::ServiceError { .. }
        | OperationError::InconsistentStorage { .. }
        | OperationError::OutOfMemory { .. } => {
            Status::internal(format!("Service internal error: {error}"))
        }
    }
}

/// Wrong input.
pub(super) fn wrong(what: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("Wrong input: {what}"))
}

/// What is refused whatever it is asked of.
pub(super) fn bad_request(what: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("Bad request: {what}"))
}

/// Something that is not there.
pub(super) fn not_found(what: impl std::fmt::Display) -> Status {
    Status::not_found(format!("Not found: {what}"))
}

/// A collection that is not there.
pub(super) fn no_collection(name: &str) -> Status {
    not_found(format_args!("Collection `{name}` doesn't exist!"))
}

/// What this server does not do.
pub(super) fn not_offered(what: &str) -> Status {
    Status::unimplemented(format!("{what}: not offered by this local server"))
}

/// Something that took longer than the caller wanted to wait.
pub(super) fn timed_out(what: &str) -> Status {
    Status::deadline_exceeded(format!("Timeout error: Operation '{what}' timed out"))
}

/// A call that came too late.
pub(super) fn going() -> Status {
    Status::unavailable("the server is going away")
}

/// A panic of the engine.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Status {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Status::internal(format!("Service internal error: {text}"))
}
