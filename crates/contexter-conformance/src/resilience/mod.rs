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
//!
//! # Examples
//!
//! A breaker that counts failures in a row, written as one would at first. It keeps many rules; one
//! that it breaks is that only as many probes pass as are permitted.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Instant;
//!
//! use contexter_conformance::Refusal;
//! use contexter_conformance::resilience::{
//!     BreakerSettings, BreakerSubject, Call, Failure, Op, Suite, Time, Trip,
//! };
//! use contexter_service::{Clock, Cx, Open};
//!
//! #[derive(Clone)]
//! struct Streak {
//!     threshold: u32,
//!     settings: BreakerSettings,
//!     time: Time,
//!     /// The failures in a row, and when the last one was.
//!     failures: Arc<Mutex<(u32, Option<Instant>)>>,
//! }
//!
//! impl Streak {
//!     fn build(settings: &BreakerSettings, time: &Time) -> Result<Box<dyn BreakerSubject>, Refusal> {
//!         let Trip::Streak(threshold) = settings.trip else {
//!             return Err(Refusal::unsupported("counts failures in a row only"));
//!         };
//!         Ok(Box::new(Self {
//!             threshold,
//!             settings: *settings,
//!             time: time.clone(),
//!             failures: Arc::default(),
//!         }))
//!     }
//!
//!     fn check(&self) -> Result<(), Open> {
//!         let (failures, last) = *self.failures.lock().unwrap();
//!         let end = last.map(|last| last + self.settings.break_for);
//!         let left = end.and_then(|end| end.checked_duration_since(self.time.now()));
//!         match left.filter(|left| failures >= self.threshold && !left.is_zero()) {
//!             Some(left) => Err(Open { retry_after: Some(left) }),
//!             None => Ok(()),
//!         }
//!     }
//! }
//!
//! impl BreakerSubject for Streak {
//!     fn call(&self, op: &Op) -> Call {
//!         let (breaker, op) = (self.clone(), op.clone());
//!         Box::pin(async move {
//!             breaker.check()?;
//!             let out = op.begin(Cx::new()).await;
//!             let mut failures = breaker.failures.lock().unwrap();
//!             match &out {
//!                 Ok(_) => *failures = (0, None),
//!                 Err(fault) if fault.is_neutral() => {}
//!                 Err(_) => *failures = (failures.0 + 1, Some(breaker.time.now())),
//!             }
//!             drop(failures);
//!             out.map_err(Failure::Op)
//!         })
//!     }
//!
//!     fn sibling(&self) -> Box<dyn BreakerSubject> {
//!         Box::new(self.clone())
//!     }
//! }
//!
//! let mut suite = Suite::new();
//! suite.breaker("call", Streak::build);
//! let report = suite.run();
//! println!("{}", report.to_markdown());
//!
//! assert!(report.failures().contains(&17), "all 100 callers pass when the break is over");
//! assert!(!report.failures().contains(&2), "the minimum is not asked of it: it has no window");
//! ```
//!
//! A test program asserts that `report.failures()` is empty, or names the rules that it knows it
//! breaks.

mod flight;
mod op;
mod outcome;
mod scenarios;
mod step;
mod subjects;
mod suite;
mod time;

pub use flight::ready_at_once;
pub use op::{Instance, Op, Running};
pub use outcome::{Call, Failure, Fault, Reply, Value};
pub use subjects::around::{
    FallbackSubject, KeyedSettings, KeyedSubject, Recovery, Shape, StackSubject, TimeoutSubject,
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
