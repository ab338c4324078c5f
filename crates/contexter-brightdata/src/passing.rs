//! Trouble that passes, for who waits for what was begun at the vendor.

use contexter_model::{Error, ErrorKind};
use contexter_service::{Again, Verdict as _};

use crate::refusal::{Class, Refusal};

/// Whether a question has failed for a reason that says nothing about what was asked for.
pub(crate) fn may_pass(error: &Error) -> bool {
    match Refusal::of(error) {
        Some(refusal) => {
            refusal.is_at_the_door() && matches!(refusal.class(), Class::Vendor | Class::Throttle)
        }
        None => {
            error.is_rejection()
                // The end of a job is no use trying again.
                || (error.again() != Again::No
                    && matches!(
                        error.kind(),
                        ErrorKind::RateLimited | ErrorKind::Timeout | ErrorKind::Unavailable
                    ))
        }
    }
}
