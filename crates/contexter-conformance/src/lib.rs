//! Behaviour scenarios for resilience mechanisms, to run on anyone's types.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `resilience` | the scenarios of breakers, retries, limits, timeouts and fallbacks |
//!
//! None is on by default.

mod report;
#[cfg(feature = "resilience")]
pub mod resilience;
mod verdict;

pub use report::{Entry, Report, Rule};
pub use verdict::{Refusal, Unsupported, Verdict};
