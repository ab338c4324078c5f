//! Numbers that the server takes.

use std::fmt::Display;
use std::ops::RangeInclusive;

use tonic::Status;

/// Refuses a number of `field` that is less than `least`, or none at all.
pub(super) fn at_least<T: Copy + Display + PartialOrd>(
    field: &str,
    value: Option<T>,
    least: T,
) -> Result<(), Status> {
    match value {
        Some(value) if !(least..).contains(&value) => Err(invalid(format_args!(
            "{field}: value {value} invalid, must be {least} or larger"
        ))),
        _ => Ok(()),
    }
}

/// Refuses a number of `field` that is outside of `range`.
pub(super) fn within<T: Display + PartialOrd>(
    field: &str,
    value: Option<T>,
    range: &RangeInclusive<T>,
) -> Result<(), Status> {
    match value {
        Some(value) if !range.contains(&value) => Err(invalid(format_args!(
            "{field}: value {value} invalid, must be from {} to {}",
            range.start(),
            range.end(),
        ))),
        _ => Ok(()),
    }
}

/// Something that is refused before anything is done, in the words of the server.
fn invalid(what: impl Display) -> Status {
    Status::invalid_argument(format!("Validation error in body: [{what}]"))
}
