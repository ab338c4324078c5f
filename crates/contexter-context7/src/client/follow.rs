//! Libraries that have moved, and versions that do not exist.

use std::future::Future;

use contexter_model::{Error, ErrorKind, LibraryId};
use contexter_service::Sample;

use super::{Client, NAME};
use crate::Context7Id;
use crate::failure::Failure;
use crate::id::without_version;

/// How often a library may have moved: more is taken for a loop that comes under ever new names.
pub const MAX_MOVES: usize = 3;

/// What came of asking about a library.
pub(super) struct Followed<T> {
    pub(super) library: LibraryId,
    pub(super) fell_back: bool,
    pub(super) value: T,
}

impl Client {
    /// Asks about a library, and again where it has moved, and about its default version where the
    /// one that was named does not exist and the caller allows it.
    pub(super) async fn follow<T, Fut>(
        &self,
        operation: &'static str,
        library: &LibraryId,
        tag_fallback: bool,
        ask: impl Fn(LibraryId) -> Fut + Send,
    ) -> Result<Followed<T>, Error>
    where
        Fut: Future<Output = Result<T, Failure>> + Send,
    {
        let mut asked = vec![library.clone()];
        let mut moves = 0_usize;
        let mut fell_back = false;
        let mut id = library.clone();
        loop {
            let failure = match ask(id.clone()).await {
                Ok(value) => {
                    return Ok(Followed {
                        library: id,
                        fell_back,
                        value,
                    });
                }
                Err(failure) => failure,
            };
            let next = match instead(&id, &failure) {
                Some(Instead::Moved(to)) => {
                    moves += 1;
                    tracing::debug!(service = NAME, operation, from = %id, %to, "the library has moved");
                    to
                }
                Some(Instead::Unversioned(to)) if tag_fallback => {
                    fell_back = true;
                    tracing::warn!(
                        service = NAME,
                        operation,
                        asked = %id,
                        "the version does not exist, the default version answers"
                    );
                    to
                }
                Some(Instead::Unversioned(to)) if failure.moved().is_some() => {
                    return Err(no_such_version(operation, &failure, &id, &to));
                }
                Some(Instead::Unversioned(_)) | None => return Err(failure.into_error()),
            };
            let problem = if asked.contains(&next) {
                format!("moves in a circle: {id} has moved to {next}, which was asked before")
            } else if moves > MAX_MOVES {
                format!("has moved more than {MAX_MOVES} times, the last time to {next}")
            } else {
                asked.push(next.clone());
                id = next;
                continue;
            };
            // Something is wrong with this library, and the service as such is well.
            return Err(
                Error::new(ErrorKind::Protocol, format!("{library} {problem}"))
                    .with_service(NAME)
                    .with_operation(operation)
                    .with_verdict(Sample::Success, false),
            );
        }
    }
}

/// What to ask about in place of an id that was refused.
enum Instead {
    /// The library by its new id.
    Moved(LibraryId),
    /// The library without its version, which does not exist.
    Unversioned(LibraryId),
}

/// Reads a refusal. A version goes along when its library moves, unless the new id has one, lest the
/// documentation of another version answers in silence.
fn instead(id: &LibraryId, failure: &Failure) -> Option<Instead> {
    let Some(version) = id.version() else {
        return failure.moved().cloned().map(Instead::Moved);
    };
    let Some(to) = failure.moved() else {
        let unknown = failure.is_unknown_tag();
        return unknown.then(|| Instead::Unversioned(without_version(id)));
    };
    if to.version().is_some() {
        return Some(Instead::Moved(to.clone()));
    }
    // From a version to its own library: nothing has moved, the version is not there.
    if *to == without_version(id) {
        return Some(Instead::Unversioned(to.clone()));
    }
    let versioned = Context7Id::from(to.clone()).with_version(version);
    Some(versioned.map_or_else(
        |_no_id| Instead::Unversioned(to.clone()),
        |to| Instead::Moved(to.into()),
    ))
}

/// The error for a version in whose place the service names a library without one.
fn no_such_version(
    operation: &'static str,
    failure: &Failure,
    id: &LibraryId,
    to: &LibraryId,
) -> Error {
    let message = format!("{id} has no such version: the service names {to} instead");
    let error = Error::new(ErrorKind::NotFound, message)
        .with_service(NAME)
        .with_operation(operation);
    match failure.error().request_id() {
        Some(request) => error.with_request_id(request),
        None => error,
    }
}
