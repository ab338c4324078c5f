//! The behaviour of the registry, in paused time.

#![expect(clippy::panic, reason = "a scripted adapter panics when told to")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod again;
mod checks;
mod lifecycle;
mod lookup;
mod scripted;
mod slots;
