//! What went wrong: in words, and whether all documents share it.

use contexter_event_bus::PublishError;
use contexter_event_bus::transport::{TransportError, TransportErrorKind};
use contexter_model::ErrorKind;
use contexter_protocol::rag::ProcessingFailed;
use contexter_storage::StorageError;

use super::commit::CommitError;
use super::tracker::Reason;

type Error = dyn std::error::Error + 'static;

/// Why an event has nothing to do with the index as it is made now. Trying again does not help.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mismatch {
    /// Vectors of different spaces cannot be compared.
    #[error("the event is about vectors of {found}, the index holds those of {own}")]
    Space { found: String, own: String },
    /// The chunks were cut, or their words would be weighed, in another way.
    #[error(
        "the document was prepared under the settings {found:?}, those of the index are {own:?}"
    )]
    Profile { found: String, own: String },
}

/// Describes a failure, with all its causes in one line.
pub(super) fn failure(
    library: &str,
    path: Option<&str>,
    step: &str,
    error: &Error,
) -> ProcessingFailed {
    let causes = causes(error);
    let kind = causes
        .iter()
        .find_map(|cause| cause.downcast_ref().map(contexter_model::Error::kind));
    ProcessingFailed {
        library_id: library.to_owned(),
        path: path.map(str::to_owned),
        step: step.to_owned(),
        error: in_one_line(&causes),
        error_type: kind.map_or("integration", ErrorKind::as_str).to_owned(),
    }
}

/// Says why a document did not make it, with all causes in one line.
pub(super) fn reason_of(error: &Error) -> Reason {
    Reason {
        text: in_one_line(&causes(error)),
        out_of_service: is_out_of_service(error),
    }
}

fn in_one_line(causes: &[&Error]) -> String {
    let texts: Vec<String> = causes.iter().map(ToString::to_string).collect();
    texts.join(": ")
}

/// Returns whether documents fail for something that has nothing to do with them: a service that
/// cannot be reached or turns us away, a bus that takes nothing, a disk that is full.
///
/// One failure of that kind may be a document's own all the same, such as a long one that takes too
/// long; many in a row are not.
fn is_out_of_service(error: &Error) -> bool {
    causes(error).into_iter().any(|cause| {
        let kind = cause.downcast_ref().map(contexter_model::Error::kind);
        let io = cause.downcast_ref().map(std::io::Error::kind);
        let transport = cause.downcast_ref().map(TransportError::kind);
        matches!(
            kind,
            Some(
                ErrorKind::Unavailable
                    | ErrorKind::Timeout
                    | ErrorKind::Unauthorized
                    | ErrorKind::RateLimited
                    | ErrorKind::QuotaExhausted
            )
        ) || matches!(
            io,
            Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        ) || matches!(cause.downcast_ref(), Some(StorageError::Full { .. }))
            || transport.is_some_and(TransportErrorKind::is_transient)
    }) || is_closed(error)
}

/// Returns whether the bus takes nothing any more, now or later.
pub(super) fn is_closed(error: &Error) -> bool {
    causes(error).into_iter().any(|cause| {
        let transport = cause.downcast_ref().map(TransportError::kind);
        matches!(cause.downcast_ref(), Some(PublishError::Closed))
            || transport == Some(TransportErrorKind::Closed)
    })
}

/// Returns an error and its causes, outermost first.
fn causes(error: &Error) -> Vec<&Error> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        // What the documents of a group share stands behind a pointer of its own.
        let error = match error.downcast_ref::<CommitError>() {
            Some(shared) => &**shared,
            None => error,
        };
        causes.push(error);
        next = error.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contexter_model::Error;

    use super::*;
    use crate::IntegrationError;
    use crate::ingest::steps::Failure;

    fn unpublished(error: PublishError) -> IntegrationError {
        IntegrationError::new("publish", "cannot publish document.ingested").with_source(error)
    }

    #[test]
    fn a_failed_group_tells_its_kind_through_the_pointer_that_its_documents_share() {
        let full = Error::new(ErrorKind::Unavailable, "no space left");
        let shared: CommitError = Arc::new(full);
        let error: Failure = shared.into();
        assert!(is_out_of_service(&*error));
        let failed = failure("/a/b", None, "index", &*error);
        assert_eq!(
            (&*failed.error, &*failed.error_type),
            ("no space left", "unavailable")
        );
    }

    #[test]
    fn what_a_document_holds_puts_nothing_out_of_service() {
        let cause = std::io::Error::new(std::io::ErrorKind::InvalidData, "half a letter");
        let error = Error::new(ErrorKind::Invalid, "not text").with_source(cause);
        assert!(!is_out_of_service(&error));
        assert_eq!(
            failure("/a/b", None, "index", &error).error,
            "not text: half a letter"
        );
        for kind in [
            std::io::ErrorKind::StorageFull,
            std::io::ErrorKind::QuotaExceeded,
        ] {
            assert!(is_out_of_service(&std::io::Error::from(kind)), "{kind}");
        }
    }

    #[test]
    fn a_service_that_answers_nobody_is_out_of_service() {
        for kind in [
            ErrorKind::Unavailable,
            ErrorKind::Timeout,
            ErrorKind::Unauthorized,
            ErrorKind::RateLimited,
            ErrorKind::QuotaExhausted,
        ] {
            assert!(is_out_of_service(&Error::new(kind, "no")), "{kind}");
        }
        for kind in [
            ErrorKind::Invalid,
            ErrorKind::NotFound,
            ErrorKind::NotReady,
            ErrorKind::Unsupported,
            ErrorKind::TooLarge,
            ErrorKind::Protocol,
            ErrorKind::Unexpected,
        ] {
            assert!(!is_out_of_service(&Error::new(kind, "no")), "{kind}");
        }
    }

    #[test]
    fn a_bus_that_takes_nothing_is_out_of_service_and_its_reason_has_every_cause() {
        use TransportErrorKind as Kind;
        for kind in [
            Kind::Unavailable,
            Kind::Unconfirmed,
            Kind::Full,
            Kind::Closed,
        ] {
            let error = TransportError::new(kind, "no answer in 5 s").with_source("broken pipe");
            let error = unpublished(error.into());
            let reason = reason_of(&error);
            assert!(reason.out_of_service, "{kind:?}");
            assert_eq!(
                reason.text,
                "publish: cannot publish document.ingested: event was not confirmed: no answer in \
                 5 s: broken pipe"
            );
            assert_eq!(is_closed(&error), kind == Kind::Closed);
        }
        for kind in [
            Kind::TooLarge,
            Kind::Refused,
            Kind::Protocol,
            Kind::Unsupported,
        ] {
            let error = unpublished(TransportError::new(kind, "no").into());
            assert!(!reason_of(&error).out_of_service, "{kind:?}");
        }
        let closed = unpublished(PublishError::Closed);
        assert!(reason_of(&closed).out_of_service && is_closed(&closed));
    }
}
