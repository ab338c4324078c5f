//! The scenarios of event buses and of the transports under them.
//!
//! A [`Suite`] takes one transport, as a function that makes a [`Fixture`]: a broker that a scenario
//! has for itself, a way to reach it as one process would, and what can be done to it. It runs every
//! scenario, and says what it [found](Findings): a verdict on each rule, and the transport's
//! [capabilities](contexter_event_bus::Capabilities) with every scenario that was left out for want
//! of one.
//!
//! | family | asks |
//! |---|---|
//! | W | what a subscriber may rely on: nothing lost, order, groups, closing, restarts |
//! | A | attempts, dead letters, unreadable messages, limits, faults |
//! | D | batches, and subscribers that come and go |
//! | E | what an adapter must not do: claim twice, settle twice, leak headers |
//!
//! Scenarios are black boxes. They publish and subscribe through a
//! [`Bus`](contexter_event_bus::Bus) and look at what handlers were given; some look at a
//! [`Source`](contexter_event_bus::transport::Source) below it. Each waits for conditions: until
//! nothing has moved for 30 s, so that it does not depend on the speed of the machine. What must not
//! happen is watched for 150 ms, and for longer than a lease where a broker would give an event
//! again only then. One that needs what the transport does not claim, or the fixture cannot do, does
//! not apply, and is named in the table.
//!
//! # Examples
//!
//! The bus inside this process:
//!
//! ```
//! use contexter_conformance::events::{InProcess, Suite};
//!
//! # #[tokio::main]
//! # async fn main() {
//! let suite = Suite::new("in process", |settings| async move {
//!     let _ = settings;
//!     Ok(Box::new(InProcess) as _)
//! });
//! let found = suite.run_where(|rule| rule.mechanism == "W" && rule.number == 11).await;
//! println!("{}\n{}", found.capability_table(), found.to_markdown());
//! assert!(found.failures().is_empty());
//! # }
//! ```
//!
//! What recognises duplicates is asked apart, by [`run_dedupe`].
//!
//! A test program over a broker has a `main` of its own (`harness = false`) that calls [`main`].

mod dedupe;
mod fixture;
mod log;
mod meddling;
mod program;
mod scenarios;
mod stage;
mod stalled;
mod suite;

pub use dedupe::{DedupeSubject, run_dedupe};
pub use fixture::{Ability, Fixture, InProcess, Settings};
pub use program::main;
pub use stalled::{Held, Stalled};
pub use suite::{Findings, Suite};
