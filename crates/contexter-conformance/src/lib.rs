//! Behaviour scenarios for resilience mechanisms and event transports, to run on anyone's types.
//!
//! A mechanism is implemented many times: as a plain call, a guard, a `tower` layer, in another
//! crate. The rules that it must keep are the same. Here they are written once, as black boxes
//! behind small traits, and can be run over every face and over one's own types. What was found
//! is a [`Report`]: a table with a row for each [`Rule`] and a column for each face.
//!
//! This is a crate for tests. Start at `resilience` or `events` (features of the same names), whose
//! documentation has a complete example.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `events` | the scenarios of event buses and message transports |
//! | `resilience` | the scenarios of breakers, retries, limits, timeouts and fallbacks |
//! | `vector-store` | the scenarios of vector stores, embedded or hosted |
//!
//! None is on by default.

#[cfg(feature = "events")]
pub mod events;
mod report;
#[cfg(feature = "resilience")]
pub mod resilience;
#[cfg(feature = "vector-store")]
pub mod vector_store;
mod verdict;

pub use report::{Entry, Report, Rule};
pub use verdict::{Refusal, Unsupported, Verdict};
