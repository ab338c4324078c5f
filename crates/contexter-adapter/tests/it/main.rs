//! The contracts of adapters.

mod capabilities;
mod health;
mod lifecycle;
