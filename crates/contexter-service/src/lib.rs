//! What a call is, what its outcome teaches a resilience mechanism, and the clocks they share.
//!
//! This crate is the floor of Contexter: every mechanism (circuit breaker, retry, timeout, …) and
//! every adapter is written against the few types below, and against nothing else they share.

mod capability;
mod classify;
mod cx;
mod policy;
mod rejection;
mod service;

pub use capability::{Capability, Handle};
pub use classify::{Again, ByVerdict, Classify, ErrIsFailure, Sample, Verdict};
pub use cx::Cx;
pub use policy::Policy;
pub use rejection::{Elapsed, Full, Limited, Open};
pub use service::Service;
