//! The behaviour of the registry, in paused time.

#![expect(clippy::panic, reason = "a scripted adapter panics when told to")]

mod checks;
mod lifecycle;
mod lookup;
mod scripted;
