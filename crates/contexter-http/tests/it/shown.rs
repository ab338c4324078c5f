//! All that a person can see of an error.

use std::error::Error;
use std::fmt::Write as _;

/// Display and debug of an error and of everything that caused it.
pub(crate) fn everything(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        writeln!(text, "{error}\n{error:?}").unwrap();
        next = error.source();
    }
    text
}
