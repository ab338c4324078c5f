//! The scenarios of resilience mechanisms.
//!
//! A [`Suite`] takes faces of mechanisms, each as a function that builds one from the suite's own
//! settings, and runs every [scenario](crate::Rule) that is there for the mechanism. Scenarios are
//! black boxes: they make calls with scripted operations ([`Op`]), move a clock that stands still
//! otherwise ([`Time`]), and look at what came back and at what was done to the operation.
//!
//! | mechanism | implement | settings |
//! |---|---|---|
//! | circuit breaker | [`BreakerSubject`] | [`BreakerSettings`] |
//! | retry | [`RetrySubject`] | [`RetrySettings`] |
//! | hedge | [`HedgeSubject`] | [`HedgeSettings`] |
//! | bulkhead | [`BulkheadSubject`] | [`BulkheadSettings`] |
//! | rate limiter | [`RateLimitSubject`] | [`RateSettings`] |
//! | adaptive limit | [`AdaptiveSubject`] | [`AdaptiveSettings`] |
//! | timeout | [`TimeoutSubject`] | how long a call may take |
//! | fallback | [`FallbackSubject`] | [`Recovery`] |
//! | two of them nested | [`StackSubject`] | [`Shape`] |
//! | breakers by key | [`KeyedSubject`] | [`KeyedSettings`] |
//!
//! A subject answers [`Unsupported`](crate::Unsupported) to what it does not offer. The scenarios
//! that need it then do not apply, and the table says why.
//!
//! # Calls
//!
//! A subject's `call` returns the call as a boxed future that has not been polled. It runs the
//! operation by [`Op::begin`] for each attempt, or by [`Instance`] if it is a service with
//! readiness, and gives its outcome back unchanged; a refusal is the [`Failure`] of its kind. The
//! suite polls by hand, without a runtime, and drops calls where it pleases.

mod flight;
mod op;
mod outcome;
mod scenarios;
mod subjects;
mod suite;
mod time;

pub use flight::ready_at_once;
pub use op::{Instance, Op, Running};
pub use outcome::{Call, Failure, Fault, Reply, Value};
pub use subjects::around::{
    BothFailed, FallbackSubject, KeyedSettings, KeyedSubject, Recovery, Shape, StackSubject,
    TimeoutSubject,
};
pub use subjects::breaker::{
    Abandonment, BreakerSettings, BreakerSubject, Growth, Listener, Slow, Trip,
};
pub use subjects::limit::{
    AdaptiveSettings, AdaptiveSubject, Body, BulkheadSettings, BulkheadSubject, RateLimitSubject,
    RateSettings,
};
pub use subjects::retry::{
    BudgetSettings, HedgeSettings, HedgeSubject, RetrySettings, RetrySubject, WaitHeader,
};
pub use suite::{Heap, Suite};
pub use time::Time;
