//! The adaptive limit on concurrent calls.

mod config;
mod estimator;
mod gate;
mod limit;
mod permit;
mod shared;

pub use config::AdaptiveConfig;
pub use limit::AdaptiveLimit;
pub use permit::{AcquireAdaptivePermit, AdaptivePermit};
