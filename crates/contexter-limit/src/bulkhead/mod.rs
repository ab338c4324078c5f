//! The bulkhead.

mod config;
mod handle;
mod permit;

pub use config::BulkheadConfig;
pub use handle::Bulkhead;
pub use permit::{AcquirePermit, Permit};
