//! The behaviour of the registry, in paused time.

mod checks;
mod lifecycle;
mod lookup;
mod scripted;
